import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ChannelOpenerOptions } from '../../../functions/adapters/net/smtp-channel.ts';
import { createSmtpConnection } from '../../../functions/adapters/net/smtp-connection.ts';
import { defaultSmtpTimeouts } from '../../../functions/adapters/net/smtp-timeouts.ts';
import { createTransactionRunner } from '../../../functions/adapters/net/smtp-transactions.ts';
import type { Channel } from '../../../functions/delivery/channel.ts';
import { processTimers } from '../../../functions/delivery/timers.ts';
import type { FailureCode } from '../../../functions/protocol/errors.ts';
import type {
  ContentSent,
  TransactionResult,
} from '../../../functions/protocol/smtp/transaction.ts';
import {
  type ScriptedServer,
  type ServerSession,
  type StandardOptions,
  scriptedServer,
  standardScript,
} from './scripted-smtp-server.ts';
import { message, opener, soon, target } from './smtp-fixture.ts';

async function serve(
  script: (session: ServerSession, index: number) => Promise<void>,
): Promise<ScriptedServer> {
  const server = await scriptedServer(script);
  onTestFinished(server.close);
  return server;
}

async function open(
  server: ScriptedServer,
  options: Partial<ChannelOpenerOptions> = {},
): Promise<Channel> {
  const now = options.now ?? Date.now;
  const channel = await opener(options)(target(server.port), now() + 660_000);
  onTestFinished(() => channel.quit());
  return channel;
}

/** A channel to a server that keeps to the rules but for what `options` say. */
async function channelTo(
  options: StandardOptions,
  openerOptions: Partial<ChannelOpenerOptions> = {},
): Promise<{ channel: Channel; session: ServerSession }> {
  const server = await serve(standardScript(options));
  const channel = await open(server, openerOptions);
  const [session] = server.sessions;
  if (session === undefined) {
    throw new TypeError('no session');
  }
  return { channel, session };
}

/** A script that says hello with these keywords, and leaves the rest to `then`. */
function afterHello(
  capabilities: readonly string[],
  then: (session: ServerSession) => Promise<void>,
): (session: ServerSession) => Promise<void> {
  return async (session) => {
    session.send('220 mx.test\r\n');
    await session.line();
    session.send(
      `250-mx.test\r\n${capabilities.map((each) => `250-${each}\r\n`).join('')}250 X\r\n`,
    );
    await then(session);
  };
}

function outcomes(result: TransactionResult): unknown[] {
  return result.recipients.map((recipient) =>
    recipient.outcome === 'delivered' ? 'delivered' : recipient.code,
  );
}

const group = 'MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n';
const pipelining = ['PIPELINING', '8BITMIME'];
const chunking = ['PIPELINING', 'CHUNKING', '8BITMIME'];
const modes: [string, string[]][] = [
  ['DATA, pipelined', pipelining],
  ['BDAT, pipelined', chunking],
  ['DATA, one by one', ['8BITMIME']],
  ['BDAT, one by one', ['CHUNKING', '8BITMIME']],
];

