/**
 * Tagging rules at work: the first that matches a message decides.
 *
 * What is too long or too often there to be compared is in doubt, and doubt never lowers the protection: a rule that
 * requires then applies; one that lowers, or that would keep later rules from being asked, does not, and none behind
 * it may lower either.
 */
import type { TaggingRule } from '../environment.ts';
import { fieldsNamed, type RawField, unfoldValue } from '../protocol/message/message-parts.ts';
import { addressForms } from './address-forms.ts';
import {
  type ComparePattern,
  compileAddressPattern,
  compilePattern,
  type PatternVerdict,
  strongest,
} from './text-pattern.ts';

/** Fields of one name that are compared; RFC 5322 §3.6 allows most but once. */
const fieldsComparedMax = 50;

/** What rules look at. */
export interface RuledMessage {
  /** '' for the null reverse-path. */
  readonly mailFrom: string;
  /** Those that rules apply to. */
  readonly recipients: readonly string[];
  readonly fields: readonly RawField[];
  /** Octets as handed in. */
  readonly sizeBytes: number;
}

/** The rule that decides; undefined: none does. `leave` decides nothing but that. */
export function findRule(
  rules: readonly TaggingRule[],
  message: RuledMessage,
): TaggingRule | undefined {
  const compared = {
    ...message,
    senders: addressForms(message.mailFrom),
    recipients: [...new Set(message.recipients.flatMap(addressForms))],
  };
  let inDoubt = false;
  for (const rule of rules) {
    const verdict = matchRule(rule, compared);
    if (verdict === 'no') {
      continue;
    }
    if (rule.action === 'require') {
      return rule;
    }
    if (verdict === 'yes' && !(inDoubt && rule.action === 'optional')) {
      return rule;
    }
    inDoubt = true;
  }
  return undefined;
}

/** Addresses in all their forms: a rule must not miss one for the way in which its domain is written. */
interface ComparedMessage extends RuledMessage {
  readonly senders: readonly string[];
}

/** All that a rule asks for must hold. */
function matchRule(rule: TaggingRule, message: ComparedMessage): PatternVerdict {
  const { bytesMin = 0, bytesMax = Number.POSITIVE_INFINITY } = rule.match;
  if (message.sizeBytes < bytesMin || message.sizeBytes > bytesMax) {
    return 'no';
  }
  const { sender, recipient, header } = compileRule(rule);
  const verdicts = [
    sender === undefined ? 'yes' : matchAny(sender, message.senders),
    recipient === undefined ? 'yes' : matchAny(recipient, message.recipients),
    header === undefined ? 'yes' : matchHeader(header, message.fields),
  ];
  if (verdicts.includes('no')) {
    return 'no';
  }
  return verdicts.includes('in-doubt') ? 'in-doubt' : 'yes';
}

function matchAny(compare: ComparePattern, texts: readonly string[]): PatternVerdict {
  return strongest(texts.map(compare));
}

function matchHeader(
  { field, value }: CompiledHeader,
  fields: readonly RawField[],
): PatternVerdict {
  const named = fieldsNamed(fields, field);
  const compared = named.slice(0, fieldsComparedMax).map((each) => decodeUtf8(unfoldValue(each)));
  const verdict = matchAny(value, compared);
  return verdict === 'no' && named.length > fieldsComparedMax ? 'in-doubt' : verdict;
}

/** RFC 6532 §3.1: a header beyond ASCII is in UTF-8. */
function decodeUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

interface CompiledHeader {
  readonly field: string;
  readonly value: ComparePattern;
}

interface CompiledRule {
  readonly sender: ComparePattern | undefined;
  readonly recipient: ComparePattern | undefined;
  readonly header: CompiledHeader | undefined;
}

/** Rules live as long as the settings, or the controls of the minute, that they are part of. */
const compiledRules = new WeakMap<TaggingRule, CompiledRule>();

function compileRule(rule: TaggingRule): CompiledRule {
  const known = compiledRules.get(rule);
  if (known !== undefined) {
    return known;
  }
  const { sender, recipient, header } = rule.match;
  const compiled = {
    sender: sender && compileAddressPattern(sender),
    recipient: recipient && compileAddressPattern(recipient),
    header: header && { field: header.field, value: compilePattern(header.value) },
  };
  compiledRules.set(rule, compiled);
  return compiled;
}
