/**
 * Greylisting, as a peer's reply shows it: refused for now, to see whether the sender comes again.
 *
 * There is no code of its own for it. Told apart are replies that name it, and such as ask to come again with a status
 * that greylisting servers use.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6647.html RFC 6647}
 */
import type { Reply } from './transaction.ts';

/** What a greylisting peer has said. */
export interface Greylisting {
  /** When to come again, as announced; absent where nothing believable was. */
  readonly waitSeconds?: number;
}

/** Announcements outside of these are no sign of a greylist, or would keep the message for longer than its schedule. */
const waitSecondsMin = 60;
const waitSecondsMax = 3_600;

const named = /gr[ae]y[ -]?list/i;
const comeAgain =
  /(?:try|come|call|retry|return|resend)\b.{0,40}\b(?:again|back|later|in|after)\b/i;

/** RFC 3463: delivery not authorized, and "other mailbox status", by which common greylisting servers refuse. */
const statuses: ReadonlySet<string> = new Set(['4.7.1', '4.2.0']);

/** Reads a reply to RCPT or DATA; undefined where it is no greylisting. */
export function readGreylisting({ code, enhanced, lines }: Reply): Greylisting | undefined {
  // RFC 6647 §2: refused with 4yz. Of these 450 and 451 are in use; 421 and 452 speak of the server's own load.
  if (code !== 450 && code !== 451) {
    return undefined;
  }
  const text = lines.join(' ');
  const asksAgain = enhanced !== undefined && statuses.has(enhanced) && comeAgain.test(text);
  if (!named.test(text) && !asksAgain) {
    return undefined;
  }
  const waitSeconds = readWaitSeconds(text);
  return waitSeconds === undefined || waitSeconds < waitSecondsMin || waitSeconds > waitSecondsMax
    ? {}
    : { waitSeconds };
}

const byClock = /\b(?:in|after|for)\s+([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])\b/i;
const byUnit =
  /\b(?:in|after|for|wait)\s+(?:at least\s+|about\s+)?([0-9]{1,5})\s*(s|secs?|seconds?|m|mins?|minutes?)\b/i;

function readWaitSeconds(text: string): number | undefined {
  const clock = byClock.exec(text);
  if (clock !== null) {
    return Number(clock[1]) * 3_600 + Number(clock[2]) * 60 + Number(clock[3]);
  }
  const unit = byUnit.exec(text);
  return unit === null ? undefined : Number(unit[1]) * (/^m/i.test(unit[2] ?? '') ? 60 : 1);
}