describe('groups of commands', () => {
  test('RFC 2920 §3.1: content and the next group in one piece, one round trip a message', async () => {
    const server = await serve(
      afterHello(pipelining, async (session) => {
        const take = async (expected: string): Promise<void> => {
          await session.arrival();
          expect(session.buffered()).toBe(expected);
          await session.octets(expected.length);
        };
        await take(`${group}DATA\r\n`);
        session.send('250 ok\r\n250 ok\r\n354 go\r\n');
        await take(`one\r\n.\r\n${group}DATA\r\n`);
        session.send('250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n');
        await take(`two\r\n.\r\n`);
        session.send('250 taken\r\n');
        await take('QUIT\r\n');
      }),
    );
    const channel = await open(server);
    const results = [
      channel.transact(message('one'), soon()),
      channel.transact(message('two'), soon()),
    ];
    expect((await Promise.all(results)).flatMap(outcomes)).toEqual(['delivered', 'delivered']);
    await channel.quit();
  });

  test('who transacts again as soon as a result is in rides along as well', async () => {
    let pieces = 0;
    const server = await serve(
      afterHello(pipelining, async (session) => {
        session.socket.on('data', () => {
          pieces += 1;
        });
        await standardScript({ capabilities: pipelining, greeting: '' })(session);
      }),
    );
    const channel = await open(server);
    const work = async (): Promise<void> => {
      for (let count = 0; count < 50; count += 1) {
        expect(outcomes(await channel.transact(message('x'), soon()))).toEqual(['delivered']);
      }
    };
    await Promise.all([work(), work()]);
    // One piece for each message and one for the first envelope; TCP may cut or join a few.
    expect(pieces).toBeLessThan(110);
  });

  test('RFC 2920 §3.1: a group leaves at once, with what is before it, since nothing may follow it', async () => {
    const { promise: secondGroup, resolve: tookSecondGroup } = Promise.withResolvers<void>();
    const server = await serve(async (session) => {
      session.send('220 mx.test\r\n');
      for (const expected of [`${group}DATA\r\n`, `one\r\n.\r\n${group}DATA\r\n`]) {
        expect(await session.octets(expected.length)).toBe(expected);
        session.send(
          `${expected.startsWith('one') ? '250 taken\r\n' : ''}250 ok\r\n250 ok\r\n354 go\r\n`,
        );
      }
      tookSecondGroup();
      expect(await session.content()).toBe('two\r\n');
      session.send('250 taken\r\n');
      await session.ended();
    });
    // Until then nothing leaves that waits for the end of an event.
    const soonAfter = (run: () => void): void => void secondGroup.then(run);
    const connection = createSmtpConnection(connect({ host: '127.0.0.1', port: server.port }), {
      peer: 'mx.test',
      now: Date.now,
      timers: { ...processTimers, soon: soonAfter },
    });
    onTestFinished(() => connection.end());
    await connection.request('', { timeoutMs: 1_000, deadlineMs: soon() });
    const runner = createTransactionRunner({
      connection,
      offer: { capabilities: new Map([['PIPELINING', '']]), isEncrypted: false },
      timeouts: defaultSmtpTimeouts,
      finalReplyTimeoutMs: 600_000,
      now: Date.now,
    });
    const results = ['one', 'two'].map((each) => runner.run(message(each), soon()));
    expect((await Promise.all(results)).flatMap(outcomes)).toEqual(['delivered', 'delivered']);
  });

  test('RFC 3030 §2: BDAT waits for the replies to RCPT; RSET, MAIL and RCPT ride behind it', async () => {
    const server = await serve(
      afterHello(chunking, async (session) => {
        const take = async (expected: string): Promise<void> => {
          await session.arrival();
          expect(session.buffered()).toBe(expected);
          await session.octets(expected.length);
        };
        await take(group);
        session.send('250 ok\r\n250 ok\r\n');
        await take(`BDAT 6 LAST\r\n.one\r\nRSET\r\n${group}`);
        session.send('250 taken\r\n250 reset\r\n250 ok\r\n250 ok\r\n');
        await take('BDAT 5 LAST\r\ntwo\r\n');
        session.send('250 taken\r\n');
        await take('QUIT\r\n');
      }),
    );
    const channel = await open(server);
    const results = [
      channel.transact(message('.one'), soon()),
      channel.transact(message('two'), soon()),
    ];
    expect((await Promise.all(results)).flatMap(outcomes)).toEqual(['delivered', 'delivered']);
    await channel.quit();
  });

  test('a transaction that comes while the final reply is awaited does not wait for it', async () => {
    const server = await serve(
      afterHello(pipelining, async (session) => {
        await session.octets(`${group}DATA\r\n`.length);
        session.send('250 ok\r\n250 ok\r\n354 go\r\n');
        await session.content();
        await session.octets(`${group}DATA\r\n`.length);
        session.send('250 first\r\n250 ok\r\n250 ok\r\n354 go\r\n');
        await session.content();
        session.send('250 second\r\n');
        await session.line();
      }),
    );
    const channel = await open(server);
    const first = channel.transact(message('one'), soon());
    while (!server.sessions[0]?.log.includes('one\r\n')) {
      await new Promise(setImmediate);
    }
    const second = channel.transact(message('two'), soon());
    expect(outcomes(await first)).toEqual(['delivered']);
    expect(await second).toMatchObject({ recipients: [{ reply: { lines: ['second'] } }] });
  });

  test.each(modes.slice(2))(
    '%s: a command goes out when the one before is answered',
    async (_mode, capabilities) => {
      const waiting: string[] = [];
      const { channel, session } = await channelTo({
        capabilities,
        reply: (_line, { buffered }) => {
          waiting.push(buffered());
          return undefined;
        },
      });
      const results = [
        channel.transact(message('one', ['b@y.test', 'c@y.test']), soon()),
        channel.transact(message('two'), soon()),
      ];
      expect((await Promise.all(results)).flatMap(outcomes)).toEqual(Array(3).fill('delivered'));
      await channel.quit();
      // Nothing was there when a command had been read.
      expect(waiting.every((text) => text === '')).toBe(true);
      expect(session.log.filter((line) => line.startsWith('RSET'))).toEqual([]);
    },
  );

  test.each(modes)('%s: ten messages over one connection', async (_mode, capabilities) => {
    const { channel, session } = await channelTo({ capabilities });
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) => channel.transact(message(`${index}`), soon())),
    );
    expect(results.flatMap(outcomes)).toEqual(Array(10).fill('delivered'));
    expect(session.log.filter((line) => /^[0-9]\r\n$/.test(line))).toEqual(
      Array.from({ length: 10 }, (_, index) => `${index}\r\n`),
    );
    expect(channel.usable).toBe(true);
  });
});

