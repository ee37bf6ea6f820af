import { describe, expect, test } from 'vitest';
import type { DeliveryRow } from '../../functions/delivery/stored-delivery.ts';
import type { StoredMessage } from '../../functions/operating/ports.ts';
import { showSubmission } from '../../functions/submission/show-submission.ts';
import type { WholeMessage } from '../../functions/submission/whole-message.ts';
import { noonMs, preparedMessage, whyRecord } from '../delivery/port-fixtures.ts';

const owner = 'jwt:https://login.example.com:ann';
const times = { submittedAt: '2026-11-24T12:00:00.000Z', expiresAt: '2026-11-29T12:00:00.000Z' };

const whole: WholeMessage = {
  id: 'w',
  mailFrom: 'alice@example.com',
  ...times,
  bytes: 100,
  via: 'http',
  by: owner,
  fingerprint: 'f',
  parts: ['a', 'b'].map((name) => ({
    id: `part-${name}`,
    domain: `${name}.example`,
    demand: 'default',
    demandReason: 'nothing special',
    recipients: [`bob@${name}.example`],
  })),
  queued: true,
};

/** The row of the first part, put off after its second attempt. */
function row(changes: Partial<DeliveryRow> = {}): DeliveryRow {
  const { id: _i, rcptTo: _r, content: _c, attempt: _a, ...envelope } = preparedMessage();
  return {
    id: 'part-a',
    domain: 'a.example',
    attempt: 2,
    state: 'deferred',
    leaseEndMs: noonMs,
    recipients: [
      { address: 'bob@a.example', state: 'pending', status: '4.2.0', diagnostic: 'later' },
    ],
    envelope: { ...envelope, prepared: { ...envelope.prepared, wholeId: 'w' } },
    demand: { demand: 'require', demandReason: 'an operator said so', explicit: true },
    nextDueAtMs: noonMs + 60_000,
    settledAtMs: noonMs,
    why: whyRecord({ id: 'part-a', domain: 'a.example', attempt: 2 }),
    ...changes,
  };
}

function stored(id: string, changes: Partial<StoredMessage> = {}): StoredMessage {
  const nothing = { deliveries: [], advance: [], attempts: [], actions: [], truncated: false };
  return { id, ...nothing, ...changes };
}

function control(...messages: readonly StoredMessage[]) {
  return { readMessage: async (id: string) => messages.find((message) => message.id === id) };
}

const first = whyRecord({ id: 'part-a', domain: 'a.example', attempt: 1 });
const action = {
  id: 'part-a',
  domain: 'a.example',
  action: 'override',
  author: 'arn:x',
  reason: 'r',
  atMs: noonMs,
} as const;
const known = control(
  stored('w', { whole }),
  stored('part-a', { deliveries: [row()], attempts: [first], actions: [action] }),
);

test('the whole: each part as its row says, or as accepted where nobody has begun', async () => {
  const view = await showSubmission('w', { control: known });
  expect(view).toMatchObject({ id: 'w', mailFrom: 'alice@example.com', bytes: 100, ...times });
  expect(view?.deliveries).toMatchObject([
    {
      id: 'part-a',
      state: 'deferred',
      // What holds is the row, not what was accepted.
      demand: 'require',
      demandReason: 'an operator said so',
      attempt: 2,
      nextAttemptAt: '2026-11-24T12:01:00.000Z',
      recipients: [{ address: 'bob@a.example', status: '4.2.0', diagnostic: 'later' }],
      why: [{ attempt: 1 }, { attempt: 2 }],
      actions: [{ action: 'override', author: 'arn:x' }],
    },
    { id: 'part-b', state: 'queued', demand: 'default', attempt: 0, why: [], actions: [] },
  ]);
});

test('a part, which names its whole', async () => {
  expect(await showSubmission('part-a', { control: known })).toMatchObject({
    id: 'part-a',
    wholeId: 'w',
    deliveries: [{ id: 'part-a', why: [{ attempt: 1 }, { attempt: 2 }] }],
  });
});

test('a delivery that is held says so', async () => {
  const held = { author: 'arn:x', reason: 'r', sinceMs: noonMs };
  const view = await showSubmission('part-a', {
    control: control(stored('part-a', { deliveries: [row({ held })] })),
  });
  expect(view?.deliveries[0]?.state).toBe('held');
});

test.each([
  ['held', { held: { author: 'arn:x', reason: 'r', sinceMs: noonMs } }],
  ['cancelled', { cancelled: { author: 'arn:x', reason: 'r', bounce: true } }],
  ['queued', { demand: { demand: 'optional', demandReason: 'arn:x: r', explicit: false } }],
] as const)(
  'of a part that nobody has begun with: %s, as was asked of it',
  async (state, asked) => {
    const about = { ...action, id: 'part-b', domain: 'b.example' };
    const view = await showSubmission('w', {
      control: control(
        stored('w', { whole }),
        stored('part-b', { advance: [{ domain: 'b.example', ...asked }], actions: [about] }),
      ),
    });
    const demand = 'demand' in asked ? 'optional' : 'default';
    const actions = [{ action: 'override', author: 'arn:x' }];
    expect(view?.deliveries[1]).toMatchObject({ id: 'part-b', state, demand, attempt: 0, actions });
  },
);

test('an id of which there is nothing but what operators noted is no message', async () => {
  const held = { author: 'arn:x', reason: 'r', sinceMs: noonMs };
  const noted = control(stored('sqs-1', { advance: [{ domain: 'b.example', held }] }));
  expect(await showSubmission('sqs-1', { control: noted })).toBeUndefined();
});

test('what does not fit into an answer is named', async () => {
  const large = whyRecord({
    decision: { row: 'sts-enforce', outcome: 'deferred', reason: 'x'.repeat(2_500_000) },
  });
  const parts = control(
    stored('w', { whole }),
    stored('part-a', { deliveries: [row({ why: large })] }),
    stored('part-b', { deliveries: [row({ id: 'part-b', domain: 'b.example', why: large })] }),
  );
  const view = await showSubmission('w', { control: parts });
  expect(view?.deliveries.map(({ id }) => id)).toEqual(['part-a']);
  expect(view?.further).toEqual([{ id: 'part-b', domain: 'b.example' }]);
});

describe("others' messages", () => {
  test.each([
    ['w', owner, true, 'his own'],
    ['part-a', owner, true, 'a part of his own'],
    ['w', 'jwt:other', false, "another's"],
    ['part-a', 'jwt:other', false, "a part of another's"],
    ['none', owner, false, 'nobody knows it'],
  ])('%s for %s: %s, %s', async (id, asking, seen) => {
    expect((await showSubmission(id, { control: known, owner: asking })) !== undefined).toBe(seen);
  });

  test('what came by SQS and was not split is of no token', async () => {
    const { wholeId: _, ...prepared } = row().envelope.prepared;
    const alone = row({ envelope: { ...row().envelope, prepared } });
    const only = control(stored('part-a', { deliveries: [alone] }));
    expect(await showSubmission('part-a', { control: only, owner })).toBeUndefined();
    expect(await showSubmission('part-a', { control: only })).toBeDefined();
  });
});
