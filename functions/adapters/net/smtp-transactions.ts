/**
 * Transactions on one session, back to back.
 *
 * With PIPELINING (RFC 2920 §3.1) a transaction's MAIL, RCPT and DATA go out as one group, and the group of the next
 * rides behind the end of this one's content: one round trip a message. With CHUNKING (RFC 3030) the content goes as
 * one BDAT once every RCPT is answered, and RSET, MAIL and RCPT of the next ride behind it. Else it is one command at
 * a time.
 *
 * At any moment at most one transaction has its envelope out, and at most the one before it awaits its final reply.
 */
import type { TransportSecurityError } from '../../protocol/errors.ts';
import { deferredFor } from '../../protocol/smtp/recipient-result.ts';
import type { Transaction, TransactionResult } from '../../protocol/smtp/transaction.ts';
import { planTransaction } from '../../protocol/smtp/transaction-plan.ts';
import { takeEarlyReply } from './smtp-content.ts';
import { open } from './smtp-envelope.ts';
import {
  type Entry,
  isOpen,
  isTooLate,
  type Line,
  settleOpen,
  type TransactionRunnerOptions,
  tell,
  tellInOrder,
  tooLate,
  writeNext,
} from './smtp-line.ts';

export interface TransactionRunner {
  /** See `Channel.transact`. Rejects with RangeError for a transaction without recipients. */
  run(transaction: Transaction, deadlineMs: number): Promise<TransactionResult>;
  /** Takes no more transactions; resolves once none is under way or waiting. */
  finish(): Promise<void>;
}

/** Makes the runner of a session. Nothing else may use the connection until it is finished. */
export function createTransactionRunner(options: TransactionRunnerOptions): TransactionRunner {
  const line: Line = {
    ...options,
    isPipelining: options.offer.capabilities.has('PIPELINING'),
    untold: [],
    waiting: [],
    whenFinished: [],
    opening: undefined,
    closing: undefined,
    isResetDue: false,
    openNext: () => openNext(line),
  };
  options.connection.listen({
    early: (reply) => takeEarlyReply(line, reply),
    lost: (error) => settleAll(line, error),
  });
  return {
    run: (transaction, deadlineMs) =>
      new Promise((resolve) => enqueue(line, { transaction, deadlineMs, resolve })),
    finish: () =>
      new Promise((resolve) => {
        line.whenFinished.push(resolve);
        tellInOrder(line);
      }),
  };
}

function enqueue(
  line: Line,
  request: {
    readonly transaction: Transaction;
    readonly deadlineMs: number;
    readonly resolve: (result: TransactionResult) => void;
  },
): void {
  const { transaction, deadlineMs, resolve } = request;
  if (transaction.recipients.length === 0) {
    throw new RangeError('a transaction has at least one recipient');
  }
  const plan = planTransaction(transaction, line.offer);
  const entry: Entry = {
    plan,
    deadlineMs,
    resolve,
    results: transaction.recipients.map((_, recipient) => plan.refused.get(recipient)),
    isMailAccepted: false,
    acceptedCount: 0,
    contentSent: 'none',
    isEndWritten: false,
    isSettled: false,
  };
  line.untold.push(entry);
  if (isOpen(line)) {
    line.waiting.push(entry);
    writeNext(line);
  } else {
    const reason = line.connection.lost?.message ?? 'the session has ended';
    settleOpen(entry, deferredFor('connection-lost', reason));
    tell(line, entry);
  }
}

/** Begins the next transaction if one may begin now. What it says is given back, for the caller to write. */
function openNext(line: Line): string {
  if (!mayOpen(line)) {
    return '';
  }
  for (let entry = line.waiting.shift(); entry !== undefined; entry = line.waiting.shift()) {
    if (entry.plan.rcpts.length > 0 && !isTooLate(line, entry)) {
      return open(line, entry);
    }
    settleOpen(entry, tooLate);
    tell(line, entry);
  }
  return '';
}

function mayOpen({ connection, opening, closing, isPipelining }: Line): boolean {
  if (!connection.usable || opening !== undefined) {
    return false;
  }
  // Behind the end of content, never within it.
  return closing === undefined || (isPipelining && closing.isEndWritten);
}

/** The session is lost: all that is open is settled by how far it got. */
function settleAll(line: Line, error: TransportSecurityError): void {
  for (const entry of line.untold) {
    // The peer may have taken the message over before it fell silent (RFC 5321 §4.5.3.2.6, RFC 1047).
    const code = entry.contentSent === 'complete' ? 'in-doubt' : error.code;
    settleOpen(entry, deferredFor(code, error.message));
    entry.isSettled = true;
  }
  line.waiting.length = 0;
  line.opening = undefined;
  line.closing = undefined;
  tellInOrder(line);
}
