/**
 * From a reply to what became of a recipient.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.2.1 RFC 5321 §4.2.1}
 */
import type { FailureCode } from '../errors.ts';
import { describeReply } from './reply.ts';
import type { RecipientResult, Reply } from './transaction.ts';

/** Whether a reply is a positive completion: 2yz, whatever the other digits. */
export function isPositive(reply: { readonly code: number }): boolean {
  return reply.code < 300;
}

/** Whether a reply asks for more: 3yz, as after DATA. */
export function isIntermediate(reply: { readonly code: number }): boolean {
  return reply.code >= 300 && reply.code < 400;
}

/** The result of a 4yz or 5yz reply to `command`. */
export function refusedBy(reply: Reply, command: string): RecipientResult {
  const reason = `${command} answered by ${describeReply(reply)}`;
  return reply.code >= 500
    ? { outcome: 'failed', code: 'rejected', reason, reply }
    : { outcome: 'deferred', code: 'deferred-by-peer', reason, reply };
}

/**
 * The result of a 4yz or 5yz reply to RCPT.
 *
 * RFC 5321 §4.5.3.1.10: 552 once stood for "too many recipients" and is then to be read as 452. It is also what a full
 * mailbox gets; so it counts as lasting only where the enhanced code says something else than 5.5.3.
 */
export function recipientRefusedBy(reply: Reply): RecipientResult {
  const isTooMany =
    reply.code === 552 && (reply.enhanced === undefined || reply.enhanced === '5.5.3');
  if (!isTooMany) {
    return refusedBy(reply, 'RCPT');
  }
  const reason = `too many recipients: RCPT answered by ${describeReply(reply)}`;
  return { outcome: 'deferred', code: 'deferred-by-peer', reason, reply };
}

/** A result that no reply gave. */
export function deferredFor(code: FailureCode, reason: string): RecipientResult {
  return { outcome: 'deferred', code, reason };
}

/** A result that our own checks gave, before anything was sent. */
export function failedFor(code: FailureCode, reason: string): RecipientResult {
  return { outcome: 'failed', code, reason };
}