describe('content on the wire', () => {
  test.each<[string[], string, string]>([
    [pipelining, '.a\n.\r\nb\r.\r\n', '..a\r\n..\r\nb\r\n..\r\n'],
    [chunking, '.a\n.\r\nb\r.\r\n', '.a\r\n.\r\nb\r\n.\r\n'],
    [pipelining, 'a\n.\nMAIL FROM:<evil@x.test>\n', 'a\r\n..\r\nMAIL FROM:<evil@x.test>\r\n'],
    [pipelining, '', ''],
    [chunking, '', ''],
    [pipelining, `x: ${'y'.repeat(70_000)}`, `x: ${'y'.repeat(70_000)}\r\n`],
    [pipelining, 'a\0b', 'a\0b\r\n'],
  ])('%j: %j', async (capabilities, content, wire) => {
    const { channel, session } = await channelTo({ capabilities });
    expect(outcomes(await channel.transact(message(content), soon()))).toEqual(['delivered']);
    const command = session.log.findIndex((line) => /^(DATA|BDAT)/.test(line));
    expect(session.log[command + 1]).toBe(wire);
  });

  test.each(modes)('%s: five megabytes arrive as they are', async (_mode, capabilities) => {
    const { channel, session } = await channelTo({ capabilities });
    const content = Array.from(
      { length: 70_000 },
      (_, line) => `${line} ${'z'.repeat(line % 120)}`,
    ).join('\r\n');
    const result = await channel.transact(message(content), soon());
    expect(outcomes(result)).toEqual(['delivered']);
    expect(session.log.find((entry) => entry.length > 1_000_000) === `${content}\r\n`).toBe(true);
  });

  test('lines with dots about the edge of a block', async () => {
    const { channel, session } = await channelTo({ capabilities: pipelining });
    for (const shift of [-3, -2, -1, 0, 1, 2]) {
      const before = 'x'.repeat(262_144 - 'a: b\r\n\r\n.c\r\n\r\n'.length + shift);
      const content = `a: b\r\n\r\n.c\r\n${before}\r\n.\r\n.d\r\n${'y'.repeat(300_000)}\r\n.\r\n`;
      session.log.length = 0;
      expect(outcomes(await channel.transact(message(content), soon()))).toEqual(['delivered']);
      const wire = session.log.find((entry) => entry.length > 1_000);
      expect(wire === content.replace(/^\./gm, '..')).toBe(true);
    }
  });

  test('nothing gets into the middle of content that takes several blocks', async () => {
    let isWithinContent = false;
    const server = await serve(
      afterHello(pipelining, async (session) => {
        await session.octets(`${group}DATA\r\n`.length);
        session.send('250 ok\r\n250 ok\r\n354 go\r\n');
        await session.octets(10);
        session.socket.pause();
        isWithinContent = true;
        while (channel.usable && isWithinContent) {
          await new Promise(setImmediate);
        }
        session.socket.resume();
        await session.content();
        await session.octets(`${group}DATA\r\n`.length);
        session.send('250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n');
        await session.content();
        session.send('250 taken\r\n');
        await session.line();
      }),
    );
    const channel = await open(server);
    const large = channel.transact(message('x'.repeat(12_000_000)), soon());
    while (!isWithinContent) {
      await new Promise(setImmediate);
    }
    const small = channel.transact(message('small'), soon());
    await new Promise(setImmediate);
    isWithinContent = false;
    expect([await large, await small].flatMap(outcomes)).toEqual(['delivered', 'delivered']);
    const [, , , content, nextGroup, nextContent] = server.sessions[0]?.log ?? [];
    expect(content).toHaveLength(12_000_002 - 10);
    expect([nextGroup, nextContent]).toEqual([`${group}DATA\r\n`, 'small\r\n']);
  });

  test('2,000 recipients, a tenth refused', async () => {
    const { channel } = await channelTo({
      capabilities: pipelining,
      reply: (line) => (/^RCPT TO:<r\d*7@/.test(line) ? '550 5.1.1 no\r\n' : undefined),
    });
    const to = Array.from({ length: 2_000 }, (_, index) => `r${index}@y.test`);
    const result = await channel.transact(message('x', to), soon());
    expect(outcomes(result)).toEqual(
      to.map((address) => (/7@/.test(address) ? 'rejected' : 'delivered')),
    );
  });
});

