/** Results and reports on DynamoDB: what is written is read again, once, whoever else writes. */
import { randomBytes } from 'node:crypto';
import { PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createReportResults } from '../../../functions/adapters/aws/report-results.ts';
import { createReportStates } from '../../../functions/adapters/aws/report-states.ts';
import { createReportSuppressions } from '../../../functions/adapters/aws/report-suppressions.ts';
import type {
  FrozenReport,
  PlanStore,
  RecordedResults,
  ReportStore,
  ResultReader,
  ResultStore,
} from '../../../functions/reporting/ports.ts';
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

let tableName: string;
let states: ReportStore & PlanStore;
beforeEach(async () => {
  tableName = await dynamoDb.createTable('key', 'entry');
  const bucket = `reports-${tableName}`;
  await aws.createBucket(bucket);
  states = createReportStates({
    client: dynamoDb.createClient(),
    tableName,
    s3: aws.s3,
    bucket,
  });
});

/** A process of its own. */
const process = (): ResultStore & ResultReader =>
  createReportResults({ client: dynamoDb.createClient(), tableName });

const result = (over: Partial<RecordedResults> = {}): RecordedResults => ({
  id: 'r1',
  day: '2026-11-23',
  domain: 'a.example',
  record: 'v=TLSRPTv1; rua=mailto:r@a.example',
  policies: [
    {
      policy: { type: 'sts', domain: 'a.example', strings: ['mode: enforce'], mxHosts: ['mx'] },
      successes: 1,
      failures: 1,
      details: [{ failure: { resultType: 'certificate-expired' }, sessions: 1 }],
    },
  ],
  ...over,
});

async function collect<T>(portions: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const portion of portions) {
    all.push(...portion);
  }
  return all;
}

describe('results', () => {
  test('of several processes are all found, under their day and domain', async () => {
    const { record: _record, ...unknown } = result({ id: 'r3' });
    await process().write([result(), result({ id: 'r2', domain: 'b.example' })]);
    await process().write([unknown, result({ id: 'r4', day: '2026-11-24' })]);
    const reader = process();
    expect((await collect(reader.domainsOf('2026-11-23'))).sort()).toEqual([
      'a.example',
      'b.example',
    ]);
    const found = await collect(reader.resultsOf('2026-11-23', 'a.example'));
    expect(found).toEqual(expect.arrayContaining([result(), unknown]));
    expect(found.length).toBe(2);
  });

  test('written twice count once', async () => {
    const one = process();
    await one.write([result()]);
    await process().write([result()]);
    expect((await collect(one.resultsOf('2026-11-23', 'a.example'))).length).toBe(1);
    expect(await collect(one.domainsOf('2026-11-23'))).toEqual(['a.example']);
  });

  test('of a thousand domains are all listed', async () => {
    const domains = Array.from({ length: 1_000 }, (_, index) => `d${index}.example`);
    const one = process();
    await one.write(
      domains.map((domain, index) => result({ id: `r${index}`, domain, policies: [] })),
    );
    expect((await collect(one.domainsOf('2026-11-23'))).sort()).toEqual(domains.sort());
  });

  test('are compressed where they are large, which those of one batch are not', async () => {
    const [small] = result().policies;
    const lines = Array.from({ length: 100 }, (_, index) => `mx: mx${index}.a.example`);
    const large = small && { ...small, policy: { ...small.policy, strings: lines } };
    const written = [
      result(),
      result({ id: 'r2', policies: [large ?? expect.fail('there is no policy')] }),
    ];
    await process().write(written);
    const { Items: items = [] } = await dynamoDb
      .createClient()
      .send(
        new ScanCommand({ TableName: tableName, FilterExpression: 'attribute_exists(policies)' }),
      );
    expect(items.map((item) => [item['entry']?.S, Object.keys(item['policies'] ?? {})])).toEqual(
      expect.arrayContaining([
        ['r1', ['S']],
        ['r2', ['B']],
      ]),
    );
    const found = await collect(process().resultsOf('2026-11-23', 'a.example'));
    expect(found).toEqual(expect.arrayContaining(written));
  });

  test('that no item has room for are kept without particulars, and cost no other', async () => {
    const [small] = result().policies;
    const large = Array.from({ length: 50 }, (_, index) => ({
      policy: {
        type: 'sts' as const,
        domain: 'a.example',
        strings: [randomBytes(8_000).toString('base64')],
        mxHosts: [`mx${index}`],
      },
      successes: 2,
      failures: 1,
      details: [
        {
          failure: { resultType: 'certificate-expired' as const, failureReasonCode: `${index}` },
          sessions: 1,
        },
      ],
    }));
    const other = result({ id: 'r2', domain: 'b.example' });
    await process().write([result({ policies: large }), other]);
    expect(await collect(process().resultsOf('2026-11-23', 'b.example'))).toEqual([other]);
    const bare = { ...small?.policy, strings: [], mxHosts: [] };
    const details = [{ failure: { resultType: 'certificate-expired' }, sessions: 50 }];
    expect(await collect(process().resultsOf('2026-11-23', 'a.example'))).toEqual([
      { ...result(), policies: [{ policy: bare, successes: 100, failures: 50, details }] },
    ]);
  });

  test('that are damaged are an error that names their domain', async () => {
    await process().write([result()]);
    const client = dynamoDb.createClient();
    const { Items: items = [] } = await client.send(new ScanCommand({ TableName: tableName }));
    const written = items.find((item) => item['policies'] !== undefined);
    const Item = { ...written, policies: { S: '[{' } };
    await client.send(new PutItemCommand({ TableName: tableName, Item }));
    await expect(collect(process().resultsOf('2026-11-23', 'a.example'))).rejects.toThrow(
      'results of a.example are not as written',
    );
  });
});

