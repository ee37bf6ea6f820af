/** What every reader of waiting messages owes to requeuing (`RetryReader`). */
import { describe, expect, test } from 'vitest';
import type { RetryStore } from '../../../functions/delivery/ports.ts';
import type {
  RetryBucket,
  RetryCursor,
  RetryEntry,
  RetryReader,
} from '../../../functions/delivery/requeue-ports.ts';
import { minuteMs, noonMs, preparedMessage } from '../port-fixtures.ts';

export interface RetryReaderUnderTest {
  readonly store: RetryStore;
  readonly reader: RetryReader;
}

const domain = 'example.org';

/** Attempt 2 of a message that was submitted `n` seconds after noon. */
function nth(n: number): ReturnType<typeof preparedMessage> {
  const submittedAt = new Date(noonMs + n * 1_000).toISOString();
  return preparedMessage({ id: `m-${n}`, attempt: 2, submittedAt });
}

/** @param make An empty store whose clock stands at noon. */
export function retryReaderContract(make: () => Promise<RetryReaderUnderTest>): void {
  async function readAll(reader: RetryReader, bucket: RetryBucket): Promise<RetryEntry[]> {
    const entries: RetryEntry[] = [];
    let after: RetryCursor | undefined;
    do {
      const page = await reader.readBucket(bucket, after);
      entries.push(...page.entries);
      after = page.next;
    } while (after !== undefined);
    return entries;
  }

  async function readFrom(
    reader: RetryReader,
    fromMs: number,
    toMs: number,
  ): Promise<RetryEntry[]> {
    const all = await Promise.all(
      [...reader.buckets(fromMs, toMs)].map((bucket) => readAll(reader, bucket)),
    );
    return all.flat();
  }

  describe('buckets', () => {
    test('come oldest first, from minute to minute, both included', async () => {
      const { reader } = await make();
      const starts = [...reader.buckets(noonMs, noonMs + 2 * minuteMs)].map(
        ({ startMs }) => startMs,
      );
      expect([...new Set(starts)]).toEqual([noonMs, noonMs + minuteMs, noonMs + 2 * minuteMs]);
      expect(starts).toEqual([...starts].sort());
    });

    test.each([
      [1, minuteMs - 1, 0, 'no minute begins between them'],
      [1, minuteMs, 1, 'one begins at the end'],
      [0, 0, 1, 'one begins at that moment'],
      [minuteMs, 0, 0, 'the other way round'],
    ])('from noon + %i ms to noon + %i ms: %i minutes, %s', async (fromMs, toMs, minutes) => {
      const { reader } = await make();
      const starts = [...reader.buckets(noonMs + fromMs, noonMs + toMs)].map(
        ({ startMs }) => startMs,
      );
      expect(new Set(starts).size).toBe(minutes);
    });

    test('give back what was put in, once its minute has begun and not before', async () => {
      const { store, reader } = await make();
      const dueAtMs = noonMs + 5 * minuteMs - 1;
      await store.put(nth(1), dueAtMs);
      expect(await readFrom(reader, noonMs, noonMs + 5 * minuteMs - 1)).toEqual([]);
      const [entry, ...more] = await readFrom(reader, noonMs, noonMs + 5 * minuteMs);
      expect(more).toEqual([]);
      expect(entry).toMatchObject({ message: nth(1), dueAtMs });
    });

    test('are read page by page, without a gap or an overlap', async () => {
      const { store, reader } = await make();
      await Promise.all(
        Array.from({ length: 450 }, (_, n) => store.put(nth(n), noonMs + 5 * minuteMs)),
      );
      const entries = await readFrom(reader, noonMs, noonMs + 5 * minuteMs);
      expect(entries).toHaveLength(450);
      expect(new Set(entries.map(({ message }) => message.id)).size).toBe(450);
    });
  });

  describe('what waits for a domain', () => {
    test('is found at once, whenever it is due', async () => {
      const { store, reader } = await make();
      await store.put(nth(1), noonMs + 240 * minuteMs, domain);
      await store.put(nth(2), noonMs + 240 * minuteMs);
      await store.put(nth(3), noonMs + 240 * minuteMs, 'example.net');
      const { entries, stale, damaged } = await reader.readWaiting(domain, 10);
      expect(entries.map(({ message }) => message)).toEqual([nth(1)]);
      expect([...stale, ...damaged]).toEqual([]);
    });

    test.each([1, 16, 200])('%i of many: no more than a page, whoever they are', async (limit) => {
      const { store, reader } = await make();
      for (let n = 0; n < 60; n += 1) {
        await store.put(nth(n), noonMs + 240 * minuteMs, domain);
      }
      const { entries } = await reader.readWaiting(domain, limit);
      expect(entries.length).toBeGreaterThanOrEqual(Math.min(limit, 10));
      expect(entries.length).toBeLessThanOrEqual(Math.min(limit + 15, 60));
    });

    test('is found no more once it is removed, by its list or by its bucket', async () => {
      const { store, reader } = await make();
      await store.put(nth(1), noonMs + 5 * minuteMs, domain);
      await store.put(nth(2), noonMs + 5 * minuteMs, domain);
      const due = await readFrom(reader, noonMs, noonMs + 5 * minuteMs);
      await reader.remove(due.filter(({ message }) => message.id === 'm-1').map(({ key }) => key));
      const waiting = await reader.readWaiting(domain, 10);
      expect(waiting.entries.map(({ message }) => message.id)).toEqual(['m-2']);
      expect(waiting.stale).toEqual([]);
      await reader.remove(waiting.entries.map(({ key }) => key));
      expect(await readFrom(reader, noonMs, noonMs + 5 * minuteMs)).toEqual([]);
      expect(await reader.readWaiting(domain, 10)).toEqual({ entries: [], damaged: [], stale: [] });
    });
  });

  test('to remove what is gone, or nothing, or something twice, does no harm', async () => {
    const { store, reader } = await make();
    await store.put(nth(1), noonMs + 5 * minuteMs, domain);
    const { entries } = await reader.readWaiting(domain, 1);
    const keys = entries.map(({ key }) => key);
    await reader.remove([...keys, ...keys]);
    await reader.remove(keys);
    await reader.remove([]);
    expect((await reader.readWaiting(domain, 1)).entries).toEqual([]);
  });

  test('how far all is sent is remembered, and never goes back', async () => {
    const { reader } = await make();
    expect(await reader.readDrainedMs()).toBeUndefined();
    await reader.writeDrainedMs(noonMs);
    await reader.writeDrainedMs(noonMs - minuteMs);
    expect(await reader.readDrainedMs()).toBe(noonMs);
    await reader.writeDrainedMs(noonMs + minuteMs);
    expect(await reader.readDrainedMs()).toBe(noonMs + minuteMs);
  });
}
