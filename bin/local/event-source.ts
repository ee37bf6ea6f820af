/**
 * Event source mappings: what Lambda does between an SQS queue and a function.
 *
 * A batch that succeeds is deleted; of one that fails, or the part of it that the function returns, nothing is
 * deleted and nothing is made visible early: the queue's visibility timeout and redrive policy do the rest.
 */
import {
  DeleteMessageBatchCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { SQSMessageAttribute, SQSRecord } from 'aws-lambda';
import { z } from 'zod';
import { failedMessageIds } from './batch-response.ts';
import type { ReportEvent } from './events.ts';
import type { LocalFunction } from './lambda-pool.ts';
import { notImplemented, readProperties } from './properties.ts';
import type { DeployedResource } from './resource.ts';
import { functionName } from './resource-types.ts';
import { createSlots } from './slots.ts';
import { LocalCloudError } from './template.ts';

/** A mapping as the template declares it. */
export interface EventSourceSettings {
  readonly queueArn: string;
  readonly functionName: string;
  readonly batchSize: number;
  readonly windowMs: number;
  readonly concurrencyMax: number;
  readonly reportsItemFailures: boolean;
}

/** The queue and function that a mapping joins. */
export interface EventSourceParts {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly region: string;
  readonly target: LocalFunction;
  readonly report: ReportEvent;
}

/** A mapping at work. */
export interface EventSource {
  /** Receives nothing more; what it was about to receive comes back when its visibility timeout is over. */
  halt(): void;
  /** Resolves when it was halted and all that was under way is finished. */
  readonly ended: Promise<void>;
}

/** With no maximum of its own a mapping starts with five pollers on AWS. */
const defaultConcurrency = 5;

/** One ReceiveMessage gives no more. */
const receiveMax = 10;

/** The longest wait that ReceiveMessage allows. */
const waitSecondsMax = 20;

const mappingSchema = z.looseObject({
  EventSourceArn: z.string(),
  FunctionName: z.string(),
  Enabled: z.boolean().default(true),
  BatchSize: z.coerce.number().default(10),
  MaximumBatchingWindowInSeconds: z.coerce.number().default(0),
  ScalingConfig: z.object({ MaximumConcurrency: z.coerce.number().optional() }).optional(),
  FunctionResponseTypes: z.array(z.literal('ReportBatchItemFailures')).default([]),
  FilterCriteria: notImplemented('filters'),
});

/**
 * Reads the settings of an `AWS::Lambda::EventSourceMapping`.
 *
 * @returns undefined for one that is not enabled
 * @throws LocalCloudError for a source other than a standard queue, or a filter
 */
export function eventSourceSettings(resource: DeployedResource): EventSourceSettings | undefined {
  const data = readProperties(resource, mappingSchema);
  if (!/^arn:aws:sqs:.*(?<!\.fifo)$/.test(data.EventSourceArn)) {
    throw new LocalCloudError(`${resource.key}: ${data.EventSourceArn} is no standard queue`);
  }
  return data.Enabled
    ? {
        queueArn: data.EventSourceArn,
        functionName: functionName(data.FunctionName),
        batchSize: data.BatchSize,
        windowMs: data.MaximumBatchingWindowInSeconds * 1000,
        concurrencyMax: data.ScalingConfig?.MaximumConcurrency ?? defaultConcurrency,
        reportsItemFailures: data.FunctionResponseTypes.length > 0,
      }
    : undefined;
}

/** Starts to poll the queue and to invoke the function. */
export function startEventSource(
  settings: EventSourceSettings,
  parts: EventSourceParts,
): EventSource {
  const slots = createSlots(settings.concurrencyMax);
  const underWay = new Set<Promise<void>>();
  const halting = new AbortController();
  const poll = async (): Promise<void> => {
    while (!halting.signal.aborted) {
      // Nothing is received that could not be handed over at once: the visibility clock runs from here.
      await slots.take();
      const messages = await receiveBatch(settings, parts, halting.signal);
      const batch = handOver(messages, settings, parts).finally(() => {
        underWay.delete(batch);
        slots.give();
      });
      underWay.add(batch);
    }
  };
  return {
    halt: () => halting.abort(),
    ended: poll()
      .catch((error: unknown) => {
        // An aborted wait for messages is how polling ends.
        if (!halting.signal.aborted) {
          reportFault(settings, parts, error);
        }
      })
      .then(async () => void (await Promise.all(underWay))),
  };
}

/** Receives until the batch is full, the window over, or, with no window, something is there. */
async function receiveBatch(
  { batchSize, windowMs }: EventSourceSettings,
  { client, queueUrl }: EventSourceParts,
  signal: AbortSignal,
): Promise<readonly Message[]> {
  const batch: Message[] = [];
  let endsAt: number | undefined;
  while (batch.length < batchSize) {
    const leftMs = endsAt === undefined ? waitSecondsMax * 1000 : endsAt - Date.now();
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: Math.min(receiveMax, batchSize - batch.length),
        WaitTimeSeconds: Math.max(0, Math.min(waitSecondsMax, leftMs / 1000)),
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
      { abortSignal: signal },
    );
    batch.push(...Messages);
    if (batch.length > 0) {
      endsAt ??= Date.now() + windowMs;
      // An empty answer within the window only means that its wait was over.
      if (Date.now() >= endsAt) {
        break;
      }
    }
  }
  return batch;
}

