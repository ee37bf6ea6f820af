/** What every retry store owes the delivery room (`RetryStore`). */
import { expect, test } from 'vitest';
import type { RetryStore } from '../../../functions/delivery/ports.ts';
import type { PreparedMessage } from '../../../functions/submission/queue-message.ts';
import { minuteMs, noonMs, preparedMessage } from '../port-fixtures.ts';

export interface RetryStoreUnderTest {
  readonly store: RetryStore;
  /** All that waits, in any order. */
  entries(): Promise<
    readonly {
      readonly message: PreparedMessage;
      readonly dueAtMs: number;
      readonly waitingFor?: string;
    }[]
  >;
}

/** @param make An empty store whose clock stands at noon. */
export function retryStoreContract(make: () => Promise<RetryStoreUnderTest>): void {
  const dueAtMs = noonMs + 5 * minuteMs;
  const next = preparedMessage({ attempt: 2 });

  test('keeps the whole queue message of the next attempt', async () => {
    const { store, entries } = await make();
    await store.put(next, dueAtMs);
    expect(await entries()).toEqual([{ message: next, dueAtMs }]);
  });

  test('twice is once', async () => {
    const { store, entries } = await make();
    await store.put(next, dueAtMs);
    await store.put(next, dueAtMs);
    expect(await entries()).toHaveLength(1);
  });

  test.each([
    ['attempts', preparedMessage({ attempt: 3 })],
    ['ids', preparedMessage({ attempt: 2, id: 'm-2' })],
    [
      'domains',
      preparedMessage({ attempt: 2, prepared: { ...next.prepared, domain: 'example.net' } }),
    ],
  ])('keeps %s apart', async (_what, other) => {
    const { store, entries } = await make();
    await store.put(next, dueAtMs);
    await store.put(other, dueAtMs);
    expect(await entries()).toHaveLength(2);
  });

  test('keeps for which domain a message waits', async () => {
    const { store, entries } = await make();
    await store.put(next, dueAtMs, 'example.org');
    expect(await entries()).toEqual([{ message: next, dueAtMs, waitingFor: 'example.org' }]);
  });

  test('an inline body is a bug: it has to be kept first', async () => {
    const { store, entries } = await make();
    const inline = preparedMessage({ attempt: 2, content: { data: 'aGVsbG8=' } });
    await expect(store.put(inline, dueAtMs)).rejects.toThrow(TypeError);
    expect(await entries()).toEqual([]);
  });
}
