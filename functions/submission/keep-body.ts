/**
 * Where an accepted body goes: with the records while they are few and it is small, which saves every call to S3 for most
 * mail; else into the bucket, once however many records refer to it.
 */
import { createHash } from 'node:crypto';
import type { AcceptPorts } from './ports.ts';
import {
  type ContentReference,
  type PreparedMessage,
  redactedBase64CharsMax,
} from './queue-message.ts';

/** Base64 chars of the body of a record that is alone: SQS takes 1 MiB, and the envelope needs room. */
const aloneCharsMax = 983_040;

/** Base64 chars of a body that each of several records carries, and how many do so at most. */
const severalCharsMax = 262_144;
const severalMax = 3;

/**
 * A body is kept under the id of the whole, and a hash of its octets and of the records that it is for. So no key ever
 * stands for other octets, nor for other records: they would count and free a body that is not theirs.
 */
export interface Body {
  /** Of the whole message. */
  readonly id: string;
  /** All that were made of it; what they say together names who reads the body. */
  readonly records: readonly PreparedMessage[];
  readonly octets: Uint8Array;
}

/**
 * Gives records their body. Where several share it in the bucket each gets its ordinal, and the bucket's copy is written
 * down as shared before this resolves.
 */
export async function giveBody(
  body: Body,
  ports: Pick<AcceptPorts, 'contents' | 'shareContent'>,
): Promise<PreparedMessage[]> {
  const { records } = body;
  const isAlone = records.length === 1;
  const charsMax = isAlone ? aloneCharsMax : severalCharsMax;
  if (records.length <= severalMax && base64Chars(body.octets) <= charsMax) {
    const content = { data: toBase64(body.octets) };
    return records.map((record) => ({ ...record, content }));
  }
  const content = await keepBody(body, ports);
  return share(records, { content }, ports);
}

/**
 * Gives records their redacted form, which goes from queue to row to retry item as it is: inline only as small as all of
 * them take it.
 */
export async function giveRedactedBody(
  body: Body,
  ports: Pick<AcceptPorts, 'contents' | 'shareContent'>,
): Promise<PreparedMessage[]> {
  const { records } = body;
  if (base64Chars(body.octets) <= redactedBase64CharsMax) {
    const redacted = { data: toBase64(body.octets) };
    return records.map((record) => ({ ...record, redacted }));
  }
  return share(records, { redacted: await keepBody(body, ports) }, ports);
}

/** Gives each record a body in the bucket, and writes down that they share it, where they do. */
async function share(
  records: readonly PreparedMessage[],
  body: { readonly content: ContentReference } | { readonly redacted: ContentReference },
  { shareContent }: Pick<AcceptPorts, 'shareContent'>,
): Promise<PreparedMessage[]> {
  if (records.length === 1) {
    return records.map((record) => ({ ...record, ...body }));
  }
  await shareContent('content' in body ? body.content : body.redacted, records.length);
  return records.map((record, part) => ({
    ...record,
    ...body,
    prepared: { ...record.prepared, part },
  }));
}

function keepBody(
  { id, records, octets }: Body,
  { contents }: Pick<AcceptPorts, 'contents'>,
): Promise<ContentReference> {
  // A used id that comes again with another envelope has another hash; under other settings it has other domains.
  const readers = records.map(({ prepared }) => [prepared.hash, prepared.domain]);
  const hash = createHash('sha256')
    .update(`${JSON.stringify(readers)}\0`)
    .update(octets);
  return contents.keep(`${id}/${hash.digest('hex')}`, octets);
}

function base64Chars({ length }: Uint8Array): number {
  return Math.ceil(length / 3) * 4;
}

function toBase64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
