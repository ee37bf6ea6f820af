import { describe, expect, test } from 'vitest';
import type { ClaimResult, DeliveryPorts } from '../../functions/delivery/ports.ts';
import { createHarness, type Harness, record } from './harness.ts';

const domain = 'rcpt.example';
const idOf = ({ body }: { body: string }): string => JSON.parse(body).id;

/** Changes what the next claim comes to. */
function alterClaim(harness: Harness, alter: (result: ClaimResult) => ClaimResult): void {
  const { messages } = harness.stores;
  let isNext = true;
  const claim: DeliveryPorts['messages']['claim'] = async (request) => {
    const result = await messages.claim(request);
    const altered = isNext ? alter(result) : result;
    isNext = false;
    return altered;
  };
  Object.assign(harness.parts.ports, { messages: { ...messages, claim } });
}

test('the record of a delivery that is held is let go: its release makes another', async () => {
  const harness = createHarness();
  alterClaim(harness, () => ({ kind: 'held', isKept: true }));
  expect(await harness.deliver(record())).toEqual([]);
  expect(harness.sent).toEqual([]);
  expect(harness.stores.sent).toEqual([]);
  expect(harness.stores.hidden).toEqual([]);
});

describe('a record whose demand is not the one of its row', () => {
  const overridden = {
    demand: 'default',
    demandReason: 'by bob: urgent',
    explicit: false,
  } as const;
  const override = (harness: Harness): void =>
    alterClaim(harness, (result) =>
      result.kind === 'claimed'
        ? { ...result, delivery: { ...result.delivery, demand: overridden } }
        : result,
    );

  test('is replaced by one with the demand of the row, which then goes by it', async () => {
    const harness = createHarness();
    override(harness);
    const one = record({ requireTls: true });
    expect(await harness.deliver(one)).toEqual([]);
    expect(harness.sent).toEqual([]);
    const [corrected] = harness.stores.sent;
    expect(corrected).toMatchObject({ id: idOf(one), attempt: 1, prepared: overridden });
    // Its claim was freed, so that the copy need not wait for a lease.
    override(harness);
    await harness.deliver(record({}, { body: JSON.stringify(corrected) }));
    expect(harness.sent).toMatchObject([{ transaction: { requireTls: false } }]);
    const row = await harness.stores.messages.readDelivery(idOf(one), domain);
    expect(row?.why?.demand).toEqual({ level: 'default', reason: overridden.demandReason });
  });

  test('stays in the queue where the other could not be enqueued', async () => {
    const harness = createHarness();
    override(harness);
    harness.stores.fail('enqueue', 'before');
    const one = record({ requireTls: true });
    expect(await harness.deliver(one)).toEqual([one.messageId]);
    expect(harness.sent).toEqual([]);
  });
});
