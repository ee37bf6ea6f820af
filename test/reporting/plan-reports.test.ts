/** Planning a day: every domain once, spread over four hours, nothing left out by a planner that was away. */
import { describe, expect, test } from 'vitest';
import { planReports } from '../../functions/reporting/plan-reports.ts';
import { createMemoryReports, type MemoryReports } from './memory-reports.ts';

const day = '2026-11-23';
const midnight = Date.parse('2026-11-24T00:00:00Z');
const minutes = (count: number): number => midnight + count * 60_000;

async function withDomains(count: number): Promise<MemoryReports> {
  const stores = createMemoryReports(50);
  await stores.results.write(
    Array.from({ length: count }, (_, index) => ({
      id: `r${index}`,
      day,
      domain: `d${index}.example`,
      policies: [],
    })),
  );
  return stores;
}

const domainsOf = ({ jobs }: MemoryReports): string[] => jobs.map(({ job }) => job.domain).sort();

test('runs every quarter of an hour plan each domain once, between 00:30 and 04:30', async () => {
  const stores = await withDomains(400);
  const perRun: number[] = [];
  for (let minute = 0; minute < 300; minute += 15) {
    perRun.push(await planReports(stores, minutes(minute)));
  }
  expect(new Set(domainsOf(stores)).size).toBe(400);
  expect(stores.jobs.length).toBe(400);
  expect(perRun.slice(0, 2)).toEqual([0, 0]);
  expect(perRun.slice(18)).toEqual([0, 0]);
  // Evenly enough: of 400 domains in 16 portions none gets a tenth.
  expect(Math.max(...perRun)).toBeLessThan(40);
  expect(Math.max(...stores.jobs.map(({ delaySeconds }) => delaySeconds))).toBeLessThan(900);
});

describe('a planner that was away', () => {
  test.each<[number, string]>([
    [600, 'ten hours'],
    [26 * 60, 'a day and more'],
    [6 * 24 * 60 + 30, 'all but a week'],
  ])('for %i minutes does it all in one run', async (away, _reason) => {
    const stores = await withDomains(100);
    expect(await planReports(stores, minutes(away))).toBe(100);
    expect(await planReports(stores, minutes(away + 15))).toBe(0);
  });

  test('or that ends half-way plans the portion again', async () => {
    const stores = await withDomains(100);
    const failing = {
      ...stores,
      plans: { ...stores.plans, notePlanned: () => Promise.reject(new Error('killed')) },
    };
    await expect(planReports(failing, minutes(600))).rejects.toThrow('killed');
    await planReports(stores, minutes(600));
    expect(new Set(domainsOf(stores)).size).toBe(100);
  });
});

test('two planners at once plan the same, and the jobs are the same', async () => {
  const stores = await withDomains(10);
  await Promise.all([planReports(stores, minutes(600)), planReports(stores, minutes(600))]);
  const [one, two] = [stores.jobs.slice(0, 10), stores.jobs.slice(10)];
  expect(two).toEqual(one);
});
