/** The delivery queue and its dead-letter queue on SQS. */
import {
  ChangeMessageVisibilityCommand,
  MessageNotInflight,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { ContentStore, MailQueue } from '../../delivery/ports.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { contentName, type PreparedMessage } from '../../submission/queue-message.ts';
import { orUnavailable, storeUnavailable } from './store-failure.ts';

/** SQS: one message with its attributes, and one batch in all. */
const sendBytesMax = 1_048_576;

/** SQS: entries of one batch. */
const batchEntriesMax = 10;

const reasonAttribute = 'sealpost-reason';
const reasonCharsMax = 256;

/**
 * SQS: a message may be hidden for 12 hours from its receipt, which we do not know; it is at most one Lambda
 * invocation and one batching window ago.
 */
const hideSecondsMax = 12 * 3_600 - 20 * 60;

export interface MailQueueOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** Takes the content of a record that would be too large for SQS; without it such a record is refused. */
  readonly contents?: ContentStore;
}

/**
 * Every method rejects with `store-unavailable` when SQS fails; `enqueue` also with `content-invalid` for a record that
 * SQS could never take.
 */
export function createMailQueue(options: MailQueueOptions): MailQueue {
  return {
    enqueue: async (messages) => {
      const bodies = await Promise.all(messages.map((message) => encodeRecord(message, options)));
      for (const batch of batchesOf(bodies)) {
        await sendBatch(options, batch);
      }
    },
    deadLetter: (body, reason) => sendDeadLetter(options, body, reason),
    hideUntil: (receiptHandle, untilMs, nowMs) =>
      hide(options, receiptHandle, Math.ceil((untilMs - nowMs) / 1_000)),
  };
}

/** A record's body, with the content kept apart where it would be over the limit. */
async function encodeRecord(message: PreparedMessage, options: MailQueueOptions): Promise<string> {
  const body = encodeBody(message);
  if (Buffer.byteLength(body) <= sendBytesMax) {
    return body;
  }
  const { contents } = options;
  if (contents === undefined || !('data' in message.content)) {
    throw new TransportSecurityError(
      'content-invalid',
      `message ${message.id}: the record takes ${Buffer.byteLength(body)} bytes, SQS takes ${sendBytesMax}`,
    );
  }
  // What prepare added may lift a record over the limit under which it came in.
  const content = await contents.keep(contentName(message), await contents.read(message.content));
  return encodeBody({ ...message, content });
}

/**
 * JSON, with everything escaped that SQS does not take (U+FFFE, U+FFFF), and what its look-alikes do not take either
 * (beyond U+FFFF, as its pair of surrogates).
 */
function encodeBody(message: PreparedMessage): string {
  return JSON.stringify(message).replace(
    /[\ud800-\udfff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16)}`,
  );
}

/** Fills batches in order; a body that leaves no room for another goes alone. */
export function batchesOf(bodies: readonly string[]): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let current: string[] = [];
  let currentBytes = 0;
  for (const body of bodies) {
    const bytes = Buffer.byteLength(body);
    const full = current.length === batchEntriesMax || currentBytes + bytes > sendBytesMax;
    if (current.length === 0 || full) {
      current = [];
      currentBytes = 0;
      batches.push(current);
    }
    current.push(body);
    currentBytes += bytes;
  }
  return batches;
}

/** Sends a batch, and once more what SQS did not take of it. A copy too many is dropped when it is claimed. */
async function sendBatch(options: MailQueueOptions, bodies: readonly string[]): Promise<void> {
  const first = await trySend(options, bodies);
  if (first.refused.length === 0) {
    return;
  }
  const second = await trySend(options, first.refused);
  if (second.refused.length > 0) {
    throw new TransportSecurityError(
      'store-unavailable',
      `SendMessageBatch to ${options.queueUrl}: ${second.refused.length} of ${bodies.length} records refused: ${second.reason}`,
    );
  }
}

async function trySend(
  { client, queueUrl }: MailQueueOptions,
  bodies: readonly string[],
): Promise<{ readonly refused: readonly string[]; readonly reason: string }> {
  const entries = bodies.map((body, index) => ({ Id: String(index), MessageBody: body }));
  const { Failed: failed = [] } = await orUnavailable(`SendMessageBatch to ${queueUrl}`, () =>
    client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries })),
  );
  const refusedIds = new Set(failed.map(({ Id }) => Id));
  return {
    refused: bodies.filter((_, index) => refusedIds.has(String(index))),
    reason: `${failed[0]?.Code}: ${failed[0]?.Message ?? 'no reason given'}`,
  };
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

async function hide(
  { client, queueUrl }: MailQueueOptions,
  receiptHandle: string,
  seconds: number,
): Promise<void> {
  try {
    await client.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: queueUrl,
        ReceiptHandle: receiptHandle,
        // Not 0: a record that is asked for again at once spins through its receive count.
        VisibilityTimeout: Math.min(Math.max(seconds, 1), hideSecondsMax),
      }),
    );
  } catch (error) {
    // Its time was over and it is on the queue again: there is nothing left to hide.
    if (!(error instanceof MessageNotInflight)) {
      throw storeUnavailable(`ChangeMessageVisibility on ${queueUrl}`, error);
    }
  }
}
