/**
 * DynamoDB, SQS and S3 on 127.0.0.1, in this process: dynalite and fauxqs, each on a port of its own.
 *
 * Clients speak to them with dummy credentials through the real SDK; {@link watchCalls} counts what they send.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import {
  type AttributeDefinition,
  CreateTableCommand,
  DynamoDBClient,
  type KeySchemaElement,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';

/** dynalite is CommonJS without types. */
const dynalite = createRequire(import.meta.url)('dynalite') as (options: {
  readonly createTableMs: number;
}) => Server;

/** What every client here is made of. */
export interface ClientConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export function clientConfig(endpoint: string): ClientConfig {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  return { endpoint, region: 'eu-central-1', credentials };
}

export interface LocalDynamoDb {
  readonly endpoint: string;
  /** A client of its own for each caller; it is closed with the server. */
  createClient(): DynamoDBClient;
  /**
   * An empty table under a fresh name, keyed by one text or two, ready for items; each of the indexes is by a text and a
   * number and shows all.
   */
  createTable(
    partitionKey: string,
    sortKey?: string,
    indexes?: Readonly<Record<string, readonly [string, string]>>,
  ): Promise<string>;
  stop(): Promise<void>;
}

export async function startDynamoDb(): Promise<LocalDynamoDb> {
  const server = dynalite({ createTableMs: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = clientConfig(endpoint);
  const clients: DynamoDBClient[] = [];
  let tables = 0;
  const createClient = (): DynamoDBClient => {
    const client = new DynamoDBClient(config);
    clients.push(client);
    return client;
  };
  const admin = createClient();
  return {
    endpoint,
    createClient,
    createTable: async (partitionKey, sortKey, indexes = {}) => {
      tables += 1;
      const tableName = `table-${tables}`;
      const keys = sortKey === undefined ? [partitionKey] : [partitionKey, sortKey];
      await admin.send(
        new CreateTableCommand({
          TableName: tableName,
          BillingMode: 'PAY_PER_REQUEST',
          KeySchema: keySchema(keys),
          AttributeDefinitions: attributeDefinitions(keys, Object.values(indexes)),
          ...(Object.keys(indexes).length > 0 && {
            GlobalSecondaryIndexes: Object.entries(indexes).map(([name, indexKeys]) => ({
              IndexName: name,
              KeySchema: keySchema(indexKeys),
              Projection: { ProjectionType: 'ALL' },
            })),
          }),
        }),
      );
      await waitUntilTableExists(
        { client: admin, maxWaitTime: 30, minDelay: 1, maxDelay: 1 },
        { TableName: tableName },
      );
      return tableName;
    },
    stop: async () => {
      for (const client of clients) {
        client.destroy();
      }
      server.close();
      await once(server, 'close');
    },
  };
}

function keySchema(names: readonly string[]): KeySchemaElement[] {
  return names.map((name, index) => ({
    AttributeName: name,
    KeyType: index === 0 ? 'HASH' : 'RANGE',
  }));
}

function attributeDefinitions(
  keys: readonly string[],
  indexes: readonly (readonly [string, string])[],
): AttributeDefinition[] {
  const texts = new Set([...keys, ...indexes.map(([partition]) => partition)]);
  const numbers = new Set(indexes.map(([, order]) => order));
  return [
    ...[...texts].map((name) => ({ AttributeName: name, AttributeType: 'S' }) as const),
    ...[...numbers].map((name) => ({ AttributeName: name, AttributeType: 'N' }) as const),
  ];
}

export interface LocalQueuesAndBuckets {
  readonly endpoint: string;
  readonly sqs: SQSClient;
  readonly s3: S3Client;
  /** An empty queue under a fresh name; gives its URL. */
  createQueue(attributes?: Record<string, string>): Promise<string>;
  createBucket(name: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startQueuesAndBuckets(): Promise<LocalQueuesAndBuckets> {
  const app = buildApp({ logger: false });
  const endpoint = await app.listen({ host: '127.0.0.1', port: 0 });
  const sqs = new SQSClient({ ...clientConfig(endpoint), useQueueUrlAsEndpoint: false });
  const s3 = new S3Client(clientConfig(endpoint));
  let queues = 0;
  return {
    endpoint,
    sqs,
    s3,
    createQueue: async (attributes) => {
      queues += 1;
      const name = `queue-${queues}`;
      await sqs.send(
        new CreateQueueCommand({ QueueName: name, ...(attributes && { Attributes: attributes }) }),
      );
      // Not the URL in the answer: its host does not resolve.
      return `${endpoint}/000000000000/${name}`;
    },
    createBucket: async (name) => {
      await s3.send(new CreateBucketCommand({ Bucket: name }));
    },
    stop: async () => {
      sqs.destroy();
      s3.destroy();
      await app.close();
    },
  };
}

type Client = DynamoDBClient | SQSClient | S3Client;

/** Notes the name of each command that a client is given, e.g. `UpdateItem`; retries of the SDK do not count. */
export function watchCalls(client: Client): string[] {
  const calls: string[] = [];
  const stack = client.middlewareStack as DynamoDBClient['middlewareStack'];
  stack.add(
    (next, context) => (args) => {
      calls.push(String(context.commandName).replace(/Command$/, ''));
      return next(args);
    },
    { step: 'initialize', name: 'watchCalls' },
  );
  return calls;
}

/** Lets the answers to the next `times` requests get lost after the server has done its work; the SDK then retries. */
export function loseAnswers(client: Client, times: number): void {
  let left = times;
  const stack = client.middlewareStack as DynamoDBClient['middlewareStack'];
  stack.add(
    (next) => async (args) => {
      const answer = await next(args);
      if (left > 0) {
        left -= 1;
        throw Object.assign(new Error('the answer was lost'), { name: 'TimeoutError' });
      }
      return answer;
    },
    { step: 'deserialize', name: 'loseAnswers', priority: 'high' },
  );
}
