/**
 * DynamoDB on this machine: dynalite in process, with the tables of the templates.
 *
 * It has no transactions, streams or time-to-live (items stay, as they may for days on AWS), and ignores
 * `ReturnValuesOnConditionCheckFailure`.
 */
import {
  CreateTableCommand,
  type DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import { z } from 'zod';
import { type Listening, listenOnLoopback } from './loopback.ts';
import { readProperties } from './properties.ts';
import type { DeployedResource } from './resource.ts';

const keySchema = z.array(
  z.object({ AttributeName: z.string(), KeyType: z.enum(['HASH', 'RANGE']) }),
);

const indexSchema = z.object({
  IndexName: z.string(),
  KeySchema: keySchema,
  Projection: z.object({
    ProjectionType: z.enum(['ALL', 'KEYS_ONLY', 'INCLUDE']).default('ALL'),
    NonKeyAttributes: z.array(z.string()).optional(),
  }),
});

/** What of `AWS::DynamoDB::Table` and `GlobalTable` has a counterpart; billing, recovery, encryption have none. */
const tableSchema = z.object({
  KeySchema: keySchema,
  AttributeDefinitions: z.array(
    z.object({ AttributeName: z.string(), AttributeType: z.enum(['S', 'N', 'B']) }),
  ),
  GlobalSecondaryIndexes: z.array(indexSchema).optional(),
  LocalSecondaryIndexes: z.array(indexSchema).optional(),
});

/** Starts an empty DynamoDB. */
export async function startDynamoDb(): Promise<Listening> {
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  // dynalite throws out of this process what a request's stream reports, and a function killed at its
  // timeout cuts a request off. Without a listener Node keeps the error to itself.
  server.on('request', (request) => request.removeAllListeners('error'));
  return await listenOnLoopback(server);
}

/**
 * Creates the table that a resource declares.
 *
 * @throws LocalCloudError if its properties are not those of a table
 */
export async function createTable(
  client: DynamoDBClient,
  resource: DeployedResource,
): Promise<void> {
  const data = readProperties(resource, tableSchema);
  const { KeySchema, AttributeDefinitions, GlobalSecondaryIndexes, LocalSecondaryIndexes } = data;
  const TableName = resource.identity().ref;
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema,
      AttributeDefinitions,
      GlobalSecondaryIndexes,
      LocalSecondaryIndexes,
    }),
  );
  // Until it is ACTIVE it takes no item.
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { TableName });
}
