/** Tagging rules and DKIM keys in the config: what must hold beyond their form. */
import type { DeliverySettings } from '../../functions/environment.ts';
import { patternFault } from '../../functions/submission/text-pattern.ts';
import type { CrossIssue } from './domains.ts';

/** A rule that cannot be asked would stop every message at run time, so it stops the deployment. */
export function checkRules(rules: DeliverySettings['rules']): readonly CrossIssue[] {
  return rules.flatMap(({ name, match }, index): CrossIssue[] => {
    const at = (...path: readonly string[]): CrossIssue['path'] => ['rules', index, ...path];
    const { bytesMin = 0, bytesMax = Number.POSITIVE_INFINITY } = match;
    const faults = (
      [
        [at('match', 'sender'), match.sender],
        [at('match', 'recipient'), match.recipient],
        [at('match', 'header', 'value'), match.header?.value],
      ] as const
    ).flatMap(([path, pattern]) => {
      const message = pattern && patternFault(pattern);
      return message === undefined ? [] : [{ path, message: `${message}.` }];
    });
    return [
      ...faults,
      ...(rules.findIndex((rule) => rule.name === name) < index
        ? [{ path: at('name'), message: 'a rule above has this name. Choose another.' }]
        : []),
      ...(bytesMin > bytesMax
        ? [{ path: at('match', 'bytesMax'), message: 'less than bytesMin: nothing matches.' }]
        : []),
    ];
  });
}

/** Two keys in one place: verifiers would find one of them, and call the other's signatures wrong. */
export function checkDkimKeys(keys: DeliverySettings['dkimKeys']): readonly CrossIssue[] {
  const records = keys.map(({ domain, selector }) => `${selector}._domainkey.${domain}`);
  return records.flatMap((record, index) =>
    records.indexOf(record) < index
      ? [
          {
            path: ['dkimKeys', index, 'selector'],
            message: `${record} is the record of a key above. Use a selector for each key (RFC 6376 §3.1).`,
          },
        ]
      : [],
  );
}
