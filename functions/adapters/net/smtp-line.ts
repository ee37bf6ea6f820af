/** What the transactions of one session have in common: their order, their state and their results. */
import { type FailureCode, TransportSecurityError } from '../../protocol/errors.ts';
import { deferredFor, refusedBy } from '../../protocol/smtp/recipient-result.ts';
import { describeReply, interpretReply, type RawReply } from '../../protocol/smtp/reply.ts';
import type {
  ContentSent,
  RecipientResult,
  TransactionResult,
} from '../../protocol/smtp/transaction.ts';
import type { SessionOffer, TransactionPlan } from '../../protocol/smtp/transaction-plan.ts';
import type { SmtpConnection } from './smtp-connection.ts';
import type { SmtpTimeouts } from './smtp-timeouts.ts';

/** What the runner works with. */
export interface TransactionRunnerOptions {
  readonly connection: SmtpConnection;
  readonly offer: SessionOffer;
  readonly timeouts: SmtpTimeouts;
  /** RFC 5321 §4.5.3.2.6. Content is not begun with less time than this before its deadline. */
  readonly finalReplyTimeoutMs: number;
  readonly now: () => number;
}

/** The state of a session's transactions. */
export interface Line extends TransactionRunnerOptions {
  readonly isPipelining: boolean;
  /** All whose results are not told yet, in the order of `run`. */
  readonly untold: Entry[];
  /** Those of them that have not begun. */
  readonly waiting: Entry[];
  /** Not empty: no more transactions are taken. */
  readonly whenFinished: (() => void)[];
  /** Its envelope is out, its content is not. */
  opening: Entry | undefined;
  /** Its content is out or going out. */
  closing: Entry | undefined;
  /** Whether something of an earlier transaction may be left at the peer. */
  isResetDue: boolean;
  /** Begins the next transaction if one may begin now; what it says is given back, for the caller to write. */
  readonly openNext: () => string;
}

/** A transaction, from `run` until its result is told. */
export interface Entry {
  readonly plan: TransactionPlan;
  readonly deadlineMs: number;
  readonly resolve: (result: TransactionResult) => void;
  /** One for each recipient; undefined while it is accepted or not answered yet. */
  readonly results: (RecipientResult | undefined)[];
  isMailAccepted: boolean;
  acceptedCount: number;
  contentSent: ContentSent;
  /** Whether the end of the content, or the lone dot, is on its way: the next envelope may follow. */
  isEndWritten: boolean;
  isSettled: boolean;
}

/** Of recipients whose content was not begun. */
export const tooLate: RecipientResult = deferredFor(
  'time-too-short',
  'not enough time was left to await the final reply (RFC 5321 §4.5.3.2.6)',
);

/** Whether the session takes transactions. */
export function isOpen(line: Line): boolean {
  return line.connection.usable && line.whenFinished.length === 0;
}

/** Whether the final reply to content begun now could not be awaited (RFC 5321 §4.5.3.2.6). */
export function isTooLate(line: Line, entry: Entry): boolean {
  return line.now() + line.finalReplyTimeoutMs > entry.deadlineMs;
}

/** Expects the reply to what is about to be written; 421 is seen to here. */
export function expectReply(
  line: Line,
  entry: Entry,
  awaited: { readonly timeoutMs: number; readonly take: (raw: RawReply) => void },
): void {
  line.connection.expect({
    timeoutMs: awaited.timeoutMs,
    deadlineMs: entry.deadlineMs,
    settle: (raw) => {
      if (raw.code === 421) {
        // RFC 5321 §3.8: the service closes, whatever was asked.
        const reply = interpretReply(raw);
        settleOpen(entry, refusedBy(reply, 'the session'));
        endSession(line, 'connection-lost', `the peer ended the session: ${describeReply(reply)}`);
      } else {
        awaited.take(raw);
      }
    },
  });
}

/**
 * Writes `end`, which ends what was said before, and the beginning of the next transaction if one may begin now. Nothing
 * may follow that before its replies (RFC 2920 §3.1), so it leaves at once, and what else comes of the event is done while
 * the peer works. Where none begins, `end` waits for one that the event may still lead to.
 */
export function writeNext(line: Line, end = ''): void {
  const next = line.openNext();
  line.connection.write(`${end}${next}`);
  if (next !== '') {
    line.connection.handOver();
  }
}

/** Ends a session whose peer has lost its place: what it said does not answer the command. */
export function endOutOfOrder(line: Line, command: string, raw: RawReply): void {
  const text = describeReply(interpretReply(raw));
  endSession(line, 'reply-malformed', `${command} answered by ${text}`);
}

/** Ends the session at once; every transaction is settled by that. */
export function endSession(line: Line, code: FailureCode, reason: string): void {
  line.connection.lose(new TransportSecurityError(code, reason));
}

/** Gives `result` to each recipient that has none. */
export function settleOpen(entry: Entry, result: RecipientResult): void {
  for (let recipient = 0; recipient < entry.results.length; recipient += 1) {
    entry.results[recipient] ??= result;
  }
}

/** Settles a transaction. Its result is told when those before it are. */
export function tell(line: Line, entry: Entry): void {
  entry.isSettled = true;
  tellInOrder(line);
}

/** Tells the results that may be told. */
export function tellInOrder(line: Line): void {
  while (line.untold[0]?.isSettled === true) {
    const entry = line.untold.shift();
    entry?.resolve({
      recipients: entry.results.filter((result) => result !== undefined),
      contentSent: entry.contentSent,
      sessionLost: !isOpen(line),
    });
  }
  if (line.untold.length === 0) {
    for (const resolve of line.whenFinished) {
      resolve();
    }
  }
}