describe.each(modes)('%s: refusals', (_mode, capabilities) => {
  const isBdat = capabilities.includes('CHUNKING');

  test.each<[string, number, FailureCode, ContentSent]>([
    ['MAIL', 450, 'deferred-by-peer', 'none'],
    ['MAIL', 550, 'rejected', 'none'],
    ['RCPT', 450, 'deferred-by-peer', 'none'],
    ['RCPT', 550, 'rejected', 'none'],
    ['RCPT', 552, 'deferred-by-peer', 'none'],
    ['DATA', 451, 'deferred-by-peer', 'none'],
    ['DATA', 554, 'rejected', 'none'],
    ['.', 452, 'deferred-by-peer', 'complete'],
    ['.', 554, 'rejected', 'complete'],
  ])(
    '%s answered by %i; the next message goes through',
    async (verb, code, failure, contentSent) => {
      if (isBdat && verb === 'DATA') {
        return;
      }
      let isRefused = false;
      const { channel, session } = await channelTo({
        capabilities,
        reply: (line) => {
          if (line.startsWith(verb) && !isRefused) {
            isRefused = true;
            return `${code} x\r\n`;
          }
          return undefined;
        },
      });
      const [refused, next] = await Promise.all([
        channel.transact(message('one'), soon()),
        channel.transact(message('two'), soon()),
      ]);
      expect(refused).toMatchObject({
        recipients: [
          {
            outcome: code < 500 || code === 552 ? 'deferred' : 'failed',
            code: failure,
            reply: { code },
          },
        ],
        contentSent,
        sessionLost: false,
      });
      expect(outcomes(next)).toEqual(['delivered']);
      // A refused MAIL leaves no transaction; an ended one has cleared itself, but for BDAT (RFC 3030 §2).
      const leavesSomething = verb === 'RCPT' || verb === 'DATA' || (verb === '.' && isBdat);
      if (leavesSomething) {
        expect(session.log).toContain('RSET');
      }
    },
  );

  test.each(['MAIL', 'RCPT', 'DATA', '.'])('%s answered by 421 ends the session', async (verb) => {
    if (isBdat && verb === 'DATA') {
      return;
    }
    const { channel, session } = await channelTo({
      capabilities,
      reply: (line) => (line.startsWith(verb) ? '421 4.3.2 closing\r\n' : undefined),
    });
    const [refused, next] = await Promise.all([
      channel.transact(message('one'), soon()),
      channel.transact(message('two'), soon()),
    ]);
    expect(refused).toMatchObject({
      recipients: [{ outcome: 'deferred', code: 'deferred-by-peer', reply: { code: 421 } }],
      contentSent: verb === '.' ? 'complete' : 'none',
      sessionLost: true,
    });
    expect(next).toMatchObject({
      recipients: [{ outcome: 'deferred', code: 'connection-lost' }],
      contentSent: 'none',
      sessionLost: true,
    });
    expect(channel.usable).toBe(false);
    await session.ended();
  });

  test('some recipients refused, the final reply is for the others', async () => {
    const { channel } = await channelTo({
      capabilities,
      reply: (line) => {
        if (line.includes('<no@')) {
          return '550 5.1.1 unknown\r\n';
        }
        return line.includes('<later@') ? '450 4.2.0 greylisted\r\n' : undefined;
      },
    });
    const result = await channel.transact(
      message('x', ['b@y.test', 'no@y.test', 'later@y.test', 'c@y.test']),
      soon(),
    );
    expect(outcomes(result)).toEqual(['delivered', 'rejected', 'deferred-by-peer', 'delivered']);
    expect(result.recipients[1]).toMatchObject({ reply: { enhanced: '5.1.1' } });
  });

  test('251 is an acceptance', async () => {
    const { channel } = await channelTo({
      capabilities,
      reply: (line) => (line.startsWith('RCPT') ? '251 will forward\r\n' : undefined),
    });
    expect(outcomes(await channel.transact(message('x'), soon()))).toEqual(['delivered']);
  });

  test('what the peer cannot take is refused without a word, and in its turn', async () => {
    const { channel, session } = await channelTo({
      capabilities: [...capabilities.filter((each) => each !== '8BITMIME'), 'SIZE 100'],
    });
    const order: string[] = [];
    const send = async (name: string, content: string): Promise<unknown[]> => {
      const result = await channel.transact(message(content), soon());
      order.push(name);
      expect(result.sessionLost).toBe(false);
      return outcomes(result);
    };
    const sent = await Promise.all([
      send('first', 'x'),
      send('large', 'x'.repeat(200)),
      send('8-bit', 'a: b\r\n\r\n\xe4'),
      send('utf-8', 'a: \xe4'),
      send('last', 'y'),
    ]);
    expect(sent.flat()).toEqual([
      'delivered',
      'size-exceeded',
      'eightbitmime-not-offered',
      'smtputf8-not-offered',
      'delivered',
    ]);
    expect(order).toEqual(['first', 'large', '8-bit', 'utf-8', 'last']);
    expect(session.log.filter((line) => line.startsWith('MAIL'))).toHaveLength(2);
  });
});

