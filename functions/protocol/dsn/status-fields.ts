/**
 * The fields of a notification that programs read.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc3464.html#section-2.1 RFC 3464 §2.1}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6533.html#section-4.1 RFC 6533 §4.1}
 */
import { formatDateTime } from '../message/date-time.ts';
import type { Reply } from '../smtp/transaction.ts';
import type { NoticedRecipient, Notification } from './notification.ts';
import { cutToOctets, isAscii, toPrintable, toPrintableAscii } from './printable.ts';

/** RFC 5322 §2.1.1 allows lines of 998 octets; a field's name and its folding need some of them. */
const valueOctetsMax = 900;

/** What all recipients' diagnostics may take together, and one of them. */
const diagnosticsOctetsMax = 262_144;
const diagnosticOctetsMax = 4_000;

/** The media type of the fields: `message/global-delivery-status` where they have characters beyond ASCII. */
export type StatusType = 'message/delivery-status' | 'message/global-delivery-status';

/** The fields of a notification as lines without their ends; an empty one before each recipient. */
export interface StatusPart {
  readonly type: StatusType;
  readonly lines: readonly string[];
}

/** Writes the fields. Each line has 998 octets at most, and nothing of what strangers chose ends one. */
export function writeStatusPart(notification: Notification): StatusPart {
  const { recipients } = notification;
  const shareOctets = Math.floor(diagnosticsOctetsMax / recipients.length);
  const octetsMax = Math.min(diagnosticOctetsMax, shareOctets);
  const lines = [
    ...messageFields(notification),
    ...recipients.flatMap((recipient) => [
      '',
      ...recipientFields(recipient, notification, octetsMax),
    ]),
  ];
  const type = lines.every(isAscii) ? 'message/delivery-status' : 'message/global-delivery-status';
  return { type, lines };
}

function messageFields({ envid, reportingMta, arrivedAtMs, queueId }: Notification): string[] {
  return [
    // RFC 3461 §6.3 (a): where the sender gave one, and only there; not in xtext.
    ...(envid === undefined || envid.trim() === ''
      ? []
      : [field('Original-Envelope-Id', toPrintableAscii(envid))]),
    field('Reporting-MTA', `dns; ${toPrintableAscii(reportingMta)}`),
    field('Arrival-Date', formatDateTime(arrivedAtMs)),
    // RFC 3464 §2.4: enough for administrators to find what was logged.
    field('X-Sealpost-Message-Id', toPrintableAscii(queueId)),
  ];
}

function recipientFields(
  recipient: NoticedRecipient,
  { nowMs, retryUntilMs }: Notification,
  octetsMax: number,
): string[] {
  const { address, orcpt, action, remoteMta } = recipient;
  return [
    ...(orcpt === undefined ? [] : [field('Original-Recipient', typedOriginal(orcpt))]),
    field('Final-Recipient', typedAddress(address)),
    field('Action', action),
    field('Status', validStatus(recipient)),
    ...(remoteMta === undefined
      ? []
      : [field('Remote-MTA', `dns; ${toPrintableAscii(remoteMta)}`)]),
    ...diagnosticField(recipient, octetsMax),
    field('Last-Attempt-Date', formatDateTime(nowMs)),
    // RFC 3464 §2.3.9: of delays, and of nothing else.
    ...(action === 'delayed' ? [field('Will-Retry-Until', formatDateTime(retryUntilMs))] : []),
  ];
}

/** RFC 6533 §3: the utf-8-address form, which `message/global-delivery-status` has for it. */
function typedAddress(address: string): string {
  return isAscii(address) ? `rfc822;${toPrintableAscii(address)}` : `utf-8;${toPrintable(address)}`;
}

/** RFC 3461 §6.3 (d): what ORCPT said, unencoded. */
function typedOriginal(orcpt: string): string {
  const [, type = '', address = ''] = /^([A-Za-z0-9][A-Za-z0-9-]*);(.*)$/su.exec(orcpt) ?? [];
  if (type === '') {
    // RFC 3464 §2.3.1.
    return `unknown;${toPrintable(orcpt)}`;
  }
  // As on the wire: RFC 6533 §3 has a type of its own for addresses beyond ASCII.
  const isInternational = type.toLowerCase() === 'rfc822' && !isAscii(address);
  return `${isInternational ? 'utf-8' : type};${toPrintable(address)}`;
}

/** RFC 3461 §6.3 (g): 4.0.0 or 5.0.0 where nothing more is known. */
function validStatus({ status, action }: NoticedRecipient): string {
  const classOf = { failed: '5', delayed: '4', relayed: '2' } as const;
  return /^[245](?:\.(?:0|[1-9][0-9]{0,2})){2}$/.test(status) ? status : `${classOf[action]}.0.0`;
}

/** RFC 3464 §2.3.6: type `smtp` for the peer's own words, and a type of ours for a verdict of ours. */
function diagnosticField({ reply, failure }: NoticedRecipient, octetsMax: number): string[] {
  if (reply !== undefined) {
    const [first = '', ...rest] = transcribeReply(reply, octetsMax);
    return [field('Diagnostic-Code', `smtp; ${first}`), ...rest.map((line) => ` ${line}`)];
  }
  if (failure === undefined) {
    return [];
  }
  const text = toPrintableAscii(`${failure.code}: ${failure.reason}`);
  return [field('Diagnostic-Code', `x-sealpost; ${cutToOctets(text, octetsMax)}`)];
}

/**
 * A reply line by line, as the peer wrote it but for what is not printable ASCII (RFC 3461 §9.2).
 *
 * Cut to whole lines where it is longer than `octetsMax`; the first is always there.
 */
export function transcribeReply({ code, enhanced, lines }: Reply, octetsMax: number): string[] {
  const prefix = enhanced === undefined ? '' : `${enhanced} `;
  const texts = (lines.length === 0 ? [''] : lines).map((line) =>
    cutToOctets(`${prefix}${toPrintableAscii(line)}`.trimEnd(), valueOctetsMax - '550-'.length),
  );
  let octets = 0;
  const shown = texts.filter((text, index) => {
    octets += text.length;
    return index === 0 || octets <= octetsMax;
  });
  return shown.map((text, index) =>
    `${code}${index < shown.length - 1 ? '-' : ' '}${text}`.trimEnd(),
  );
}

function field(name: string, value: string): string {
  return `${name}: ${cutToOctets(value, valueOctetsMax)}`;
}
