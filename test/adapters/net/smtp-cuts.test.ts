/**
 * The peer goes away after any octet: of what it says, and of what it was sent. Nobody is told more than is so.
 *
 * `smtp-transactions.test.ts` cuts at each octet of the replies to transactions.
 */
import { describe, expect, test } from 'vitest';
import type { Channel, TlsLevel } from '../../../functions/delivery/channel.ts';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import type { TransactionResult } from '../../../functions/protocol/smtp/transaction.ts';
import { type Cut, cuttingRelay } from './cutting-relay.ts';
import { scriptedServer, standardScript } from './scripted-smtp-server.ts';
import { credential, message, opener, soon, target } from './smtp-fixture.ts';

interface Course {
  readonly capabilities: readonly string[];
  readonly tls: TlsLevel;
  readonly cut: Cut;
}

interface CourseEnd {
  /** Why there was no channel. */
  readonly refused?: unknown;
  readonly isTls?: boolean;
  readonly results: readonly TransactionResult[];
  readonly hasCut: boolean;
  /** Messages that the server got whole and said so, whoever heard it. */
  readonly takenCount: number;
  /** What the server was told of senders and recipients. */
  readonly envelopes: readonly string[];
}

const certificate = await credential();

/** Opens a channel through a relay that cuts it off, and sends two messages. */
async function run({ capabilities, tls, cut }: Course): Promise<CourseEnd> {
  let takenCount = 0;
  const reply = (command: string): undefined => {
    takenCount += command === '.' ? 1 : 0;
  };
  const server = await scriptedServer(
    standardScript({ capabilities, credential: certificate, reply }),
  );
  const relay = await cuttingRelay(server.port, cut);
  const end = await send(relay.port, tls);
  relay.close();
  await server.close();
  const log = server.sessions.flatMap((session) => session.log);
  const envelopes = log.filter((line) => /^(?:MAIL|RCPT) /.test(line));
  return { ...end, hasCut: relay.hasCut, takenCount, envelopes };
}

async function send(
  port: number,
  tls: TlsLevel,
): Promise<Pick<CourseEnd, 'refused' | 'isTls' | 'results'>> {
  let channel: Channel;
  try {
    channel = await opener()(target(port, { tls }), soon());
  } catch (refused) {
    return { refused, results: [] };
  }
  const results = await Promise.all([
    channel.transact(message('one'), soon()),
    channel.transact(message('two'), soon()),
  ]);
  await channel.quit();
  return { results, isTls: channel.tls !== undefined };
}

/** Nothing but what may pass, and what the server may have taken is never said not to have been sent. */
function check({ tls, cut }: Course, end: CourseEnd): void {
  const told = end.results.flatMap(({ contentSent, recipients }) =>
    recipients.map((one) => ({
      contentSent,
      code: one.outcome === 'delivered' ? one.outcome : one.code,
    })),
  );
  const count = (code: string): number => told.filter((one) => one.code === code).length;
  if (end.refused !== undefined) {
    expect(end.refused).toBeInstanceOf(TransportSecurityError);
    expect(['connection-lost', 'tls-handshake-failed']).toContain(codeOf(end));
    expect(end.envelopes).toEqual([]);
  } else {
    expect(end.isTls).toBe(tls !== 'clear');
    expect(told).toHaveLength(2);
  }
  for (const { contentSent, code } of told) {
    const isSent = code === 'delivered' || code === 'in-doubt';
    expect([code, contentSent]).toEqual([
      isSent ? code : 'connection-lost',
      isSent ? 'complete' : 'none',
    ]);
  }
  expect(count('delivered')).toBeLessThanOrEqual(end.takenCount);
  expect(count('delivered') + count('in-doubt')).toBeGreaterThanOrEqual(end.takenCount);
  if (cut.how === 'ended' && cut.of === 'client' && tls === 'clear') {
    // What the server said to what it got came through.
    expect(count('delivered')).toBe(end.takenCount);
  }
  if (!end.hasCut) {
    expect(count('delivered')).toBe(2);
  }
}

function codeOf({ refused }: CourseEnd): unknown {
  return refused instanceof TransportSecurityError ? refused.code : undefined;
}

const phases = ['refused', 'connection-lost', 'in-doubt', 'delivered'] as const;

/** What became of the first message. */
function phaseOf({ results }: CourseEnd): (typeof phases)[number] {
  const [recipient] = results[0]?.recipients ?? [];
  const code = recipient?.outcome === 'delivered' ? recipient.outcome : recipient?.code;
  return phases.find((phase) => phase === code) ?? 'refused';
}

/** Octets of a handshake that are passed over: any of them ends it in the same way. */
const handshakeStep = 7;

/** Cuts after each octet in turn, until there are no more. */
async function cutEverywhere(course: Omit<Course, 'cut'>, cut: Omit<Cut, 'after'>): Promise<void> {
  const seen = new Set<string>();
  for (let after = 0, isWhole = false; !isWhole; ) {
    const one = { ...course, cut: { ...cut, after } };
    const end = await run(one);
    try {
      check(one, end);
    } catch (error) {
      throw new Error(`cut after ${after} octets: ${JSON.stringify(end)}`, { cause: error });
    }
    seen.add(phaseOf(end));
    after += codeOf(end) === 'tls-handshake-failed' ? handshakeStep : 1;
    isWhole = !end.hasCut;
  }
  // Each was cut off, from what was never sent to what was taken. At their borders they may alternate: an ECDSA signature
  // is not of the same length in each handshake.
  expect(seen).toEqual(new Set(phases));
}

const ways = ['aborted', 'ended'] as const;

describe('in the clear', () => {
  test.each([
    ['DATA, pipelined', ['PIPELINING', '8BITMIME']],
    ['BDAT, pipelined', ['PIPELINING', 'CHUNKING', '8BITMIME']],
    ['DATA, one by one', ['8BITMIME']],
    ['BDAT, one by one', ['CHUNKING', '8BITMIME']],
  ])('%s: at every octet of what either says', async (_mode, capabilities) => {
    for (const how of ways) {
      await cutEverywhere({ capabilities, tls: 'clear' }, { of: 'client', how });
      await cutEverywhere({ capabilities, tls: 'clear' }, { of: 'peer', how });
    }
  });
});

describe('under TLS', () => {
  test.each<[TlsLevel, Cut['of'], Cut['how'], string]>([
    ['pkix', 'client', 'aborted', 'also in the middle of records'],
    ['pkix', 'client', 'ended', 'without a close_notify alert'],
    ['pkix', 'peer', 'aborted', 'also in the replies to STARTTLS and the second EHLO'],
    ['opportunistic', 'peer', 'ended', 'and what was begun under TLS does not go on without'],
  ])('%s: at every octet of what the %s says, %s (%s)', async (tls, of, how) => {
    await cutEverywhere({ capabilities: ['PIPELINING', 'STARTTLS'], tls }, { of, how });
  });
});
