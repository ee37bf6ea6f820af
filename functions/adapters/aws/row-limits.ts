/**
 * What keeps a delivery's row below DynamoDB's 400 KB an item, and its writes cheap (DynamoDB bills by the KB).
 *
 * Recipients are never dropped: a message with too many of them is refused before its first attempt. Texts are
 * shortened where they must, and the row or the record says so.
 */
import type { RecipientState } from '../../delivery/ports.ts';
import type { WhyRecord } from '../../delivery/why.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { deliveryRecipientsBytesMax } from '../../submission/limits.ts';

/**
 * Recipients as JSON when a row is settled. State and status code add at most 23 octets each, so that 2,000 recipients
 * (the queue message's limit) that fitted when the row was made fit now whatever becomes of their diagnostics. The
 * rest of an item is for the record, the envelope and the content's key.
 */
const settledRecipientsBytesMax = 360_000;

/** A `why` record as JSON. */
export const whyBytesMax = 16_384;

/**
 * Recipients as JSON, for a row that is made.
 *
 * @throws {TransportSecurityError} `queue-message-invalid` when they take over {@link deliveryRecipientsBytesMax}.
 */
export function encodeNewRecipients(recipients: readonly RecipientState[]): string {
  const json = JSON.stringify(recipients);
  const bytes = Buffer.byteLength(json);
  if (bytes > deliveryRecipientsBytesMax) {
    throw new TransportSecurityError(
      'queue-message-invalid',
      `rcptTo: ${recipients.length} recipients of one domain take ${bytes} bytes, the limit is ${deliveryRecipientsBytesMax}: send several messages`,
    );
  }
  return json;
}

/** Diagnostics are cut to the first of these that makes all of them fit; at 0 they are left out. */
const diagnosticCharsSteps = [1_000, 200, 50, 0] as const;

/** Recipients as JSON, for a row that is settled; `note` says what was left out for want of room. */
export function encodeSettledRecipients(recipients: readonly RecipientState[]): {
  readonly json: string;
  readonly note?: string;
} {
  for (const charsMax of diagnosticCharsSteps) {
    const json = JSON.stringify(recipients.map((each) => withDiagnosticCut(each, charsMax)));
    if (charsMax === 0 || Buffer.byteLength(json) <= settledRecipientsBytesMax) {
      const first = diagnosticCharsSteps[0];
      return charsMax === first ? { json } : { json, note: `diagnostics cut to ${charsMax} chars` };
    }
  }
  throw new RangeError('unreachable: the last step always returns');
}

function withDiagnosticCut(recipient: RecipientState, charsMax: number): RecipientState {
  const { diagnostic, ...rest } = recipient;
  return diagnostic === undefined || charsMax === 0
    ? rest
    : { ...rest, diagnostic: cutText(diagnostic, charsMax) };
}

/**
 * Caps tried in turn. The last always fits: some forty texts of at most 40 chars, six octets a char at worst
 * (`\u0000`), and their keys. No failure code or result type is as long as 40.
 */
const whyCapSteps = [
  { textCharsMax: 1_000, entriesMax: 100 },
  { textCharsMax: 300, entriesMax: 20 },
  { textCharsMax: 120, entriesMax: 8 },
  { textCharsMax: 64, entriesMax: 3 },
  { textCharsMax: 40, entriesMax: 1 },
] as const;

/** The record, shortened where it is larger than {@link whyBytesMax}; `shortened` then says how. */
export function boundWhy(why: WhyRecord): WhyRecord {
  let bounded = why;
  for (const caps of whyCapSteps) {
    if (Buffer.byteLength(JSON.stringify(bounded)) <= whyBytesMax) {
      break;
    }
    bounded = {
      ...(capped(why, caps) as WhyRecord),
      id: why.id,
      domain: why.domain,
      shortened: `texts cut to ${caps.textCharsMax} chars, lists to ${caps.entriesMax} entries`,
    };
  }
  return bounded;
}

function capped(value: unknown, caps: (typeof whyCapSteps)[number]): unknown {
  if (typeof value === 'string') {
    return cutText(value, caps.textCharsMax);
  }
  if (Array.isArray(value)) {
    return value.slice(0, caps.entriesMax).map((entry) => capped(entry, caps));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, entry]) => [key, capped(entry, caps)]),
    );
  }
  return value;
}

/** Cuts a text, visibly, without leaving half of a surrogate pair. */
function cutText(value: string, charsMax: number): string {
  return value.length <= charsMax ? value : `${value.slice(0, charsMax - 1).toWellFormed()}…`;
}
