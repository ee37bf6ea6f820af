/**
 * DynamoDB, SQS and S3 behind the calls of the SDK, so that the adapters run as they are.
 *
 * Each call takes its time, and may fail before it has any effect (throttled, refused) or after it had all of it (the
 * answer is lost). The SDK's own second try after a lost answer is made here, as often as not.
 */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  BatchGetItemCommand,
  type BatchGetItemCommandOutput,
  BatchWriteItemCommand,
  type BatchWriteItemCommandOutput,
  DeleteItemCommand,
  GetItemCommand,
  type KeysAndAttributes,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  MessageNotInflight,
  ReceiveMessageCommand,
  type ReceiveMessageCommandOutput,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { reasonAttribute } from '../../functions/adapters/aws/mail-queue.ts';
import type { SimulatedBucket } from './bucket.ts';
import type { Chance } from './chance.ts';
import type { Item } from './expressions.ts';
import type { SimulatedProcess } from './process.ts';
import type { SimulatedQueue } from './queue.ts';
import type { SimulatedTable } from './table.ts';

/** Everything that is kept on AWS. */
export interface Cloud {
  readonly tables: ReadonlyMap<string, SimulatedTable>;
  readonly queue: SimulatedQueue;
  /** Those that SQS put there have no reason. */
  readonly deadLetters: SimulatedQueue;
  readonly bucket: SimulatedBucket;
  readonly calls: Map<string, number>;
  /** Called for what must not happen. */
  readonly complain: (what: string) => void;
  /** Called where a query of the control table failed. */
  readonly controlsUnread: () => void;
}

/** How likely a call fails at this moment. */
export interface Weather {
  readonly chance: Chance;
  readonly failing: () => number;
}

/** The clients of one process. */
export interface Clients {
  readonly dynamoDb: DynamoDBClient;
  readonly sqs: SQSClient;
  readonly s3: S3Client;
}

interface Command {
  readonly input: object;
}

export const deliveryQueueUrl = 'https://sqs.test/delivery';
export const deadLetterQueueUrl = 'https://sqs.test/dead';

export function createClients(cloud: Cloud, process: SimulatedProcess, weather: Weather): Clients {
  const client = (apply: (command: Command) => unknown): { send: unknown } => ({
    send: (command: Command) => call(command, apply, { cloud, process, weather }),
  });
  return {
    dynamoDb: client((command) => {
      const result = applyToTable(cloud, command, weather);
      noteHandled(cloud, command, process);
      return result;
    }) as DynamoDBClient,
    sqs: client((command) => applyToQueue(cloud, command, weather)) as SQSClient,
    s3: client((command) => applyToBucket(cloud, command, process)) as S3Client,
  };
}

async function call(
  command: Command,
  apply: (command: Command) => unknown,
  { cloud, process, weather }: { cloud: Cloud; process: SimulatedProcess; weather: Weather },
): Promise<unknown> {
  const { chance } = weather;
  const { name } = command.constructor;
  cloud.calls.set(name, (cloud.calls.get(name) ?? 0) + 1);
  // Half of the calls, and nearly all queries, are answered before anything else happens: waiting costs an event.
  const isQuick = chance.happens(command instanceof QueryCommand ? 0.97 : 0.5);
  await process.pass(isQuick ? 0 : chance.between(1, 60));
  const failing = weather.failing();
  if (chance.happens(failing)) {
    noteFailed(cloud, command, process);
    throw named('ThrottlingException', 'Rate exceeded');
  }
  let result = tryOn(cloud, command, apply);
  if (chance.happens(failing)) {
    if (chance.happens(0.5)) {
      // The SDK tries again, and meets what its first try has done.
      result = apply(command);
    } else {
      noteFailed(cloud, command, process);
      throw named('TimeoutError', 'the answer was lost');
    }
  }
  await process.pass(0);
  return result;
}

/** The row of a delivery that was written tells whose task the rest is. */
function noteHandled({ bucket }: Cloud, { input }: Command, process: SimulatedProcess): void {
  const { id, part } = (input as { Key?: Item }).Key ?? {};
  if (id?.S !== undefined && part?.S !== undefined) {
    bucket.rowHandled(`${id.S} ${part.S}`, process);
  }
}

/** What the simulation does not know is no failure of AWS, which the functions would take it for. */
function tryOn(
  { complain }: Cloud,
  command: Command,
  apply: (command: Command) => unknown,
): unknown {
  try {
    return apply(command);
  } catch (error) {
    if (error instanceof TypeError) {
      complain(`${command.constructor.name} is not simulated: ${error.message}`);
    }
    throw error;
  }
}

function noteFailed(
  { controlsUnread }: Cloud,
  { input }: Command,
  process: SimulatedProcess,
): void {
  if ((input as { TableName?: string }).TableName === 'controls') {
    controlsUnread();
  }
  process.noteFailure((input as { Key?: { id?: { S?: string } } }).Key?.id?.S);
}

function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}

function applyToTable(cloud: Cloud, command: Command, weather: Weather): unknown {
  const { tables } = cloud;
  if (command instanceof BatchWriteItemCommand) {
    return writeBatch(cloud, command, weather);
  }
  if (command instanceof BatchGetItemCommand) {
    return readBatch(cloud, command, weather);
  }
  const { TableName: name = '' } = command.input as { TableName?: string };
  const table = tables.get(name);
  if (table === undefined) {
    throw named('ResourceNotFoundException', `no table ${name}`);
  }
  if (command instanceof UpdateItemCommand) {
    return table.update(command.input);
  }
  if (command instanceof PutItemCommand) {
    return table.put(command.input);
  }
  if (command instanceof GetItemCommand) {
    return table.get(command.input);
  }
  if (command instanceof DeleteItemCommand) {
    return table.delete(command.input);
  }
  if (command instanceof QueryCommand) {
    return table.query(command.input);
  }
  if (command instanceof ScanCommand) {
    return table.scan(command.input);
  }
  throw new TypeError(`${command.constructor.name} is not simulated`);
}

