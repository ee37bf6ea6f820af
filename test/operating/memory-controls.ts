/** The control table in memory, under the same contract as the one on DynamoDB. */
import type {
  ControlStore,
  StoredException,
  StoredRule,
} from '../../functions/operating/control-store.ts';

export function createMemoryControls(): ControlStore {
  const rules = new Map<string, StoredRule>();
  const exceptions = new Map<string, StoredException>();
  return {
    listRules: async () =>
      [...rules.values()].sort(
        (one, two) => one.position - two.position || (one.rule.name < two.rule.name ? -1 : 1),
      ),
    listExceptions: async () =>
      [...exceptions.entries()]
        .sort(([one], [two]) => (one < two ? -1 : 1))
        .map(([, each]) => each),
    putRule: async (stored, { replace }) => {
      if (!replace && rules.has(stored.rule.name)) {
        return false;
      }
      rules.set(stored.rule.name, structuredClone(stored));
      return true;
    },
    removeRule: async (name) => rules.delete(name),
    putException: async (stored) => {
      exceptions.set(`${stored.domain}#${stored.policy}`, structuredClone(stored));
    },
    removeException: async ({ domain, policy }) => exceptions.delete(`${domain}#${policy}`),
  };
}
