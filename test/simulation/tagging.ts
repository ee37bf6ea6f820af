/**
 * Tagging rules of a world, and what they make a message demand: reckoned from what was planned, and not by the patterns
 * and header fields that the functions read.
 */
import type { TaggingRule, TextPattern } from '../../functions/environment.ts';
import { arrivalMs, hourMs, startMs } from './calendar.ts';
import type { Chance } from './chance.ts';
import { type MessageSpec, messageClasses } from './messages.ts';
import type { Demand } from './truth.ts';

/** What must hold of a message, all of it. */
export interface RuleSubject {
  readonly class?: string;
  readonly senderDomain?: string;
  readonly recipientDomain?: string;
  readonly isLarge?: true;
}

export interface PlannedRule {
  readonly name: string;
  readonly about: RuleSubject;
  readonly action: TaggingRule['action'];
  /** The lowest is asked first; those of the config come after all others. */
  readonly position: number;
}

/** A rule that an operator makes, and may remove, while mail goes through. */
export interface PassingRule {
  readonly rule: PlannedRule;
  readonly fromMs: number;
  /** Absent: it stays. */
  readonly toMs?: number;
}

export interface RulePlan {
  readonly ofConfig: readonly PlannedRule[];
  readonly passing: readonly PassingRule[];
}

/** Octets from which on a message counts as large; what is not has less than half of it. */
export const largeBytesMin = 2_000;

const actions = { require: 5, optional: 3, leave: 2 } as const;

export function drawRules(domains: readonly string[], chance: Chance): RulePlan {
  const draw = (name: string): PlannedRule => ({
    name,
    about: drawSubject(domains, chance),
    action: chance.weigh(actions),
    position: chance.between(-20, 20),
  });
  return {
    ofConfig: Array.from({ length: 4 }, (_, index) => draw(`config-${index}`)),
    passing: Array.from({ length: 12 }, (_, index) => {
      const fromMs = chance.between(startMs, startMs + arrivalMs);
      return {
        rule: draw(`rule-${index}`),
        fromMs,
        ...(chance.happens(0.7) && { toMs: fromMs + chance.between(hourMs / 2, 8 * hourMs) }),
      };
    }),
  };
}

function drawSubject(domains: readonly string[], chance: Chance): RuleSubject {
  switch (chance.weigh({ class: 5, sender: 2, recipient: 2, large: 1, both: 2 })) {
    case 'class':
      return { class: chance.pick(messageClasses) };
    case 'sender':
      return { senderDomain: chance.pick(domains) };
    case 'recipient':
      return { recipientDomain: chance.pick(domains) };
    case 'large':
      return { isLarge: true };
    case 'both':
      return { class: chance.pick(messageClasses), recipientDomain: chance.pick(domains) };
  }
}

/** A rule as an operator writes it down, in one of the forms that mean the same. */
export function writeRule({ name, about, action }: PlannedRule): TaggingRule {
  const form = name.length % 2 === 0 ? 'glob' : 'regex';
  const atDomain = (domain: string): TextPattern =>
    form === 'glob' ? { glob: `*@${domain}` } : { regex: `.*@${domain.replaceAll('.', '\\.')}` };
  const ofClass = (text: string): TextPattern =>
    form === 'glob' ? { equals: text.toUpperCase() } : { regex: text.replaceAll('-', '[-]') };
  return {
    name,
    match: {
      ...(about.class !== undefined && {
        header: { field: 'X-Class', value: ofClass(about.class) },
      }),
      ...(about.senderDomain !== undefined && { sender: atDomain(about.senderDomain) }),
      ...(about.recipientDomain !== undefined && { recipient: atDomain(about.recipientDomain) }),
      ...(about.isLarge === true && { bytesMin: largeBytesMin }),
    },
    action,
  };
}

/** What holds at some moment. */
export interface TaggingFacts {
  /** Made at run time, in any order. */
  readonly rules: readonly PlannedRule[];
  readonly ofConfig: readonly PlannedRule[];
  /** Domains to which neither rules nor tags apply. */
  readonly excepted: ReadonlySet<string>;
}

/** What a message demands of the channels to one of its domains. */
export function reckonDemand(spec: MessageSpec, domain: string, facts: TaggingFacts): Demand {
  const byHeader = spec.saysOptional ? 'optional' : 'default';
  if (spec.explicit) {
    return 'require';
  }
  if (facts.excepted.has(domain)) {
    return byHeader;
  }
  const spoken = spec.recipients.filter((recipient) => !facts.excepted.has(recipient.domain));
  if (spoken.some(({ given }) => given.includes('+requiretls@'))) {
    return 'require';
  }
  const atRunTime = [...facts.rules].sort(
    (one, other) => one.position - other.position || (one.name < other.name ? -1 : 1),
  );
  const decides = [...atRunTime, ...facts.ofConfig].find(({ about }) => {
    const { class: ofClass, senderDomain, recipientDomain } = about;
    return (
      (ofClass === undefined || spec.class === ofClass) &&
      (senderDomain === undefined || spec.mailFrom.endsWith(`@${senderDomain}`)) &&
      (recipientDomain === undefined || spoken.some((each) => each.domain === recipientDomain)) &&
      (about.isLarge !== true || spec.isLarge)
    );
  });
  return decides === undefined || decides.action === 'leave' ? byHeader : decides.action;
}