describe('no recipient accepted and DATA answered by 354 (RFC 2920 §3.1)', () => {
  test.each(['250 2.0.0 nothing done\r\n', '554 5.5.1 no recipients\r\n'])(
    'a lone dot, answered by %j; the next message goes through',
    async (final) => {
      let count = 0;
      const { channel, session } = await channelTo({
        capabilities: pipelining,
        reply: (line) => {
          count += line === 'DATA' || line === '.' ? 1 : 0;
          if (line.includes('<no@')) {
            return '550 5.1.1 unknown\r\n';
          }
          if (line === 'DATA' && count === 1) {
            return '354 go on\r\n';
          }
          return line === '.' && count === 2 ? final : undefined;
        },
      });
      const [refused, next] = await Promise.all([
        channel.transact(message('secret', ['no@y.test']), soon()),
        channel.transact(message('two'), soon()),
      ]);
      expect(refused).toMatchObject({
        recipients: [{ outcome: 'failed', code: 'rejected', reply: { code: 550 } }],
        contentSent: 'none',
        sessionLost: false,
      });
      expect(outcomes(next)).toEqual(['delivered']);
      expect(session.log).not.toContain('secret\r\n');
    },
  );

  test('MAIL refused and everything else accepted: the session ends without a dot', async () => {
    const { channel, session } = await channelTo({
      capabilities: pipelining,
      reply: (line) => {
        if (line.startsWith('RCPT')) {
          return '250 2.1.5 ok\r\n';
        }
        return line.startsWith('MAIL') ? '550 5.7.1 not you\r\n' : undefined;
      },
    });
    const result = await channel.transact(message('secret'), soon());
    expect(result).toMatchObject({
      recipients: [{ outcome: 'failed', code: 'rejected', reply: { code: 550 } }],
      contentSent: 'none',
      sessionLost: true,
    });
    await session.ended();
    expect(session.buffered()).toBe('');
  });
});

