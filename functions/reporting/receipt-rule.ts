/**
 * The receipt rule by which SES keeps reports for us: in the rule set that is active, whoever made it, as there can be but
 * one. Only where none is active one is made, activated, and taken away again with the rule.
 */

/** What SES is asked, as a port. */
export interface ReceiptRules {
  /** The active rule set's name; undefined where none is. */
  activeSet(): Promise<string | undefined>;
  /** Makes a rule set unless it is there, and activates it. */
  activate(set: string): Promise<void>;
  /** Puts a rule first in a set, or in the place of the one of its name. */
  put(set: string, rule: ReceiptRule): Promise<void>;
  /** Takes a rule out; does nothing where it, or its set, is gone. */
  remove(set: string, name: string): Promise<void>;
  /** Takes a rule set away unless there is a rule in it. */
  removeIfEmpty(set: string): Promise<void>;
}

/** What is kept where. */
export interface ReceiptRule {
  readonly name: string;
  readonly mailbox: string;
  readonly bucket: string;
  readonly prefix: string;
}

/** The set that is made where none is active. */
export const ownSet = 'sealpost';

/** Sees to it that the rule is in force; gives the name of the set that it is in. */
export async function installRule(rules: ReceiptRules, rule: ReceiptRule): Promise<string> {
  const active = await rules.activeSet();
  const set = active ?? ownSet;
  if (active === undefined) {
    await rules.activate(set);
  }
  await rules.put(set, rule);
  return set;
}

/** Takes the rule out of a set, and the set away where it is our own and nothing else is in it. */
export async function withdrawRule(rules: ReceiptRules, set: string, name: string): Promise<void> {
  await rules.remove(set, name);
  if (set === ownSet) {
    await rules.removeIfEmpty(set);
  }
}