/** Some of a batch may be left undone, in any order. */
function isLeftUndone({ chance, failing }: Weather): boolean {
  return chance.happens(failing() * 2);
}

function writeBatch(
  { tables }: Cloud,
  { input: { RequestItems: requests = {} } }: BatchWriteItemCommand,
  weather: Weather,
): BatchWriteItemCommandOutput {
  const undone: Record<string, WriteRequest[]> = {};
  for (const [name, list] of Object.entries(requests)) {
    for (const request of list) {
      const { DeleteRequest: remove, PutRequest: put } = request;
      if (isLeftUndone(weather)) {
        undone[name] = [...(undone[name] ?? []), request];
      } else if (remove !== undefined) {
        tables.get(name)?.delete({ TableName: name, Key: remove.Key });
      } else {
        tables.get(name)?.put({ TableName: name, Item: put?.Item });
      }
    }
  }
  return { UnprocessedItems: undone, $metadata: {} };
}

function readBatch(
  { tables }: Cloud,
  { input: { RequestItems: requests = {} } }: BatchGetItemCommand,
  weather: Weather,
): BatchGetItemCommandOutput {
  const found: Record<string, Item[]> = {};
  const undone: Record<string, KeysAndAttributes> = {};
  for (const [name, { Keys: keys = [] }] of Object.entries(requests)) {
    const left = keys.filter(() => isLeftUndone(weather));
    found[name] = keys
      .filter((key) => !left.includes(key))
      .map((Key) => tables.get(name)?.get({ TableName: name, Key }).Item)
      .filter((item) => item !== undefined);
    if (left.length > 0) {
      undone[name] = { Keys: left };
    }
  }
  return { Responses: found, UnprocessedKeys: undone, $metadata: {} };
}

function applyToQueue(cloud: Cloud, command: Command, { chance, failing }: Weather): unknown {
  if (command instanceof SendMessageBatchCommand) {
    const failed: { Id: string; Code: string; SenderFault: boolean }[] = [];
    for (const { Id = '', MessageBody = '' } of command.input.Entries ?? []) {
      if (chance.happens(failing() / 2)) {
        failed.push({ Id, Code: 'InternalError', SenderFault: false });
      } else {
        cloud.queue.send(MessageBody);
      }
    }
    return { Failed: failed };
  }
  if (command instanceof SendMessageCommand) {
    const { QueueUrl, MessageBody: body = '', MessageAttributes: attributes } = command.input;
    if (QueueUrl === deadLetterQueueUrl) {
      const [reason] = Object.values(attributes ?? {});
      cloud.deadLetters.send(body, reason?.StringValue ?? '');
    } else {
      cloud.queue.send(body);
    }
    return {};
  }
  if (command instanceof ChangeMessageVisibilityCommand) {
    const { ReceiptHandle: handle = '', VisibilityTimeout: seconds = 0 } = command.input;
    if (!cloud.queue.hide(handle, seconds)) {
      throw new MessageNotInflight({ message: 'not in flight', $metadata: {} });
    }
    return {};
  }
  return applyToDeadLetters(cloud.deadLetters, command);
}

function applyToDeadLetters(letters: SimulatedQueue, command: Command): unknown {
  if (command instanceof ReceiveMessageCommand) {
    return receiveLetters(letters, command);
  }
  if (command instanceof ChangeMessageVisibilityBatchCommand) {
    for (const { ReceiptHandle: handle = '', VisibilityTimeout: seconds = 0 } of command.input
      .Entries ?? []) {
      letters.hide(handle, seconds);
    }
    return { Failed: [] };
  }
  if (command instanceof DeleteMessageCommand) {
    letters.delete(command.input.ReceiptHandle ?? '');
    return {};
  }
  throw new TypeError(`${command.constructor.name} is not simulated`);
}

function receiveLetters(
  letters: SimulatedQueue,
  {
    input: { MaxNumberOfMessages: most = 1, VisibilityTimeout: seconds = 0 },
  }: ReceiveMessageCommand,
): ReceiveMessageCommandOutput {
  return {
    $metadata: {},
    Messages: letters.receive(most).map(({ handle, message }) => {
      const { messageId, body, sentAtMs, reason } = message;
      letters.hide(handle, seconds);
      return {
        MessageId: messageId,
        ReceiptHandle: handle,
        Body: body,
        Attributes: { SentTimestamp: String(sentAtMs) },
        ...(reason !== undefined && {
          MessageAttributes: { [reasonAttribute]: { DataType: 'String', StringValue: reason } },
        }),
      };
    }),
  };
}

function applyToBucket({ bucket }: Cloud, command: Command, process: SimulatedProcess): unknown {
  if (command instanceof PutObjectCommand) {
    bucket.put(command.input.Key ?? '', command.input.Body as Uint8Array, process);
    return {};
  }
  if (command instanceof GetObjectCommand) {
    const object = bucket.get(command.input.Key ?? '', process);
    if (object === undefined) {
      throw new NoSuchKey({ message: 'no such key', $metadata: {} });
    }
    return { Body: streamOf(object), ContentLength: object.length };
  }
  if (command instanceof DeleteObjectCommand) {
    bucket.delete(command.input.Key ?? '');
    return {};
  }
  throw new TypeError(`${command.constructor.name} is not simulated`);
}

async function* streamOf(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets;
}