describe('peers out of step', () => {
  test.each<[string, string, FailureCode, ContentSent]>([
    ['MAIL', '354 go on\r\n', 'reply-malformed', 'none'],
    ['RCPT', '354 go on\r\n', 'reply-malformed', 'none'],
    ['DATA', '250 ok\r\n', 'reply-malformed', 'none'],
    ['MAIL', 'nonsense\r\n', 'reply-malformed', 'none'],
    ['DATA', '354 go on\r\n250 taken already\r\n', 'reply-malformed', 'none'],
    ['DATA', '354 go on\r\n2', 'reply-malformed', 'none'],
    ['DATA', '354 go on\r\n421 no, closing\r\n', 'connection-lost', 'none'],
    ['.', '354 go on\r\n', 'in-doubt', 'complete'],
    ['.', 'nonsense\r\n', 'in-doubt', 'complete'],
    ['.', `250-${'x'.repeat(900)}\r\n`.repeat(80), 'in-doubt', 'complete'],
  ])('%s answered by %j', async (verb, reply, code, contentSent) => {
    const { channel, session } = await channelTo({
      capabilities: pipelining,
      reply: (line) => (line.startsWith(verb) ? reply : undefined),
    });
    const result = await channel.transact(message('x'), soon());
    expect(result).toMatchObject({
      recipients: [{ outcome: 'deferred', code }],
      contentSent,
      sessionLost: true,
    });
    await session.ended();
    expect(session.log.includes('x\r\n')).toBe(contentSent === 'complete');
  });

  test('what follows the final reply does not undo it', async () => {
    for (const extra of ['250 again\r\n', '421 4.4.2 bye\r\n', '4']) {
      const { channel } = await channelTo({
        capabilities: pipelining,
        reply: (line) => (line === '.' ? `250 taken\r\n${extra}` : undefined),
      });
      const [result, next] = await Promise.all([
        channel.transact(message('x'), soon()),
        channel.transact(message('y', ['later@y.test']), soon()),
      ]);
      expect(outcomes(result)).toEqual(['delivered']);
      expect(next.recipients[0]?.outcome).toBe('deferred');
      expect(next.sessionLost).toBe(true);
    }
  });

  test('RSET refused ends the session before anything is taken for the next message', async () => {
    const { channel, session } = await channelTo({
      capabilities: chunking,
      reply: (line) => (line === 'RSET' ? '502 5.5.1 what?\r\n' : undefined),
    });
    const [first, second] = await Promise.all([
      channel.transact(message('one'), soon()),
      channel.transact(message('two'), soon()),
    ]);
    expect(outcomes(first)).toEqual(['delivered']);
    expect(second).toMatchObject({
      recipients: [{ code: 'deferred-by-peer' }],
      contentSent: 'none',
      sessionLost: true,
    });
    await session.ended();
    expect(session.log).not.toContain('two\r\n');
  });

  test.each([
    ['421 4.4.2 idle\r\n', 'a good-bye'],
    ['250 hello?\r\n', 'a reply to nothing'],
    ['2', 'part of one'],
  ])('unasked while idle: %j (%s)', async (text) => {
    const { promise: isOpen, resolve } = Promise.withResolvers<void>();
    const server = await serve(
      afterHello(pipelining, async (session) => {
        await isOpen;
        session.send(text);
        await session.ended();
      }),
    );
    const channel = await open(server);
    resolve();
    await server.sessions[0]?.ended();
    while (channel.usable) {
      await new Promise(setImmediate);
    }
    expect(await channel.transact(message('x'), soon())).toMatchObject({
      recipients: [{ outcome: 'deferred', code: 'connection-lost' }],
      contentSent: 'none',
      sessionLost: true,
    });
  });
});

