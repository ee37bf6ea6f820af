/** The delivery queue and its dead-letter queue on SQS. */
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import type { ContentStore, MailQueue, RecordIdentity } from '../../delivery/ports.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import {
  type ContentReference,
  contentName,
  isPrepared,
  type QueueMessage,
  redactedBase64CharsMax,
} from '../../submission/queue-message.ts';
import { batchEntriesMax, hideUntil, type Queue, sendBatch } from './queue-calls.ts';
import { orUnavailable } from './store-failure.ts';

/** SQS: one message with its attributes, and one batch in all. */
const sendBytesMax = 1_048_576;

/** Why delivery put a record among the dead letters. */
export const reasonAttribute = 'sealpost-reason';
const reasonCharsMax = 256;

export interface RecordSenderOptions extends Queue {
  /** Takes the content of a record that would be too large for SQS; without it such a record is refused. */
  readonly contents?: ContentStore;
}

export interface MailQueueOptions extends RecordSenderOptions {
  readonly deadLetterQueueUrl: string;
}

/**
 * Every method rejects with `store-unavailable` when SQS fails; `enqueue` also with `content-invalid` for a record that
 * SQS could never take.
 */
export function createMailQueue(options: MailQueueOptions): MailQueue {
  return {
    enqueue: createRecordSender(options),
    deadLetter: (body, reason, identity) =>
      sendDeadLetter(options, withIdentity(body, identity), reason),
    hideUntil: (receiptHandle, untilMs, nowMs) =>
      hideUntil(options, receiptHandle, { untilMs, nowMs }),
  };
}

/** The one method of a {@link MailQueue} that whoever only submits may use. */
export function createRecordSender(options: RecordSenderOptions): MailQueue['enqueue'] {
  return async (messages) => {
    // Encoded as they are sent: one body may go to thousands of domains, and each record has a copy of it.
    for await (const batch of batchesOf(encodeRecords(messages, options))) {
      // A copy too many is dropped when it is claimed.
      await sendBatch(
        options,
        batch.map((body) => ({ body })),
      );
    }
  };
}

async function* encodeRecords(
  messages: readonly QueueMessage[],
  options: RecordSenderOptions,
): AsyncGenerator<string> {
  for (const message of messages) {
    yield await encodeRecord(await boundRedacted(message, options), options);
  }
}

/** A record's body, with the content kept apart where it would be over the limit. */
async function encodeRecord(message: QueueMessage, options: RecordSenderOptions): Promise<string> {
  const body = encodeBody(message);
  if (Buffer.byteLength(body) <= sendBytesMax) {
    return body;
  }
  if (!('data' in message.content) || isKnownByContent(message)) {
    throw tooLarge(message, Buffer.byteLength(body));
  }
  // What prepare added may lift a record over the limit under which it came in.
  const content = await keepApart(message, message.content, options);
  return encodeBody({ ...message, content });
}

/** Its fingerprint is yet to be made of where its content is: kept elsewhere it would be another message under its id. */
function isKnownByContent(message: QueueMessage): boolean {
  return !isPrepared(message) && message.notificationOf === undefined;
}

/** The redacted form inline only where it is as small as a queue message may have it. */
async function boundRedacted(
  message: QueueMessage,
  options: RecordSenderOptions,
): Promise<QueueMessage> {
  const { redacted } = message;
  return redacted !== undefined &&
    'data' in redacted &&
    redacted.data.length > redactedBase64CharsMax
    ? { ...message, redacted: await keepApart(message, redacted, options, '/redacted') }
    : message;
}

async function keepApart(
  message: QueueMessage,
  content: { readonly data: string },
  { contents }: RecordSenderOptions,
  suffix = '',
): Promise<ContentReference> {
  if (contents === undefined) {
    throw tooLarge(message, content.data.length);
  }
  return contents.keep(contentName(message) + suffix, await contents.read(content));
}

function tooLarge({ id }: QueueMessage, bytes: number): TransportSecurityError {
  return new TransportSecurityError(
    'content-invalid',
    `message ${id}: ${bytes} bytes are too many for a record, of which SQS takes ${sendBytesMax}`,
  );
}

/**
 * JSON, with everything escaped that SQS does not take (U+FFFE, U+FFFF), and what its look-alikes do not take either
 * (beyond U+FFFF, as its pair of surrogates).
 */
function encodeBody(message: QueueMessage): string {
  return JSON.stringify(message).replace(
    /[\ud800-\udfff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16)}`,
  );
}

/** Fills batches in order; a body that leaves no room for another goes alone. Asks for no more than a batch needs. */
export async function* batchesOf(
  bodies: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<readonly string[]> {
  let batch: string[] = [];
  let batchBytes = 0;
  for await (const body of bodies) {
    const bytes = Buffer.byteLength(body);
    if (
      batch.length === batchEntriesMax ||
      (batch.length > 0 && batchBytes + bytes > sendBytesMax)
    ) {
      yield batch;
      batch = [];
      batchBytes = 0;
    }
    batch.push(body);
    batchBytes += bytes;
  }
  if (batch.length > 0) {
    yield batch;
  }
}

/**
 * The body with what it leaves out of its identity, in front of all else: the rest stays as it came, to the octet, since
 * envelope and content are what the message is known by. Where SQS has no room for it the body goes as it is.
 */
export function withIdentity(body: string, identity: RecordIdentity | undefined): string {
  if (identity === undefined) {
    return body;
  }
  const { id, submittedAt, expiresAt } = identity;
  const given: object = JSON.parse(body);
  const missing = Object.entries({ id, submittedAt, expiresAt })
    .filter(([name]) => !Object.hasOwn(given, name))
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)},`);
  const identified = `{${missing.join('')}${body.slice(body.indexOf('{') + 1)}`;
  return Buffer.byteLength(identified) <= sendBytesMax ? identified : body;
}

async function sendDeadLetter(
  { client, deadLetterQueueUrl }: MailQueueOptions,
  body: string,
  reason: string,
): Promise<void> {
  const value = attributeValue(reason, Buffer.byteLength(body));
  await orUnavailable(`SendMessage to ${deadLetterQueueUrl}`, () =>
    client.send(
      new SendMessageCommand({
        QueueUrl: deadLetterQueueUrl,
        MessageBody: body,
        ...(value !== '' && {
          MessageAttributes: { [reasonAttribute]: { DataType: 'String', StringValue: value } },
        }),
      }),
    ),
  );
}

/**
 * The reason as an attribute value: printable ASCII, and no longer than the room that the body leaves, since name,
 * type and value of an attribute count as part of the message. Empty where there is none: the body goes first.
 */
function attributeValue(reason: string, bodyBytes: number): string {
  const room = sendBytesMax - bodyBytes - reasonAttribute.length - 'String'.length;
  return reason
    .replace(/[^\x20-\x7e]+/g, '?')
    .trim()
    .slice(0, Math.max(0, Math.min(reasonCharsMax, room)));
}
