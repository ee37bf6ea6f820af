/** The books of small runs balance, and those of runs with a bug in them do not. */
import { describe, expect, test } from 'vitest';
import { once } from '../../functions/delivery/once.ts';
import type { DeliveryPorts } from '../../functions/delivery/ports.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { findGrowth } from './backlog.ts';
import type { Spoil } from './functions.ts';
import { simulate } from './simulate.ts';

test('1,500 messages: every recipient has an end, and none is sent what it must not be', async () => {
  const result = await simulate({ messages: 1_500, seed: 20260101 });
  expect(result.violations).toEqual([]);
  const { delivered, bounced, dropped, deadLettered, refused, recipients } = result;
  expect(delivered + bounced + dropped + deadLettered + refused).toBe(recipients);
  // The run had everything in it that can go wrong.
  for (const count of [bounced, dropped, deadLettered, refused, result.killed, result.faults]) {
    expect(count).toBeGreaterThan(0);
  }
});

test('the same seed gives the same books, another one others', async () => {
  const first = await simulate({ messages: 100, seed: 5 });
  const second = await simulate({ messages: 100, seed: 5 });
  const other = await simulate({ messages: 100, seed: 6 });
  expect(second).toEqual(first);
  expect(other.digest).not.toBe(first.digest);
});

test('3,000 messages for a dead domain hold up nobody else', async () => {
  const calm = { messages: 1_000, seed: 3, hours: 26, isCalm: true };
  const without = await simulate(calm);
  const backlogged = await simulate({ ...calm, backlog: 3_000 });
  expect([...without.violations, ...backlogged.violations]).toEqual([]);
  expect(without.delaysSeconds.length).toBeGreaterThan(1_000);
  expect(backlogged.delaysSeconds.length).toBe(without.delaysSeconds.length);
  expect(findGrowth(without.delaysSeconds, backlogged.delaysSeconds)).toEqual([]);
});

test.each([
  ['nothing changed', [1, 2, 3], [1, 2, 3], 0],
  ['within what is allowed', [10, 10, 10], [11.9, 11.9, 11.9], 0],
  ['beyond it, for all', [10, 10, 10], [13, 13, 13], 3],
  ['beyond it, for the last', Array(100).fill(1), [...Array(98).fill(1), 60, 60], 1],
])('growth of delays: %s', (_what, without, backlogged, count) => {
  expect(findGrowth(without, backlogged)).toHaveLength(count);
});

/** One port of delivery changed. */
function change<K extends keyof DeliveryPorts>(
  name: K,
  spoil: (port: DeliveryPorts[K]) => DeliveryPorts[K],
): Spoil {
  return { delivery: (ports) => ({ ...ports, [name]: spoil(ports[name]) }) };
}

/** What every function goes by of what operators decided at run time, changed. */
function controls(spoil: NonNullable<Spoil['controls']>): Spoil {
  return { controls: spoil };
}

/** What operators act on the queue with, changed. */
function operating(spoil: NonNullable<Spoil['operating']>): Spoil {
  return { operating: spoil };
}

/** What a submission is taken in with, changed. */
function submission(spoil: NonNullable<Spoil['submission']>): Spoil {
  return { submission: spoil };
}

/** Gives a key another name each time. */
function renamed(): (key: string) => string {
  let count = 0;
  return (key) => `${key} ${++count}`;
}

/** Some bugs show only where a function dies at one moment of many: not every world has that. */
async function findViolations(spoil: Spoil, requests: number): Promise<string> {
  for (let seed = 20260102; seed < 20260108; seed += 1) {
    const { violations } = await simulate({
      messages: 600,
      seed,
      spoil,
      deaths: 0.1,
      duplicates: 0.2,
      requests,
      untilViolation: true,
      withoutReconciling: true,
    });
    if (violations.length > 0) {
      return violations.join('\n');
    }
  }
  return '';
}

