/**
 * Composes a delivery status notification: a multipart/report with an explanation, the fields that programs read, and
 * what goes back of the message.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6522.html RFC 6522}
 * @see {@link https://www.rfc-editor.org/rfc/rfc3464.html#section-2 RFC 3464 §2}
 */
import { createHash } from 'node:crypto';
import { parseDomainName } from '../domain-name.ts';
import { TransportSecurityError } from '../errors.ts';
import { formatDateTime } from '../message/date-time.ts';
import { fieldValues, readHeaderFields } from '../message/header.ts';
import { type BodyPart, encodePart } from './body-part.ts';
import { writeExplanation, writeSubject } from './explanation.ts';
import type { Notification } from './notification.ts';
import { isAscii } from './printable.ts';
import { makeReturnedPart } from './returned-message.ts';
import { writeStatusPart } from './status-fields.ts';

/** A notification as mail. */
export interface ComposedNotification {
  /** Lines end in CRLF and have 998 octets at most. */
  readonly content: Uint8Array;
  /** Whether it needs SMTPUTF8 on its way: where the sender's own address does. */
  readonly smtpUtf8: boolean;
}

/**
 * Composes a notification. The same notification gives the same octets.
 *
 * It is all ASCII unless the sender's address is not, or an 8-bit body goes back whole: whether the sender's server
 * takes more is not known here (RFC 6533 §4.5).
 *
 * @throws {TypeError} when an address of ours or the return path could break a line: a bug of the caller, who has
 *   checked them.
 */
export function composeNotification(notification: Notification): ComposedNotification {
  const from = withDomainInALabels(notification.from);
  const to = withDomainInALabels(notification.returnPath);
  const smtpUtf8 = !isAscii(from) || !isAscii(to);
  const parts = makeParts(notification, smtpUtf8);
  const boundary = makeBoundary(notification.id, parts);
  const isEightBit = parts.some(({ encoding }) => encoding === '8bit');
  const header = [
    `From: Mail Delivery System <${from}>`,
    `To: <${to}>`,
    `Subject: ${writeSubject(notification)}`,
    `Date: ${formatDateTime(notification.nowMs)}`,
    `Message-ID: <${notification.id}@${notification.reportingMta}>`,
    ...threadFields(notification),
    // RFC 8689 §6: what the message asked for holds for what is told of it too.
    ...(notification.tlsOptional ? ['TLS-Required: No'] : []),
    // RFC 3834 §5: nobody is to answer this automatically.
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status;',
    ` boundary="${boundary}"`,
    // RFC 2045 §6.4: a whole is labelled as the widest of its parts.
    ...(isEightBit ? ['Content-Transfer-Encoding: 8bit'] : []),
  ];
  const content = Buffer.concat([
    Buffer.from(`${header.map(checkLine).join('\r\n')}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(partHead(part, boundary)), part.octets]),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return { content, smtpUtf8 };
}

function makeParts(notification: Notification, isUtf8Way: boolean): BodyPart[] {
  const way = { allow8Bit: isUtf8Way, otherwise: 'quoted-printable' } as const;
  const explanation = writeExplanation(notification);
  const status = writeStatusPart(notification);
  const charset = explanation.every(isAscii) ? 'us-ascii' : 'utf-8';
  const { content, returned } = notification;
  return [
    encodePart(`text/plain; charset=${charset}`, toOctets(explanation), way),
    encodePart(status.type, toOctets(status.lines), way),
    ...(returned === 'full' || returned === 'headers'
      ? [makeReturnedPart(content, returned, isUtf8Way)]
      : []),
  ];
}

/** Comes of the parts themselves, so that no part can have it in it: nobody writes a text with its own hash inside. */
function makeBoundary(id: string, parts: readonly BodyPart[]): string {
  const hash = createHash('sha256').update(id);
  for (const { octets } of parts) {
    hash.update(octets);
  }
  return `dsn-${hash.digest('hex').slice(0, 40)}`;
}

function partHead({ type, encoding }: BodyPart, boundary: string): string {
  return `\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
}

/** Lets mail programs show it beside the message; not where nothing of the message may be told. */
function threadFields({ content, returned }: Notification): string[] {
  if (returned === 'withheld') {
    return [];
  }
  const [messageId, ...more] = fieldValues(readHeaderFields(content), 'Message-ID');
  const isUsable =
    messageId !== undefined && more.length === 0 && /^<[!-;=?-~]{1,250}>$/.test(messageId);
  return isUsable ? [`In-Reply-To: ${messageId}`, `References: ${messageId}`] : [];
}

/**
 * RFC 6531 §3.2: a domain in A-labels asks nothing of the peer; a local part beyond ASCII does. A domain that is no name
 * stays as it is written: such a notification goes nowhere, but for want of it the delivery would never be settled.
 */
function withDomainInALabels(address: string): string {
  const at = address.lastIndexOf('@') + 1;
  try {
    return isAscii(address) ? address : address.slice(0, at) + parseDomainName(address.slice(at));
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return address;
    }
    throw error;
  }
}

/** The last gate before the wire; what it stops has slipped through a check of ours. */
function checkLine(line: string): string {
  if (/[\r\n\0]/.test(line) || Buffer.byteLength(line) > 998) {
    throw new TypeError('a header line of a notification would not be one line');
  }
  return line;
}

function toOctets(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\r\n`).join(''));
}
