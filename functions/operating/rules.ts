/**
 * Tagging rules made at run time. They are asked before those of the config, in the order of their positions; the first
 * that matches decides.
 */
import * as z from 'zod';
import type { DeliverySettings, TaggingRule, TextPattern } from '../environment.ts';
import type { FieldFault } from '../protocol/problem.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import { findDecidingRule, type PrepareRules, prepareMessage } from '../submission/prepare.ts';
import type { QueueMessage } from '../submission/queue-message.ts';
import { readContent } from '../submission/read-content.ts';
import { taggingRuleSchema } from '../submission/tagging-rule.ts';
import { patternFault } from '../submission/text-pattern.ts';
import type { ControlStore, StoredRule } from './control-store.ts';

/** Rules made at run time; each message is compared with all of them. */
export const rulesMax = 100;

/** Positions are whole numbers from minus this to this. */
export const positionMax = 1_000_000;

/** Between the last rule and one that is added behind it, so that others fit in between. */
const positionStep = 10;

/** What an operator asks for. */
export interface RuleRequest {
  readonly rule: TaggingRule;
  /** Absent: behind all others; for one that is replaced, where it is. */
  readonly position?: number;
  /** Whether it may take the place of a rule of its name. Default: no. */
  readonly replace?: boolean;
}

/** The same, as JSON from outside. */
export const ruleRequestSchema: z.ZodType<RuleRequest> = z.strictObject({
  rule: taggingRuleSchema,
  position: z
    .int({ error: 'not a whole number' })
    .min(-positionMax)
    .max(positionMax)
    .exactOptional(),
  replace: z.boolean().exactOptional(),
});

/** Of the delivery settings, what rules have to agree with. */
export type RuleSettings = Pick<DeliverySettings, 'rules' | 'requireTls'>;

export interface RulesContext {
  readonly store: ControlStore;
  readonly settings: RuleSettings;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

/** `exists`: there is a rule of this name, which was not to be replaced. */
export type AddRuleOutcome =
  | { readonly kind: 'added'; readonly rule: StoredRule }
  | { readonly kind: 'exists' }
  | { readonly kind: 'refused'; readonly faults: readonly FieldFault[] };

/** Adds a rule. Functions obey it within a minute. Rejects with `store-unavailable`, `store-damaged`. */
export async function addRule(
  { rule, position, replace = false }: RuleRequest,
  author: string,
  { store, settings, nowMs }: RulesContext,
): Promise<AddRuleOutcome> {
  const known = await store.listRules();
  const namesake = known.find((one) => one.rule.name === rule.name);
  const faults = [
    ...checkPatterns(rule),
    ...checkSettings(rule, settings),
    ...(namesake === undefined && known.length >= rulesMax
      ? [{ field: 'rule', fault: `there are ${rulesMax} rules already: remove some` }]
      : []),
  ];
  if (faults.length > 0) {
    return { kind: 'refused', faults };
  }
  const last = known.at(-1)?.position ?? 0;
  const behind = Math.min(last + positionStep, positionMax);
  const stored = {
    rule,
    position: position ?? namesake?.position ?? behind,
    author,
    addedAtMs: nowMs,
  };
  return (await store.putRule(stored, { replace }))
    ? { kind: 'added', rule: stored }
    : { kind: 'exists' };
}

/** An expression that does not compile would stop every message, so it must never get into the table. */
function checkPatterns({ match }: TaggingRule): FieldFault[] {
  const patterns: readonly (readonly [field: string, pattern: TextPattern | undefined])[] = [
    ['rule.match.sender', match.sender],
    ['rule.match.recipient', match.recipient],
    ['rule.match.header', match.header?.value],
  ];
  return patterns.flatMap(([field, pattern]) => {
    const fault = pattern && patternFault(pattern);
    return fault === undefined ? [] : [{ field, fault }];
  });
}

function checkSettings(rule: TaggingRule, settings: RuleSettings): FieldFault[] {
  const { bytesMin = 0, bytesMax = Number.POSITIVE_INFINITY } = rule.match;
  return [
    ...(settings.requireTls
      ? []
      : [{ field: 'rule', fault: 'no rule is asked, since the setting requireTls is false' }]),
    ...(settings.rules.some(({ name }) => name === rule.name)
      ? [{ field: 'rule.name', fault: 'a rule of the config has this name: choose another' }]
      : []),
    ...(bytesMin > bytesMax
      ? [{ field: 'rule.match.bytesMax', fault: 'less than bytesMin: no message could match' }]
      : []),
  ];
}

/** A rule as listed. */
export interface ListedRule extends TaggingRule {
  /** Those of `config` are changed in the config file; they come after the others. */
  readonly source: 'config' | 'run-time';
  readonly position?: number;
  readonly author?: string;
  /** RFC 3339. */
  readonly addedAt?: string;
}

/** All rules in the order in which they are asked. Rejects with `store-unavailable`, `store-damaged`. */
export async function listRules({
  store,
  settings,
}: Pick<RulesContext, 'store' | 'settings'>): Promise<readonly ListedRule[]> {
  const stored = await store.listRules();
  return [
    ...stored.map(({ rule, position, author, addedAtMs }) => ({
      ...rule,
      source: 'run-time' as const,
      position,
      author,
      addedAt: new Date(addedAtMs).toISOString(),
    })),
    ...settings.rules.map((rule) => ({ ...rule, source: 'config' as const })),
  ];
}

/** `config`: the only one there is stands in the config file. */
export type RemoveRuleOutcome = 'removed' | 'absent' | 'config';

/** Removes a rule made at run time. Rejects with `store-unavailable`. */
export async function removeRule(
  name: string,
  { store, settings }: Pick<RulesContext, 'store' | 'settings'>,
): Promise<RemoveRuleOutcome> {
  if (await store.removeRule(name)) {
    return 'removed';
  }
  return settings.rules.some((rule) => rule.name === name) ? 'config' : 'absent';
}

/** What would be asked of the channels to one next-hop domain. */
export interface TestedDomain {
  readonly domain: string;
  /** As they would be sent to. */
  readonly recipients: readonly string[];
  readonly demand: TlsDemand;
  readonly reason: string;
}

export interface RuleTest {
  /** The rule that decides; undefined: none does. */
  readonly rule?: TaggingRule;
  readonly domains: readonly TestedDomain[];
}

/** A message as it would be handed in. */
export interface TestMessage {
  readonly envelope: Pick<QueueMessage, 'mailFrom' | 'rcptTo' | 'requireTls'>;
  readonly content: Uint8Array;
}

/**
 * Says which rule would decide about a message now, and what the message would demand, by the code that decides it.
 *
 * @throws {TransportSecurityError} `content-invalid` for content that is not accepted.
 */
export function testRules({ envelope, content }: TestMessage, rules: PrepareRules): RuleTest {
  const handedIn = { fields: readContent(content).fields, sizeBytes: content.length };
  const now = new Date(rules.nowMs).toISOString();
  const message: QueueMessage = {
    ...envelope,
    version: 1,
    id: 'test',
    content: { data: '' },
    attempt: 1,
    submittedAt: now,
    expiresAt: now,
  };
  const rule = findDecidingRule(message, handedIn, rules);
  return {
    ...(rule !== undefined && { rule }),
    domains: prepareMessage(message, handedIn, rules).map(({ rcptTo, prepared }) => ({
      domain: prepared.domain,
      recipients: rcptTo.map(({ address }) => address),
      demand: prepared.demand,
      reason: prepared.demandReason,
    })),
  };
}