describe('time', () => {
  test.each([
    ['MAIL', 'mailMs'],
    ['RCPT', 'rcptMs'],
    ['DATA', 'dataMs'],
  ])('no reply to %s', async (verb, timeout) => {
    for (const capabilities of [pipelining, ['8BITMIME']]) {
      let isSilent = false;
      const reply = (line: string): string | undefined => {
        isSilent ||= line.startsWith(verb);
        return isSilent ? '' : undefined;
      };
      const timeouts = { [timeout]: 30 };
      const { channel, session } = await channelTo({ capabilities, reply }, { timeouts });
      expect(await channel.transact(message('x'), soon())).toMatchObject({
        recipients: [{ outcome: 'deferred', code: 'smtp-timeout' }],
        contentSent: 'none',
        sessionLost: true,
      });
      await session.ended();
    }
  });

  test.each([
    ['silence', async (session: ServerSession): Promise<void> => session.ended()],
    [
      'the end of the connection',
      async (session: ServerSession): Promise<void> => {
        session.socket.destroy();
      },
    ],
    [
      'octets that never make a reply',
      async (session: ServerSession): Promise<void> => {
        const timer = setInterval(() => session.send('250-more\r\n'), 5);
        await session.ended();
        clearInterval(timer);
      },
    ],
  ])('after the final dot, %s is in doubt; the riding message is not', async (_what, then) => {
    const server = await serve(
      afterHello(pipelining, async (session) => {
        await session.octets(`${group.replace('b@', 'no@')}${group.slice(22)}DATA\r\n`.length);
        session.send('250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n');
        await session.content();
        await session.octets(`${group}DATA\r\n`.length);
        await then(session);
      }),
    );
    const channel = await open(server, { finalReplyTimeoutMs: 50 });
    const [first, second] = await Promise.all([
      channel.transact(message('one', ['no@y.test', 'b@y.test']), soon()),
      channel.transact(message('two'), soon()),
    ]);
    expect(first).toMatchObject({
      recipients: [{ code: 'rejected' }, { outcome: 'deferred', code: 'in-doubt' }],
      contentSent: 'complete',
      sessionLost: true,
    });
    expect(second).toMatchObject({
      recipients: [{ code: expect.stringMatching(/^(smtp-timeout|connection-lost)$/) }],
      contentSent: 'none',
      sessionLost: true,
    });
  });

  test('a message is not begun when its final reply could not be awaited; the session stays', async () => {
    let nowMs = 0;
    const { channel, session } = await channelTo(
      { capabilities: pipelining },
      { now: () => nowMs, finalReplyTimeoutMs: 1_000 },
    );
    nowMs = 5_001;
    const [late, good] = await Promise.all([
      channel.transact(message('x'), 6_000),
      channel.transact(message('y'), 6_001),
    ]);
    expect(late).toMatchObject({
      recipients: [{ outcome: 'deferred', code: 'time-too-short' }],
      contentSent: 'none',
      sessionLost: false,
    });
    expect(outcomes(good)).toEqual(['delivered']);
    expect(session.log.filter((line) => line.startsWith('MAIL'))).toHaveLength(1);
  });

  test.each<[string, string[], boolean]>([
    ['DATA, pipelined', pipelining, true],
    ['BDAT, pipelined', chunking, false],
    ['BDAT, one by one', ['CHUNKING'], false],
    ['DATA, one by one', ['8BITMIME'], false],
  ])('%s: time runs out between envelope and content', async (_mode, capabilities, sessionLost) => {
    let nowMs = 0;
    const { channel, session } = await channelTo(
      {
        capabilities,
        reply: (line) => {
          if (line.includes('<slow@')) {
            nowMs = 1_500;
          }
          return undefined;
        },
      },
      { now: () => nowMs, finalReplyTimeoutMs: 1_000 },
    );
    const result = await channel.transact(message('secret', ['slow@y.test']), 2_000);
    expect(result).toMatchObject({
      recipients: [{ outcome: 'deferred', code: 'time-too-short' }],
      contentSent: 'none',
      sessionLost,
    });
    if (!sessionLost) {
      expect(outcomes(await channel.transact(message('y'), 3_000))).toEqual(['delivered']);
      expect(session.log).toContain('RSET');
    }
    expect(session.log).not.toContain('secret\r\n');
  });

  test('a peer that stops reading content is given up, and nothing is in doubt', async () => {
    const server = await serve(
      afterHello(pipelining, async (session) => {
        await session.octets(`${group}DATA\r\n`.length);
        session.socket.pause();
        session.send('250 ok\r\n250 ok\r\n354 go\r\n');
        await new Promise((resolve) => session.socket.once('close', resolve));
      }),
    );
    const channel = await open(server, { timeouts: { blockMs: 60 } });
    const result = await channel.transact(message('x'.repeat(12_000_000)), soon());
    expect(result).toMatchObject({
      recipients: [{ outcome: 'deferred', code: 'smtp-timeout' }],
      contentSent: 'partial',
      sessionLost: true,
    });
  });

  test.each<[string, FailureCode]>([
    ['552 5.3.4 too large\r\n', 'rejected'],
    ['421 4.3.2 closing\r\n', 'deferred-by-peer'],
    ['250 taken already\r\n', 'reply-malformed'],
  ])('%j in the middle of content', async (reply, code) => {
    const server = await serve(
      afterHello(pipelining, async (session) => {
        await session.octets(`${group}DATA\r\n`.length);
        session.send('250 ok\r\n250 ok\r\n354 go\r\n');
        await session.octets(10);
        session.socket.pause();
        session.send(reply);
        await new Promise((resolve) => session.socket.once('close', resolve));
      }),
    );
    const channel = await open(server);
    expect(await channel.transact(message('x'.repeat(12_000_000)), soon())).toMatchObject({
      recipients: [{ code }],
      contentSent: 'partial',
      sessionLost: true,
    });
  });
});

