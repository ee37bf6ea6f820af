/** Received reports on DynamoDB, and their raw form on S3. */
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  createReceivedReports,
  putRawReport,
  readRawReport,
} from '../../../functions/adapters/aws/received-reports.ts';
import { testReceiptStore } from '../../reporting/contracts/receipt-store.ts';
import {
  type LocalDynamoDb,
  type LocalQueuesAndBuckets,
  startDynamoDb,
  startQueuesAndBuckets,
} from './local-aws.ts';

let dynamoDb: LocalDynamoDb;
let aws: LocalQueuesAndBuckets;
beforeAll(async () => {
  dynamoDb = await startDynamoDb();
  aws = await startQueuesAndBuckets();
});
afterAll(async () => {
  await dynamoDb.stop();
  await aws.stop();
});

testReceiptStore(async () =>
  createReceivedReports({
    client: dynamoDb.createClient(),
    tableName: await dynamoDb.createTable('key', 'entry'),
  }),
);

test('a failure is remembered for 13 months after it was seen last', async () => {
  const client = dynamoDb.createClient();
  const tableName = await dynamoDb.createTable('key', 'entry');
  const store = createReceivedReports({ client, tableName });
  for (const day of ['2026-11-23', '2026-12-23', '2026-11-24']) {
    await store.noteFailure({
      domain: 'a.example',
      resultType: 'certificate-expired',
      day,
      id: '1',
    });
  }
  const { Items: items } = await client.send(new ScanCommand({ TableName: tableName }));
  expect(items?.map((item) => [item['lastDay']?.S, Number(item['removeAtSeconds']?.N)])).toEqual([
    ['2026-12-23', Date.parse('2026-12-24T00:00:00Z') / 1_000 + 396 * 86_400],
  ]);
});

test('a raw report is read as it was put, by its size where it is too large, and as gone', async () => {
  await aws.createBucket('raw');
  const bucket = { client: aws.s3, bucket: 'raw' };
  await putRawReport(bucket, 'received/https/1', Buffer.from('12345'));
  expect(await readRawReport(bucket, 'received/https/1', 5)).toEqual(
    new Uint8Array(Buffer.from('12345')),
  );
  expect(await readRawReport(bucket, 'received/https/1', 4)).toEqual({ bytes: 5 });
  expect(await readRawReport(bucket, 'received/https/2', 4)).toBeUndefined();
});