const report = (over: Partial<FrozenReport> = {}): FrozenReport => ({
  day: '2026-11-23',
  domain: 'a.example',
  parts: [{ reportId: '1@sender.example', gzip: Buffer.from([1, 2, 3]) }],
  frozenAtMs: 1_000,
  destinations: [{ uri: 'mailto:r@a.example', state: 'pending', attempts: 0 }],
  ...over,
});

describe('a report', () => {
  test('is as it was frozen first, whatever comes later', async () => {
    expect(await states.read('2026-11-23', 'a.example')).toBeUndefined();
    await states.freeze(report());
    const late = report({ parts: [{ reportId: '2@sender.example', gzip: Buffer.from([9]) }] });
    expect(await states.freeze(late)).toEqual(report());
    expect(await states.read('2026-11-23', 'a.example')).toEqual(report());
  });

  test('too large for an item is kept in the bucket', async () => {
    const gzip = randomBytes(600_000);
    const large = report({
      parts: [
        { reportId: '1@sender.example', gzip },
        { reportId: '2@sender.example', gzip: randomBytes(10) },
      ],
    });
    await states.freeze(large);
    const read = await states.read('2026-11-23', 'a.example');
    expect(read?.parts.map((part) => Buffer.from(part.gzip))).toEqual(
      large.parts.map((part) => part.gzip),
    );
  });

  test('is sent by one at a time', async () => {
    expect(await states.claim('2026-11-23', 'a.example', 5_000, 1_000)).toBeUndefined();
    await states.freeze(report());
    expect(await states.claim('2026-11-23', 'a.example', 5_000, 1_000)).toBeDefined();
    expect(await states.claim('2026-11-23', 'a.example', 9_000, 4_999)).toBeUndefined();
    expect(await states.claim('2026-11-23', 'a.example', 9_000, 5_000)).toBeDefined();
    const destinations = [
      {
        uri: 'mailto:r@a.example',
        state: 'failed' as const,
        attempts: 3,
        split: true,
        detail: '552',
      },
    ];
    await states.settle('2026-11-23', 'a.example', destinations, 6_000);
    expect(await states.read('2026-11-23', 'a.example')).toEqual(report({ destinations }));
    expect(await states.claim('2026-11-23', 'a.example', 9_000, 6_001)).toBeDefined();
  });
});

describe('suppressions', () => {
  const suppression = {
    uri: 'mailto:r@a.example',
    reason: 'ticket 4711',
    author: 'jo',
    expires: '2026-12-01T00:00:00Z',
    addedAtMs: 1_000,
  };

  test('are one for each destination, until they are removed', async () => {
    const store = createReportSuppressions({ client: dynamoDb.createClient(), tableName });
    const long = { ...suppression, uri: `https://a.example/${'x'.repeat(1_900)}` };
    await store.put(suppression);
    await store.put(long);
    await store.put({ ...suppression, reason: 'ticket 4712' });
    const listed = await store.list();
    expect(listed).toHaveLength(2);
    expect(listed).toEqual(
      expect.arrayContaining([{ ...suppression, reason: 'ticket 4712' }, long]),
    );
    expect(await store.remove(suppression.uri)).toBe(true);
    expect(await store.remove(suppression.uri)).toBe(false);
    expect(await store.list()).toEqual([long]);
  });

  test.each([
    ['2026-11-30T00:00:00Z', 'ticket 4711', 'one that ends later stays'],
    ['2026-12-01T01:00:00+02:00', 'ticket 4711', 'however its time is written'],
    ['2026-12-01T00:00:01Z', 'bounce', 'one that ends earlier goes'],
  ])('are extended to %s: %s, %s', async (expires, reason, _why) => {
    const store = createReportSuppressions({ client: dynamoDb.createClient(), tableName });
    await store.extend(suppression);
    await store.extend({ ...suppression, reason: 'bounce', expires });
    expect(await store.list()).toMatchObject([{ reason }]);
  });
});

test('the planning of a day goes forward only', async () => {
  expect(await states.plannedPortion('2026-11-23')).toBe(-1);
  await states.notePlanned('2026-11-23', 3);
  await states.notePlanned('2026-11-23', 2);
  expect(await states.plannedPortion('2026-11-23')).toBe(3);
  expect(await states.plannedPortion('2026-11-24')).toBe(-1);
});