async function handOver(
  messages: readonly Message[],
  settings: EventSourceSettings,
  parts: EventSourceParts,
): Promise<void> {
  if (messages.length === 0) {
    return;
  }
  try {
    const records = messages.map((message) => toRecord(message, settings, parts));
    const invocation = await parts.target.invoke({ Records: records });
    const ids = records.map(({ messageId }) => messageId);
    const failed = failedMessageIds(invocation, ids, settings.reportsItemFailures);
    await deleteMessages(
      messages.filter(({ MessageId }) => !failed.has(MessageId ?? '')),
      parts,
    );
    parts.report({
      kind: 'batch',
      function: parts.target.settings.logicalId,
      queue: settings.queueArn,
      deleted: ids.filter((id) => !failed.has(id)),
      returned: ids.filter((id) => failed.has(id)),
    });
  } catch (error) {
    reportFault(settings, parts, error);
  }
}

function reportFault(
  { queueArn }: EventSourceSettings,
  parts: EventSourceParts,
  error: unknown,
): void {
  parts.report({ kind: 'fault', where: queueArn, message: String(error) });
}

/** The record as Lambda hands it over. */
function toRecord(
  message: Message,
  { queueArn }: EventSourceSettings,
  { region }: EventSourceParts,
): SQSRecord {
  const { Attributes = {}, MessageAttributes = {}, MD5OfMessageAttributes } = message;
  return {
    messageId: message.MessageId ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes: {
      ...Attributes,
      ApproximateReceiveCount: Attributes.ApproximateReceiveCount ?? '',
      SentTimestamp: Attributes.SentTimestamp ?? '',
      SenderId: Attributes.SenderId ?? '',
      ApproximateFirstReceiveTimestamp: Attributes.ApproximateFirstReceiveTimestamp ?? '',
    },
    messageAttributes: Object.fromEntries(
      Object.entries(MessageAttributes).map(([name, value]) => [name, toRecordAttribute(value)]),
    ),
    md5OfBody: message.MD5OfBody ?? '',
    ...(MD5OfMessageAttributes === undefined
      ? {}
      : { md5OfMessageAttributes: MD5OfMessageAttributes }),
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: region,
  };
}

function toRecordAttribute(value: MessageAttributeValue): SQSMessageAttribute {
  return {
    ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
    ...(value.BinaryValue === undefined
      ? {}
      : { binaryValue: Buffer.from(value.BinaryValue).toString('base64') }),
    stringListValues: [],
    binaryListValues: [],
    dataType: value.DataType ?? 'String',
  };
}

async function deleteMessages(
  messages: readonly Message[],
  { client, queueUrl }: EventSourceParts,
): Promise<void> {
  for (let start = 0; start < messages.length; start += receiveMax) {
    const { Failed = [] } = await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: queueUrl,
        Entries: messages.slice(start, start + receiveMax).map(({ ReceiptHandle }, index) => ({
          Id: String(index),
          ReceiptHandle,
        })),
      }),
    );
    if (Failed.length > 0) {
      throw new LocalCloudError(`${Failed.length} messages could not be deleted`);
    }
  }
}
