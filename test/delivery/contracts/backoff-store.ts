/** What every store of back-offs owes the delivery room (`BackoffStore`) and requeuing (`BackoffList`). */
import { describe, expect, test } from 'vitest';
import type { BackoffStore } from '../../../functions/delivery/ports.ts';
import type { BackoffList } from '../../../functions/delivery/requeue-ports.ts';
import { minuteMs, noonMs } from '../port-fixtures.ts';

const domain = 'example.org';
const probeAtMs = noonMs + 5 * minuteMs;
const leaseEndMs = probeAtMs + 20 * minuteMs;

/** @param make An empty store. */
export function backoffStoreContract(make: () => Promise<BackoffStore & BackoffList>): void {
  describe('a domain', () => {
    test('of which nobody complained does not back off', async () => {
      const store = await make();
      expect(await store.read(domain)).toBeUndefined();
      expect(await store.takeProbe(domain, leaseEndMs, noonMs)).toBe(false);
      await store.recover(domain);
      expect(await store.read(domain)).toBeUndefined();
      expect(await store.list()).toEqual([]);
    });

    test('backs off from its first connection failure', async () => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      expect(await store.read(domain)).toEqual({
        domain,
        sinceMs: noonMs,
        failures: 1,
        nextProbeAtMs: probeAtMs,
        probeUntilMs: 0,
      });
      expect(await store.read('example.net')).toBeUndefined();
    });

    test('of many failures at once one counts', async () => {
      const store = await make();
      await Promise.all(
        Array.from({ length: 10 }, (_, n) => store.prolong(domain, probeAtMs + n, noonMs)),
      );
      expect(await store.read(domain)).toMatchObject({ failures: 1 });
      const { nextProbeAtMs = 0 } = (await store.read(domain)) ?? {};
      await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          store.prolong(domain, nextProbeAtMs + minuteMs + n, nextProbeAtMs),
        ),
      );
      expect(await store.read(domain)).toMatchObject({ failures: 2, sinceMs: noonMs });
    });

    test('that recovered backs off no more; what it was stays listed', async () => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      await store.recover(domain);
      expect(await store.read(domain)).toBeUndefined();
      expect(await store.takeProbe(domain, leaseEndMs, probeAtMs)).toBe(false);
      expect(await store.list()).toMatchObject([{ domain, recovered: true }]);
    });

    test('that is lost again begins anew', async () => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      await store.prolong(domain, probeAtMs + minuteMs, probeAtMs);
      await store.recover(domain);
      await store.prolong(domain, leaseEndMs + minuteMs, leaseEndMs);
      expect(await store.read(domain)).toMatchObject({ sinceMs: leaseEndMs, failures: 1 });
      expect(await store.list()).toMatchObject([{ domain, recovered: false }]);
    });
  });

  describe('the probe', () => {
    test.each([
      [probeAtMs - 1, false, 'not due yet'],
      [probeAtMs, true, 'due'],
    ])('at %i: %s, %s', async (nowMs, expected) => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      expect(await store.takeProbe(domain, leaseEndMs, nowMs)).toBe(expected);
    });

    test('is one of many that ask for it, until its lease is over', async () => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      const taken = await Promise.all(
        Array.from({ length: 10 }, () => store.takeProbe(domain, leaseEndMs, probeAtMs)),
      );
      expect(taken.filter(Boolean)).toHaveLength(1);
      expect(await store.read(domain)).toMatchObject({ probeUntilMs: leaseEndMs });
      expect(await store.takeProbe(domain, leaseEndMs + 1, leaseEndMs - 1)).toBe(false);
      expect(await store.takeProbe(domain, leaseEndMs + 1, leaseEndMs)).toBe(true);
    });

    test('that fails is over, and counts', async () => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      await store.takeProbe(domain, leaseEndMs, probeAtMs);
      await store.prolong(domain, leaseEndMs, probeAtMs + minuteMs);
      expect(await store.read(domain)).toEqual({
        domain,
        sinceMs: noonMs,
        failures: 2,
        nextProbeAtMs: leaseEndMs,
        probeUntilMs: 0,
      });
    });
  });

  describe('the list', () => {
    test('has every domain, with what reading has of it', async () => {
      const store = await make();
      const domains = Array.from({ length: 30 }, (_, n) => `d${n}.example`);
      for (const each of domains) {
        await store.prolong(each, probeAtMs, noonMs);
      }
      const states = await store.list();
      expect(states.map((state) => state.domain).sort()).toEqual([...domains].sort());
      expect(states[0]).toMatchObject({ failures: 1, nextProbeAtMs: probeAtMs, recovered: false });
    });

    test('forgets what it is told to', async () => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      await store.prolong('example.net', probeAtMs, noonMs);
      const [state] = (await store.list()).filter((each) => each.domain === domain);
      if (state === undefined) {
        throw new Error('not listed');
      }
      await store.forget(state);
      await store.forget(state);
      expect(await store.list()).toMatchObject([{ domain: 'example.net' }]);
    });

    test.each<[string, (store: BackoffStore) => Promise<unknown>]>([
      ['prolonged', (store) => store.prolong(domain, leaseEndMs, probeAtMs)],
      ['probed', (store) => store.takeProbe(domain, leaseEndMs, probeAtMs)],
      ['recovered', (store) => store.recover(domain)],
    ])('does not forget what was %s meanwhile', async (_what, change) => {
      const store = await make();
      await store.prolong(domain, probeAtMs, noonMs);
      const [state] = await store.list();
      await change(store);
      if (state !== undefined) {
        await store.forget(state);
      }
      expect(await store.list()).toHaveLength(1);
    });
  });
}
