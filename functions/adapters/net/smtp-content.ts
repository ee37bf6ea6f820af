/**
 * The content of a transaction on its way, and its final reply.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.1.1.4 RFC 5321 §4.1.1.4}
 * @see {@link https://www.rfc-editor.org/rfc/rfc3030.html#section-2 RFC 3030 §2}
 */
import { formatBdatLast } from '../../protocol/smtp/command.ts';
import { isIntermediate, isPositive, refusedBy } from '../../protocol/smtp/recipient-result.ts';
import { interpretReply, type RawReply } from '../../protocol/smtp/reply.ts';
import {
  type Entry,
  endOutOfOrder,
  expectReply,
  type Line,
  settleOpen,
  tell,
  writeNext,
} from './smtp-line.ts';

/** Content goes out in blocks of this size, so that a peer that stops reading is noticed (RFC 5321 §4.5.3.2.5). */
const blockOctets = 262_144;

/** Sends the content, and behind it the beginning of the next transaction. */
export function sendContent(line: Line, entry: Entry): void {
  // The peer may have said too much with its last reply; then the end is near, and content is not for it.
  if (!line.connection.usable) {
    return;
  }
  line.opening = undefined;
  line.closing = entry;
  const { transfer, sizeOctets } = entry.plan;
  if (transfer === 'bdat') {
    line.connection.write(formatBdatLast(sizeOctets));
  }
  sendBlock(line, entry, { piece: 0, start: 0 });
}

/** Where in the pieces of content a block begins. */
interface Place {
  readonly piece: number;
  readonly start: number;
}

/** Sends the content from a place on: one block at a time, and whatever comes behind it with the last. */
function sendBlock(line: Line, entry: Entry, from: Place): void {
  const rest = writeBlock(line, entry, from);
  if (rest !== undefined) {
    entry.contentSent = 'partial';
    line.connection.flush({ timeoutMs: line.timeouts.blockMs, deadlineMs: entry.deadlineMs }, () =>
      sendBlock(line, entry, rest),
    );
    return;
  }
  entry.isEndWritten = true;
  expectFinalReply(line, entry);
  line.connection.whenHandedOver(() => {
    entry.contentSent = 'complete';
  });
  writeNext(line, entry.plan.transfer === 'data' ? '.\r\n' : '');
}

/** Writes a block; gives back where the next one begins, if there is one. */
function writeBlock(
  { connection }: Line,
  { plan: { pieces } }: Entry,
  { piece: first, start: firstStart }: Place,
): Place | undefined {
  let room = blockOctets;
  let start = firstStart;
  for (let piece = first; piece < pieces.length; piece += 1, start = 0) {
    const octets = pieces[piece];
    if (octets === undefined || room === 0) {
      return { piece, start };
    }
    const end = start + room;
    if (end < octets.length) {
      connection.write(octets.subarray(start, end));
      return { piece, start: end };
    }
    connection.write(start === 0 ? octets : octets.subarray(start));
    room -= octets.length - start;
  }
  return undefined;
}

/** RFC 2920 §3.1: a 354 is answered by a lone dot if no recipient was accepted. */
export function sendNothing(line: Line, entry: Entry): void {
  line.opening = undefined;
  line.closing = entry;
  entry.isEndWritten = true;
  expectFinalReply(line, entry);
  writeNext(line, '.\r\n');
}

function expectFinalReply(line: Line, entry: Entry): void {
  expectReply(line, entry, {
    timeoutMs: line.finalReplyTimeoutMs,
    take: (raw) => {
      if (isIntermediate(raw)) {
        endOutOfOrder(line, 'the content', raw);
        return;
      }
      const reply = interpretReply(raw);
      if (isPositive(reply)) {
        settleOpen(entry, { outcome: 'delivered', reply });
      } else {
        settleOpen(entry, refusedBy(reply, 'the content'));
        line.isResetDue = line.opening === undefined;
      }
      line.closing = undefined;
      tell(line, entry);
      writeNext(line);
    },
  });
}

/** A refusal in the middle of the content: it holds, and the connection ends. */
export function takeEarlyReply(line: Line, raw: RawReply): void {
  const reply = interpretReply(raw);
  if (line.closing !== undefined && reply.code >= 400) {
    settleOpen(line.closing, refusedBy(reply, 'the content'));
  }
}
