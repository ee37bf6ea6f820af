/**
 * The envelope of a transaction: RSET where it is due, MAIL, RCPT and DATA, as one group or one by one.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-3.3 RFC 5321 §3.3}
 * @see {@link https://www.rfc-editor.org/rfc/rfc2920.html#section-3.1 RFC 2920 §3.1}
 */
import {
  isIntermediate,
  isPositive,
  recipientRefusedBy,
  refusedBy,
} from '../../protocol/smtp/recipient-result.ts';
import { describeReply, interpretReply } from '../../protocol/smtp/reply.ts';
import { sendContent, sendNothing } from './smtp-content.ts';
import {
  type Entry,
  endOutOfOrder,
  endSession,
  expectReply,
  isTooLate,
  type Line,
  settleOpen,
  tell,
  tooLate,
  writeNext,
} from './smtp-line.ts';

/** Begins a transaction. What it says is given back, for the caller to write. */
export function open(line: Line, entry: Entry): string {
  line.opening = entry;
  // RFC 3030 §2: only RSET clears what a failed BDAT leaves, and whether the one before fails is not known yet.
  const needsReset = line.isResetDue || line.closing?.plan.transfer === 'bdat';
  line.isResetDue = false;
  const reset = needsReset ? sayReset(line, entry) : '';
  if (!line.isPipelining) {
    return needsReset ? reset : sayMail(line, entry);
  }
  let group = reset + sayMail(line, entry);
  for (let at = 0; at < entry.plan.rcpts.length; at += 1) {
    group += sayRcpt(line, entry, at);
  }
  // RFC 2920 §3.1: DATA ends a group. BDAT waits for the replies to RCPT (RFC 3030 §2).
  return entry.plan.transfer === 'data' ? group + sayData(line, entry) : group;
}

function sayReset(line: Line, entry: Entry): string {
  expectReply(line, entry, {
    timeoutMs: line.timeouts.commandMs,
    take: (raw) => {
      if (!isPositive(raw)) {
        const text = describeReply(interpretReply(raw));
        endSession(line, 'deferred-by-peer', `RSET answered by ${text}`);
      } else if (!line.isPipelining) {
        line.connection.write(sayMail(line, entry));
      }
    },
  });
  return 'RSET\r\n';
}

function sayMail(line: Line, entry: Entry): string {
  expectReply(line, entry, {
    timeoutMs: line.timeouts.mailMs,
    take: (raw) => {
      if (isPositive(raw)) {
        entry.isMailAccepted = true;
      } else if (isIntermediate(raw)) {
        endOutOfOrder(line, 'MAIL', raw);
      } else {
        settleOpen(entry, refusedBy(interpretReply(raw), 'MAIL'));
      }
      if (!line.isPipelining) {
        followMail(line, entry);
      }
    },
  });
  return entry.plan.mail;
}

/** One command at a time: after MAIL. */
function followMail(line: Line, entry: Entry): void {
  if (entry.isMailAccepted) {
    line.connection.write(sayRcpt(line, entry, 0));
  } else {
    conclude(line, entry);
  }
}

function sayRcpt(line: Line, entry: Entry, at: number): string {
  const rcpt = entry.plan.rcpts[at];
  if (rcpt === undefined) {
    throw new RangeError(`no recipient ${at}`);
  }
  expectReply(line, entry, {
    timeoutMs: line.timeouts.rcptMs,
    take: (raw) => {
      if (isIntermediate(raw)) {
        endOutOfOrder(line, 'RCPT', raw);
      } else if (isPositive(raw)) {
        entry.acceptedCount += 1;
      } else {
        // Behind a refused MAIL this is its echo, and the recipient has the refusal of MAIL already.
        entry.results[rcpt.recipient] ??= recipientRefusedBy(interpretReply(raw));
      }
      followRcpt(line, entry, at + 1);
    },
  });
  return rcpt.command;
}

/** After RCPT: the next one, or the content, unless they are on their way already. */
function followRcpt(line: Line, entry: Entry, next: number): void {
  if (next < entry.plan.rcpts.length) {
    if (!line.isPipelining) {
      line.connection.write(sayRcpt(line, entry, next));
    }
    return;
  }
  if (line.isPipelining && entry.plan.transfer === 'data') {
    return;
  }
  if (!entry.isMailAccepted || entry.acceptedCount === 0) {
    conclude(line, entry);
  } else if (isTooLate(line, entry)) {
    settleOpen(entry, tooLate);
    conclude(line, entry);
  } else if (entry.plan.transfer === 'bdat') {
    sendContent(line, entry);
  } else {
    line.connection.write(sayData(line, entry));
  }
}

function sayData(line: Line, entry: Entry): string {
  expectReply(line, entry, {
    timeoutMs: line.timeouts.dataMs,
    take: (raw) => {
      if (isPositive(raw)) {
        endOutOfOrder(line, 'DATA', raw);
      } else if (isIntermediate(raw)) {
        followData(line, entry);
      } else {
        settleOpen(entry, refusedBy(interpretReply(raw), 'DATA'));
        conclude(line, entry);
      }
    },
  });
  return 'DATA\r\n';
}

/** The peer waits for content. */
function followData(line: Line, entry: Entry): void {
  if (entry.acceptedCount === 0) {
    sendNothing(line, entry);
  } else if (!entry.isMailAccepted) {
    // Even a lone dot could become a message here: recipients were accepted without a reverse-path.
    endSession(line, 'reply-malformed', 'DATA answered by 354 although MAIL was refused');
  } else if (isTooLate(line, entry)) {
    // After 354 only content or the end of the connection can follow, and an unended one delivers nothing.
    settleOpen(entry, tooLate);
    endSession(
      line,
      'connection-lost',
      'ended before content, since its reply could not be awaited',
    );
  } else {
    sendContent(line, entry);
  }
}

/** Ends a transaction that comes to no content. */
function conclude(line: Line, entry: Entry): void {
  line.isResetDue = entry.isMailAccepted || entry.acceptedCount > 0;
  line.opening = undefined;
  tell(line, entry);
  writeNext(line);
}
