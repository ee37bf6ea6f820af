/**
 * What a message demands of its channels, and by whose word. In this order, since doubt never lowers the protection:
 *
 * 1. `requireTls` of the message itself, which nothing here takes away;
 * 2. the address tag of one recipient: the sender's own word, so that no `optional` rule goes before it;
 * 3. the tagging rules, those made at run time first; the first that matches decides, `leave` by asking no further one;
 * 4. the header field TLS-Required (RFC 8689 §4.1: it counts only where REQUIRETLS was not asked for);
 * 5. nothing: `default`.
 *
 * The setting `requireTls: false` switches 2 and 3 off; an exception from tagging does so for its domain, where the tag is
 * taken off all the same: the exception is there to let mail through.
 */
import type { TaggingRule } from '../environment.ts';
import { fieldsNamed, type RawField, unfoldValue } from '../protocol/message/message-parts.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import { asksForTlsOptional } from '../protocol/requiretls/tls-required-field.ts';

/** A demand and its reason, for people. */
export interface DecidedDemand {
  readonly demand: TlsDemand;
  readonly demandReason: string;
}

/** What decides; see the order above. */
export interface DemandFacts {
  readonly requireTls: boolean;
  /** A recipient to whom tagging applies carries the tag. */
  readonly tagged: boolean;
  /** Of the rules that apply. */
  readonly rule: TaggingRule | undefined;
  readonly fields: readonly RawField[];
}

/** Decides what one message demands. */
export function decideDemand({ requireTls, tagged, rule, fields }: DemandFacts): DecidedDemand {
  if (requireTls) {
    return { demand: 'require', demandReason: 'the message was submitted with requireTls' };
  }
  if (tagged) {
    return { demand: 'require', demandReason: 'a recipient address carries the tag +requiretls' };
  }
  if (rule?.action === 'require') {
    return { demand: 'require', demandReason: `rule ${rule.name} requires TLS` };
  }
  if (rule?.action === 'optional') {
    return { demand: 'optional', demandReason: `rule ${rule.name} makes TLS optional` };
  }
  const asking = fieldsNamed(fields, 'TLS-Required');
  if (asksForTlsOptional(asking.map((field) => ({ ...field, value: unfoldValue(field) })))) {
    return { demand: 'optional', demandReason: 'the header says TLS-Required: No' };
  }
  return { demand: 'default', demandReason: 'the message asks for nothing special' };
}