describe('a simulation that finds nothing is worth nothing: it finds', () => {
  test.each<[string, Spoil, RegExp]>([
    [
      'channels that are opened as if nothing were asked of them',
      change(
        'openChannel',
        (open) =>
          ({ dane: _dane, ...target }, deadlineMs) =>
            open(
              { ...target, tls: target.tls === 'clear' ? 'clear' : 'opportunistic' },
              deadlineMs,
            ),
      ),
      /forbidden channel/,
    ],
    [
      'policies that are not looked at',
      change('discoverPolicy', () => async () => ({ kind: 'absent', reason: 'a bug' })),
      /forbidden channel .*policy p1/,
    ],
    [
      'a TLSA look-up that failed and counts as none',
      change('resolver', (resolver) => ({
        lookup: async (name, type, deadlineMs) => {
          const answer = await resolver.lookup(name, type, deadlineMs);
          return type === 'TLSA' && answer.kind === 'failed'
            ? {
                kind: 'nodata',
                status: 'secure',
                canonicalName: name,
                aliases: [],
                ttlSeconds: 60,
              }
            : answer;
        },
      })),
      /forbidden channel .*TLSA look-up failed/,
    ],
    [
      'results that are not written down',
      change('messages', (messages) => ({ ...messages, settle: async () => true })),
      /second copy|not ended/,
    ],
    [
      'leases that are over at once',
      change('messages', (messages) => ({
        ...messages,
        claim: (request) => messages.claim({ ...request, leaseEndMs: request.nowMs }),
      })),
      /second copy/,
    ],
    [
      'records that are let go while a lease is alive',
      change('messages', (messages) => ({
        ...messages,
        claim: async (request) => {
          const result = await messages.claim(request);
          return result.kind === 'leased' ? { kind: 'done' } : result;
        },
      })),
      /not ended/,
    ],
    [
      'notifications that are not sent',
      change('queue', (queue) => ({
        ...queue,
        enqueue: (messages) => queue.enqueue(messages.filter(({ mailFrom }) => mailFrom !== '')),
      })),
      /failed in silence/,
    ],
    [
      'next attempts that are not kept',
      change('retries', () => ({ put: async () => {} })),
      /not ended/,
    ],
    [
      'bodies that are left in the bucket',
      change('contents', (contents) => ({ ...contents, remove: async () => {} })),
      /was left behind/,
    ],
    [
      'bodies that the first of several readers removes',
      change('messages', (messages) => ({
        ...messages,
        leaveContent: async (content, part) => {
          await messages.leaveContent(content, part);
          return true;
        },
      })),
      /still needs it/,
    ],
    [
      'a demand for REQUIRETLS that is forgotten',
      change('messages', (messages) => ({
        ...messages,
        claim: async (request) => {
          const result = await messages.claim(request);
          return result.kind === 'claimed'
            ? {
                ...result,
                delivery: {
                  ...result.delivery,
                  demand: { ...result.delivery.demand, demand: 'optional' },
                },
              }
            : result;
        },
      })),
      /forbidden channel .*require/,
    ],
    [
      'rules of run time that are not asked',
      controls((read) => async () => ({ ...(await read()), rules: [] })),
      /the row of .* says .* is asked/,
    ],
    [
      'rules that are asked in the wrong order',
      controls((read) => async () => {
        const known = await read();
        return { ...known, rules: known.rules.toReversed() };
      }),
      /the row of .* says .* is asked/,
    ],
    [
      'exceptions that are not obeyed',
      controls((read) => async () => ({ ...(await read()), exceptions: [] })),
      /the row of .* says .* is asked|MAIL with REQUIRETLS/,
    ],
    [
      'controls that are read once and for all',
      controls((read) => once(read)),
      /the row of .* says .* is asked|forbidden channel/,
    ],
    ['mail that is not signed', { signing: () => async () => [] }, /is signed by \[\]/],
    [
      'a signature beside the one that its sender made',
      {
        signing: (sign) => (message, nowMs) =>
          sign(
            {
              ...message,
              fields: message.fields.filter(({ name }) => !/^dkim-signature$/i.test(name)),
            },
            nowMs,
          ),
      },
      /is signed by \[\w+,.*own\]/,
    ],
    [
      'signatures of another body',
      {
        signing: (sign) => (message, nowMs) =>
          sign({ ...message, body: Buffer.from('changed\r\n') }, nowMs),
      },
      /the signatures of message/,
    ],
    [
      'dead letters that are given up, and nobody is told',
      operating((ports) => ({ ...ports, queue: { ...ports.queue, enqueue: async () => {} } })),
      /failed in silence|is not a dead letter/,
    ],
    [
      'waiting messages that are removed before they are sent',
      {
        requeue: (ports) => ({
          ...ports,
          reader: {
            ...ports.reader,
            readBucket: async (bucket, after) => {
              const page = await ports.reader.readBucket(bucket, after);
              await ports.reader.remove(
                page.entries.filter(({ dueAtMs }) => dueAtMs <= ports.now()).map(({ key }) => key),
              );
              return page;
            },
          },
        }),
      },
      /not ended/,
    ],
    [
      'redacted notifications that stay in their record however large they are',
      change('accept', (accept) => async (message, content) => {
        const accepted = await accept(message, content);
        const inlined = { data: Buffer.alloc(20_000, 'x').toString('base64') };
        return accepted.map((part) =>
          part.redacted === undefined ? part : { ...part, redacted: inlined },
        );
      }),
      /not ended|failed in silence|dead letters/,
    ],
    [
      'submissions that are noted as queued before they are',
      submission((context) => ({
        ...context,
        wholes: {
          ...context.wholes,
          keep: async (whole) => {
            const kept = await context.wholes.keep(whole);
            await context.wholes.markQueued(whole.id);
            return kept;
          },
        },
      })),
      /not ended/,
    ],
    [
      'keys of which every request makes another one',
      { key: renamed() },
      /two rows|made two messages/,
    ],
    [
      'messages that are enqueued and then refused',
      submission((context) => ({
        ...context,
        enqueue: async (messages) => {
          await context.enqueue(messages);
          throw new TransportSecurityError('content-invalid', 'a bug');
        },
      })),
      /although it was refused/,
    ],
    [
      'answers without a record',
      submission((context) => ({ ...context, enqueue: async () => {} })),
      /not ended/,
    ],
  ])('%s', async (_what, spoil, complaint) => {
    expect(await findViolations(spoil, 0)).toMatch(complaint);
  });

  test.each<[string, Spoil, RegExp]>([
    [
      'holds that stop nobody',
      change('messages', (messages) => ({
        ...messages,
        claim: (request) => messages.claim({ ...request, evenIfStopped: true }),
      })),
      /sent a message that is held/,
    ],
    [
      'records of held mail that are let go, and nothing else has what is in them',
      change('messages', (messages) => ({ ...messages, park: async () => true })),
      /not ended: its row says undefined/,
    ],
    [
      'cancellations that are noted, and nobody carries them out',
      change('messages', (messages) => ({
        ...messages,
        claim: async (request) => {
          const result = await messages.claim(request);
          return result.kind === 'cancelled' ? { kind: 'done' } : result;
        },
      })),
      /not ended: its row says undefined/,
    ],
    [
      'deeds of an operator that are not noted',
      operating((ports) => ({
        ...ports,
        control: { ...ports.control, noteAction: async () => {} },
      })),
      /that is not noted/,
    ],
    [
      'senders who are told of nothing that is cancelled',
      operating((ports) => ({
        ...ports,
        queue: {
          ...ports.queue,
          enqueue: (messages) =>
            ports.queue.enqueue(
              messages.filter(({ notificationOf }) => notificationOf === undefined),
            ),
        },
      })),
      /failed in silence/,
    ],
    [
      'an override to nothing, whatever was asked for',
      operating((ports) => ({
        ...ports,
        control: {
          ...ports.control,
          override: (key, demand, nowMs) =>
            ports.control.override(key, { ...demand, demand: 'optional', explicit: false }, nowMs),
        },
      })),
      /demands optional now, by nobody's word/,
    ],
  ])('%s, where operators act much', async (_what, spoil, complaint) => {
    expect(await findViolations(spoil, 0.3)).toMatch(complaint);
  });
});
