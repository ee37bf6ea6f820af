/**
 * How many calls of AWS a message costs, by kind: counted at the clients of the SDK, which the simulation's stores answer.
 * Ten messages in one batch, for one domain, in one process that knows the domain's policy. The event source mapping
 * itself receives a batch by one call and deletes it by one.
 */
import { deliverySettings } from '../delivery-settings.ts';
import { createChance } from '../simulation/chance.ts';
import { createVirtualClock } from '../simulation/clock.ts';
import { createCloud } from '../simulation/cloud.ts';
import { makeQuietDomain } from '../simulation/domains.ts';
import { createDelivery } from '../simulation/functions.ts';
import { createNetwork } from '../simulation/network.ts';
import { createProcess } from '../simulation/process.ts';
import type { Measurement } from './report.ts';

const batch = 10;

export async function measureCalls(): Promise<readonly Measurement[]> {
  return [
    ...(await count('a plain delivery', { isGreylisting: false })),
    ...(await count('one deferred attempt', { isGreylisting: true })),
  ];
}

async function count(
  what: string,
  { isGreylisting }: { readonly isGreylisting: boolean },
): Promise<Measurement[]> {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const chance = createChance(1);
  const complain = (what: string): never => {
    throw new Error(what);
  };
  const cloud = createCloud({ clock, chance }, { arrived: () => {}, complain });
  const { domain, host } = makeQuietDomain('quiet.test', clock.now(), isGreylisting);
  const network = createNetwork({
    clock,
    chance,
    domains: new Map([[domain.name, domain]]),
    hosts: new Map([[host.name, host]]),
    arrived: () => {},
    isUnknown: () => false,
  });
  const deliver = createDelivery(
    {
      cloud,
      weather: { chance, failing: () => 0 },
      network,
      chance,
      settings: deliverySettings,
      observe: () => {},
      spoil: {},
    },
    createProcess({ clock, chance }),
  );
  const run = async (first: number): Promise<void> => {
    let isDone = false;
    const kept = deliver(Array.from({ length: batch }, (_, index) => record(first + index)));
    void kept.then(() => {
      isDone = true;
    });
    while (!isDone) {
      await clock.run();
    }
    if ((await kept).length > 0) {
      throw new Error(`${what}: records were kept`);
    }
  };
  // The first batch pays for what the process then knows.
  await run(0);
  cloud.calls.clear();
  await run(batch);
  return [
    ...[...cloud.calls].sort().map(([name, calls]) => ({
      what: `${what}: ${name.replace(/Command$/, '')}`,
      value: calls / batch,
      unit: 'calls a message',
    })),
    ...sums(cloud.calls).map(({ name, calls, note }) => ({
      what: `${what}: ${name}`,
      value: calls / batch,
      unit: 'calls a message',
      ...(!isGreylisting && note !== undefined && { note }),
    })),
  ];
}

/** Those that are paid for, with what is aimed at for a plain delivery. */
function sums(
  calls: ReadonlyMap<string, number>,
): readonly { readonly name: string; readonly calls: number; readonly note?: string }[] {
  const of = (kind: RegExp): number =>
    [...calls].reduce((sum, [name, count]) => sum + (kind.test(name) ? count : 0), 0);
  return [
    {
      name: 'DynamoDB, writes in all',
      calls: of(/^(?:Put|Update|Delete|BatchWrite)Item/),
      note: 'aim: 2 at most',
    },
    { name: 'S3 in all', calls: of(/Object/), note: 'aim: 0' },
    { name: 'SQS, receiving by the event source', calls: 1 },
    { name: 'SQS, deleting by the event source', calls: 1 },
  ];
}

function record(number: number) {
  return {
    messageId: `sqs${number}`,
    receiptHandle: `sqs${number}`,
    sentAtMs: Date.UTC(2026, 0, 1),
    body: JSON.stringify({
      id: `m${number}`,
      mailFrom: `s${number}@sender.test`,
      rcptTo: [{ address: `r${number}.0@quiet.test` }],
      content: {
        data: Buffer.from(
          `From: <s${number}@sender.test>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <${number}@sender.test>\r\n\r\nhi\r\n`,
        ).toString('base64'),
      },
    }),
  };
}