describe('the end', () => {
  test('QUIT waits for what is under way, and nothing is taken after it', async () => {
    const { channel, session } = await channelTo({ capabilities: pipelining });
    const results = [
      channel.transact(message('one'), soon()),
      channel.transact(message('two'), soon()),
    ];
    const quit = channel.quit();
    expect(channel.usable).toBe(false);
    const late = await channel.transact(message('three'), soon());
    expect(late).toMatchObject({
      recipients: [{ code: 'connection-lost' }],
      contentSent: 'none',
      sessionLost: true,
    });
    expect((await Promise.all(results)).flatMap(outcomes)).toEqual(['delivered', 'delivered']);
    await quit;
    expect(session.log.at(-1)).toBe('QUIT');
    expect(session.log).not.toContain('three\r\n');
  });

  test('a transaction without recipients is a bug', async () => {
    const { channel } = await channelTo({});
    await expect(channel.transact(message('x', []), soon())).rejects.toThrow(RangeError);
  });

  test('a thousand messages leave no listeners behind', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => {
      warnings.push(warning);
    };
    process.on('warning', note);
    onTestFinished(() => {
      process.off('warning', note);
    });
    const { channel } = await channelTo({ capabilities: pipelining });
    for (let count = 0; count < 250; count += 1) {
      await Promise.all([1, 2, 3, 4].map(() => channel.transact(message('x'), soon())));
    }
    await channel.quit();
    expect(warnings).toEqual([]);
  });

  test.each(modes)('%s: cut at every octet of what the peer says', async (_mode, capabilities) => {
    const script = standardScript({ capabilities });
    for (let cut = 0, isWhole = false; !isWhole; cut += 1) {
      let left = cut;
      let takenCount = 0;
      const server = await scriptedServer(async (session) => {
        const send = (text: string): void => {
          const isHello = !session.log.some((line) => line.startsWith('MAIL'));
          const part = isHello ? text : text.slice(0, Math.max(0, left));
          left -= isHello ? 0 : text.length;
          takenCount += part === text && text.includes('taken') ? 1 : 0;
          session.send(part);
          if (part !== text) {
            session.socket.end();
          }
        };
        await script({ ...session, send });
      });
      const channel = await open(server);
      const results = await Promise.all([
        channel.transact(message('one'), soon()),
        channel.transact(message('two'), soon()),
      ]);
      await channel.quit();
      await server.close();
      const told = results.map((result) => [result.contentSent, ...outcomes(result)]);
      // Delivered is what was said to be taken, no more and no less; what was sent whole and not taken is in doubt.
      expect(told.filter(([, code]) => code === 'delivered')).toHaveLength(takenCount);
      for (const [contentSent, code] of told) {
        const isSent = code === 'delivered' || code === 'in-doubt';
        expect([cut, contentSent]).toEqual([cut, isSent ? 'complete' : 'none']);
      }
      isWhole = takenCount === 2;
    }
  });
});
