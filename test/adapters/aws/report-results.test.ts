/**
 * Where results go: over many partitions, each by its id; and the list of a day's domains, on which a process puts each
 * domain once, as long as it can remember that.
 */
import type { DynamoDBClient, WriteRequest } from '@aws-sdk/client-dynamodb';
import { beforeEach, expect, test } from 'vitest';
import { createListedDomains } from '../../../functions/adapters/aws/listed-domains.ts';
import { createReportResults } from '../../../functions/adapters/aws/report-results.ts';
import type { ResultStore } from '../../../functions/reporting/ports.ts';

/** Domains of one write. */
const portion = 1_000;

let listed: number;
/** Of results, by partition. */
let items: Map<string, number>;
let isDown: boolean;
let store: ResultStore;

beforeEach(() => {
  listed = 0;
  items = new Map();
  isDown = false;
  const send = async ({
    input,
  }: {
    readonly input: { readonly RequestItems: Readonly<Record<string, readonly WriteRequest[]>> };
  }): Promise<object> => {
    if (isDown) {
      throw new Error('down');
    }
    const keys = (input.RequestItems['reports'] ?? []).map(
      ({ PutRequest }) => PutRequest?.Item?.['key']?.S ?? '',
    );
    listed += keys.filter((key) => key.startsWith('domains#')).length;
    for (const key of keys.filter((each) => each.startsWith('results#'))) {
      items.set(key, (items.get(key) ?? 0) + 1);
    }
    return {};
  };
  store = createReportResults({
    client: { send } as unknown as DynamoDBClient,
    tableName: 'reports',
  });
});

/** Writes results of so many domains of a day, and resolves to how many were put on its list. */
async function listedOf(day: string, domains: number): Promise<number> {
  const before = listed;
  for (let start = 0; start < domains; start += portion) {
    await store.write(
      Array.from({ length: portion }, (_, index) => ({
        id: `r${start + index}`,
        day,
        domain: `d${start + index}.example`,
        policies: [],
      })),
    );
  }
  return listed - before;
}

test('a domain that half of all mail goes to heats no partition', async () => {
  for (let index = 0; index < 800; index += 1) {
    await store.write([{ id: `r${index}`, day: '2026-11-23', domain: 'a.example', policies: [] }]);
  }
  expect(items.size).toBe(8);
  expect(Math.max(...items.values())).toBeLessThan(150);
  // A write that is tried again takes its own place.
  const before = new Map(items);
  await store.write([{ id: 'r0', day: '2026-11-23', domain: 'a.example', policies: [] }]);
  expect([...items.keys()]).toEqual([...before.keys()]);
  expect(listed).toBe(1);
});

test('30,000 domains are listed once a day', async () => {
  expect(await listedOf('2026-11-23', 30_000)).toBe(30_000);
  expect(await listedOf('2026-11-23', 30_000)).toBe(0);
  expect(await listedOf('2026-11-24', 1_000)).toBe(1_000);
});

test('beyond what can be remembered the day before is forgotten first', () => {
  const domains = createListedDomains(200);
  const [before, today] = ['2026-11-23', '2026-11-24'];
  const add = (day: string, from: number, to: number): void => {
    for (let index = from; index < to; index += 1) {
      domains.add({ day, domain: `d${index}.example` });
    }
  };
  add(today, 0, 60);
  add(before, 0, 139);
  add(today, 0, 61);
  expect(domains.has({ day: before, domain: 'd0.example' })).toBe(true);
  add(today, 61, 200);
  expect(domains.has({ day: before, domain: 'd0.example' })).toBe(false);
  expect(domains.has({ day: today, domain: 'd0.example' })).toBe(true);
  add(today, 200, 201);
  expect(domains.has({ day: today, domain: 'd0.example' })).toBe(false);
  expect(domains.has({ day: today, domain: 'd200.example' })).toBe(true);
});

test('a list that could not be written is written once more', async () => {
  isDown = true;
  await expect(listedOf('2026-11-23', 1_000)).rejects.toMatchObject({ code: 'store-unavailable' });
  isDown = false;
  expect(await listedOf('2026-11-23', 1_000)).toBe(1_000);
});
