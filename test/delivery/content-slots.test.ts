import { describe, expect, test } from 'vitest';
import { createContentSlots } from '../../functions/delivery/content-slots.ts';
import { createHarness, mxOf, record } from './harness.ts';

describe('content slots', () => {
  test('no more are taken than there are, and who waits comes next', async () => {
    const take = createContentSlots(2);
    const order: string[] = [];
    const free = await Promise.all([take(), take()]);
    const third = take().then((freeThird) => {
      order.push('third');
      return freeThird;
    });
    await Promise.resolve();
    expect(order).toEqual([]);
    free[0]?.();
    (await third)();
    expect(order).toEqual(['third']);
  });

  test('freed twice is freed once', async () => {
    const take = createContentSlots(1);
    const free = await take();
    free();
    free();
    await take();
    let second = false;
    void take().then(() => {
      second = true;
    });
    await Promise.resolve();
    expect(second).toBe(false);
  });
});

test('a batch holds at most four bodies from the bucket, and all of it is delivered', async () => {
  const harness = createHarness();
  const content = await harness.stores.contents.keep(
    'big',
    Buffer.from('Subject: x\r\n\r\nhi\r\n'),
  );
  let reads = 0;
  let held = 0;
  let heldMax = 0;
  harness.stores.intercept(({ operation, phase }) => {
    // The first ten reads are prepare's, which lets go at once; the others last until the row is settled.
    if (operation === 'read') {
      reads += phase === 'before' ? 1 : 0;
      held += phase === 'before' ? 1 : reads <= 10 ? -1 : 0;
    } else if (operation === 'settle' && phase === 'after') {
      held -= 1;
    }
    heldMax = Math.max(heldMax, held);
  });
  const domains = Array.from({ length: 10 }, (_, index) => `rcpt${index}.example`);
  const batch = domains.map((domain) => record({ content, rcptTo: [{ address: `a@${domain}` }] }));
  expect(await harness.deliver(...batch)).toEqual([]);
  expect(harness.sent).toHaveLength(10);
  expect(reads).toBe(20);
  expect(heldMax).toBe(4);
});

test('a message that waits for a connection holds no slot: who has the connection gets one', async () => {
  const harness = createHarness();
  const content = await harness.stores.contents.keep(
    'big',
    Buffer.from('Subject: x\r\n\r\nhi\r\n'),
  );
  // Six domains at one host that takes two connections at a time, and more messages than there are slots.
  const domains = Array.from({ length: 6 }, (_, index) => `rcpt${index}.example`);
  for (const domain of domains) {
    harness.mx.set(domain, mxOf('mx.shared.example'));
  }
  let reads = 0;
  harness.stores.intercept(async ({ operation, phase }) => {
    // What prepare and sending read takes longer than everything else.
    if (operation === 'read' && phase === 'before') {
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const batch = domains.flatMap((domain) =>
    Array.from({ length: 3 }, () => record({ content, rcptTo: [{ address: `a@${domain}` }] })),
  );
  expect(await harness.deliver(...batch)).toEqual([]);
  expect(harness.sent).toHaveLength(18);
  expect(reads).toBe(36);
});
