/**
 * DynamoDB, SQS and S3 behind the calls of the SDK, so that the adapters run as they are.
 *
 * Each call takes its time, and may fail before it has any effect (throttled, refused) or after it had all of it (the
 * answer is lost). The SDK's own second try after a lost answer is made here, as often as not.
 */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import {
  ChangeMessageVisibilityCommand,
  MessageNotInflight,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Chance } from './chance.ts';
import type { SimulatedProcess } from './process.ts';
import type { SimulatedQueue } from './queue.ts';
import type { SimulatedTable } from './table.ts';

/** Everything that is kept on AWS. */
export interface Cloud {
  readonly tables: ReadonlyMap<string, SimulatedTable>;
  readonly queue: SimulatedQueue;
  readonly deadLetters: { readonly body: string; readonly reason: string }[];
  readonly objects: Map<string, Uint8Array>;
  readonly calls: Map<string, number>;
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
    dynamoDb: client((command) => applyToTable(cloud, command)) as DynamoDBClient,
    sqs: client((command) => applyToQueue(cloud, command, weather)) as SQSClient,
    s3: client((command) => applyToBucket(cloud, command)) as S3Client,
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
    noteFailedWrite(command, process);
    throw named('ThrottlingException', 'Rate exceeded');
  }
  let result = apply(command);
  if (chance.happens(failing)) {
    if (chance.happens(0.5)) {
      // The SDK tries again, and meets what its first try has done.
      result = apply(command);
    } else {
      noteFailedWrite(command, process);
      throw named('TimeoutError', 'the answer was lost');
    }
  }
  await process.pass(0);
  return result;
}

function noteFailedWrite({ input }: Command, process: SimulatedProcess): void {
  const id = (input as { Key?: { id?: { S?: string } } }).Key?.id?.S;
  if (id !== undefined) {
    process.failedWrites.add(id);
  } else {
    process.failedAtMs.push(process.trueNow());
  }
}

function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}

function applyToTable({ tables }: Cloud, command: Command): unknown {
  if (command instanceof BatchWriteItemCommand) {
    for (const [name, requests] of Object.entries(command.input.RequestItems ?? {})) {
      for (const { DeleteRequest: remove, PutRequest: put } of requests) {
        if (remove !== undefined) {
          tables.get(name)?.delete({ TableName: name, Key: remove.Key });
        } else {
          tables.get(name)?.put({ TableName: name, Item: put?.Item });
        }
      }
    }
    return {};
  }
  if (command instanceof BatchGetItemCommand) {
    const responses = Object.entries(command.input.RequestItems ?? {}).map(
      ([name, { Keys = [] }]) => [
        name,
        Keys.map((Key) => tables.get(name)?.get({ TableName: name, Key }).Item).filter(
          (item) => item !== undefined,
        ),
      ],
    );
    return { Responses: Object.fromEntries(responses) };
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
      cloud.deadLetters.push({ body, reason: reason?.StringValue ?? '' });
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
  throw new TypeError(`${command.constructor.name} is not simulated`);
}

function applyToBucket({ objects }: Cloud, command: Command): unknown {
  if (command instanceof PutObjectCommand) {
    objects.set(command.input.Key ?? '', command.input.Body as Uint8Array);
    return {};
  }
  if (command instanceof GetObjectCommand) {
    const object = objects.get(command.input.Key ?? '');
    if (object === undefined) {
      throw new NoSuchKey({ message: 'no such key', $metadata: {} });
    }
    return { Body: streamOf(object), ContentLength: object.length };
  }
  if (command instanceof DeleteObjectCommand) {
    objects.delete(command.input.Key ?? '');
    return {};
  }
  throw new TypeError(`${command.constructor.name} is not simulated`);
}

async function* streamOf(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets;
}
