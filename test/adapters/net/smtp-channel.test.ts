import { describe, expect, onTestFinished, test } from 'vitest';
import type { SmtpTimeouts } from '../../../functions/adapters/net/smtp-timeouts.ts';
import type {
  Channel,
  ChannelTarget,
  TlsFacts,
  TlsLevel,
} from '../../../functions/delivery/channel.ts';
import type { FailureCode } from '../../../functions/protocol/errors.ts';
import {
  type ScriptedServer,
  type ServerSession,
  type StandardOptions,
  scriptedServer,
  standardScript,
} from './scripted-smtp-server.ts';
import { credential, message, opener, soon, target } from './smtp-fixture.ts';

async function serve(
  script: (session: ServerSession, index: number) => Promise<void>,
): Promise<ScriptedServer> {
  const server = await scriptedServer(script);
  onTestFinished(server.close);
  return server;
}

async function open(
  server: ScriptedServer,
  options: Partial<ChannelTarget> = {},
  timeouts: Partial<SmtpTimeouts> = {},
): Promise<Channel> {
  const channel = await opener({ timeouts })(target(server.port, options), soon());
  onTestFinished(() => channel.quit());
  return channel;
}

/** Opening fails with `code`, the server sees the end of the connection, and nothing of a message. */
async function expectRefused(
  server: ScriptedServer,
  code: FailureCode,
  options: Partial<ChannelTarget> = {},
  timeouts: Partial<SmtpTimeouts> = {},
): Promise<void> {
  await expect(open(server, options, timeouts)).rejects.toMatchObject({
    name: 'TransportSecurityError',
    code,
  });
  await server.sessions[0]?.ended();
  expect(server.sessions[0]?.log.filter((line) => /^(?:MAIL|RCPT|DATA|AUTH)/.test(line))).toEqual(
    [],
  );
}

async function tlsServer(options: StandardOptions = {}): Promise<ScriptedServer> {
  return serve(
    standardScript({
      capabilities: ['STARTTLS', 'PIPELINING'],
      credential: await credential(),
      ...options,
    }),
  );
}

describe('before TLS', () => {
  test('a session in the clear', async () => {
    const server = await serve(standardScript({ capabilities: ['PIPELINING', 'STARTTLS'] }));
    const channel = await open(server, { tls: 'clear' });
    expect(channel).toMatchObject({ peerName: 'mx.test', usable: true });
    expect(channel.tls).toBeUndefined();
    expect([...channel.capabilities.keys()]).toEqual(['PIPELINING', 'STARTTLS']);
    await channel.quit();
    expect(server.sessions[0]?.log).toEqual(['EHLO out.test', 'QUIT']);
    expect(channel.usable).toBe(false);
  });

  test.each<[string, FailureCode, string]>([
    ['554 5.3.2 no service\r\n', 'greeting-refused', 'RFC 5321 §3.1'],
    ['421 4.3.2 busy\r\n', 'greeting-refused', 'not now'],
    ['hello\r\n', 'reply-malformed', 'not SMTP'],
    ['220 mx.test\r\n250 SIZE\r\n', 'reply-malformed', 'an answer before the question'],
    ['220 mx.test\r\n25', 'reply-malformed', 'part of an answer before the question'],
    [`220-${'x'.repeat(500)}\r\n`.repeat(200), 'reply-malformed', 'a greeting without end'],
    ['x'.repeat(100_000), 'reply-malformed', 'a line without end'],
  ])('greeting %j: %s', async (greeting, code) => {
    const server = await serve(async (session) => {
      session.send(greeting);
      await session.ended();
    });
    await expectRefused(server, code);
  });

  test.each<[string, (session: ServerSession) => Promise<void>]>([
    ['before the greeting', async () => {}],
    [
      'after the greeting',
      async (session) => {
        session.send('220 mx.test\r\n');
      },
    ],
    [
      'within the EHLO reply',
      async (session) => {
        session.send('220 mx.test\r\n');
        await session.line();
        session.send('250-mx.test\r\n250-PIPE');
      },
    ],
  ])('a connection closed %s is lost', async (_when, script) => {
    await expectRefused(await serve(script), 'connection-lost');
  });

  test.each<[string, string, TlsLevel]>([
    ['250 mx.test\r\n421 4.3.2 closing\r\n', 'EHLO', 'clear'],
    ['250 mx.test\r\n421 4.3.2 closing\r\n', 'EHLO', 'opportunistic'],
    ['502 5.5.1 what?\r\n', 'HELO', 'clear'],
  ])(
    'a session that ends behind its last reply %j to %s at level %s opens no channel',
    async (reply, verb, tls) => {
      const server = await serve(
        standardScript({
          reply: (line) => {
            if (line.startsWith('HELO')) {
              return '250 old.test\r\n421 4.3.2 closing\r\n';
            }
            return line.startsWith('EHLO') ? reply : undefined;
          },
        }),
      );
      await expectRefused(server, 'connection-lost', { tls });
      expect(server.sessions[0]?.log.some((line) => line.startsWith(verb))).toBe(true);
    },
  );

  test.each([
    [421, 'ehlo-refused'],
    [451, 'ehlo-refused'],
  ] as const)('EHLO answered by %i is final for now', async (code, failure) => {
    const server = await serve(
      standardScript({ reply: (line) => (line.startsWith('EHLO') ? `${code} no\r\n` : undefined) }),
    );
    await expectRefused(server, failure);
    expect(server.sessions[0]?.log).toEqual(['EHLO out.test', 'QUIT']);
  });

  test.each<[TlsLevel, 'HELO' | 'refused']>([
    ['clear', 'HELO'],
    ['opportunistic', 'HELO'],
    ['mandatory', 'refused'],
    ['pkix', 'refused'],
  ])('EHLO answered by 502 at level %s: %s', async (tls, outcome) => {
    const server = await serve(
      standardScript({
        reply: (line) => {
          if (line.startsWith('HELO')) {
            return '250 old.test\r\n';
          }
          return line.startsWith('EHLO') ? '502 5.5.1 what?\r\n' : undefined;
        },
      }),
    );
    if (outcome === 'refused') {
      await expectRefused(server, 'ehlo-refused', { tls });
      return;
    }
    const channel = await open(server, { tls });
    expect(channel.peerName).toBe('old.test');
    expect(channel.capabilities.size).toBe(0);
    expect(channel.clearReason).toBe(tls === 'opportunistic' ? 'starttls-not-offered' : undefined);
  });

  test('an error by a reply has it as its cause', async () => {
    const server = await serve(standardScript({ greeting: '421 4.3.2 too many connections\r\n' }));
    await expect(open(server)).rejects.toMatchObject({
      code: 'greeting-refused',
      cause: { code: 421, enhanced: '4.3.2', lines: ['too many connections'] },
    });
  });

  test('HELO refused too', async () => {
    const server = await serve(
      standardScript({ reply: (line) => (/^(EHLO|HELO)/.test(line) ? '550 no\r\n' : undefined) }),
    );
    await expectRefused(server, 'ehlo-refused');
  });

  test('nobody listens', async () => {
    const server = await scriptedServer(async () => {});
    await server.close();
    await expect(open(server)).rejects.toMatchObject({
      code: 'connect-failed',
      message: expect.stringContaining(`mx.test [127.0.0.1]:${server.port}`),
    });
  });
});

describe('STARTTLS (RFC 3207)', () => {
  test('capabilities are forgotten and asked again', async () => {
    const server = await tlsServer({
      capabilities: ['STARTTLS', 'PIPELINING', 'REQUIRETLS', 'X-CLEAR'],
      securedCapabilities: ['SIZE 100', 'X-NO-REQUIRETLS'],
    });
    const channel = await open(server, { tls: 'pkix' });
    expect([...channel.capabilities]).toEqual([
      ['SIZE', '100'],
      ['X-NO-REQUIRETLS', ''],
    ]);
    expect(channel.tls).toMatchObject({
      version: 'TLSv1.3',
      cipher: expect.stringMatching(/^TLS_/),
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      resumed: false,
      pkix: { verified: true },
    });
    await channel.quit();
    expect(server.sessions[0]?.log).toEqual(['EHLO out.test', 'STARTTLS', 'EHLO out.test', 'QUIT']);
  });

  test.each<[string, FailureCode, string]>([
    ['no keyword', 'starttls-not-offered', 'stripped or never there'],
    ['454 4.7.0 not now\r\n', 'starttls-deferred', 'RFC 3207 §4'],
    ['451 4.7.0 not now\r\n', 'starttls-deferred', 'any other 4yz'],
    ['501 5.5.4 no parameters\r\n', 'starttls-refused', 'RFC 3207 §4'],
    ['502 5.5.1 unknown\r\n', 'starttls-refused', 'offered and refused'],
  ])('%j', async (reply, code) => {
    const script = standardScript({
      capabilities: reply === 'no keyword' ? ['X-STARTTLS', 'STARTTLSX'] : ['STARTTLS'],
      reply: (line) => (line === 'STARTTLS' ? reply : undefined),
    });
    await expectRefused(await serve(script), code, { tls: 'mandatory' });
    await expectRefused(await serve(script), code, { tls: 'pkix' });
    const server = await serve(script);
    const channel = await open(server, { tls: 'opportunistic' });
    expect(channel.clearReason).toBe(code);
    expect(channel.tls).toBeUndefined();
    const { recipients } = await channel.transact(message('a: b\r\n'), soon());
    expect(recipients).toMatchObject([{ outcome: 'delivered' }]);
  });

  test.each(['250 ok\r\n', '221 bye\r\n', '354 go on\r\n', '421 4.3.2 closing\r\n'])(
    'a reply of %j leaves the session in no known state, whatever the level',
    async (reply) => {
      for (const tls of ['opportunistic', 'mandatory', 'pkix'] as const) {
        const server = await tlsServer({
          reply: (line) => (line === 'STARTTLS' ? reply : undefined),
        });
        await expectRefused(server, 'starttls-deferred', { tls });
      }
    },
  );

  test.each<[string, string]>([
    ['220 go\r\n250-mx.test\r\n250 REQUIRETLS\r\n', 'a whole reply in one packet'],
    ['220 go\r\n2', 'one octet'],
    ['220 go\r\n421 bye\r\n', 'a 421'],
    ['220-go\r\n220 go\r\n\x16', 'the beginning of a TLS record'],
  ])('injected: %j', async (reply) => {
    for (const tls of ['opportunistic', 'mandatory', 'pkix'] as const) {
      const server = await tlsServer({
        reply: (line) => (line === 'STARTTLS' ? reply : undefined),
      });
      await expectRefused(server, 'starttls-injection', { tls });
    }
  });

  test('injected a packet later it breaks the handshake', async () => {
    const server = await serve(async (session) => {
      session.send('220 mx.test\r\n');
      await session.line();
      session.send('250-mx.test\r\n250 STARTTLS\r\n');
      await session.line();
      session.send('220 go\r\n');
      await session.arrival();
      session.send('250-mx.test\r\n250 REQUIRETLS\r\n');
      await session.ended();
    });
    await expectRefused(server, 'tls-handshake-failed', { tls: 'pkix' });
  });

  test('STARTTLS in the reply under TLS is not followed', async () => {
    const server = await tlsServer({ securedCapabilities: ['STARTTLS'] });
    await open(server, { tls: 'pkix' });
    expect(server.sessions[0]?.log).toEqual(['EHLO out.test', 'STARTTLS', 'EHLO out.test']);
  });

  test.each<[number, FailureCode]>([
    [421, 'ehlo-refused'],
    [550, 'ehlo-refused'],
  ])('EHLO under TLS answered by %i', async (code, failure) => {
    let hellos = 0;
    const server = await tlsServer({
      reply: (line) => {
        hellos += line.startsWith('EHLO') ? 1 : 0;
        return hellos === 2 ? `${code} no\r\n` : undefined;
      },
    });
    await expectRefused(server, failure, { tls: 'pkix' });
  });

  test('who watches hears of names and of the handshake before anything is made of them', async () => {
    const server = await tlsServer({
      reply: (line, session) => {
        if (line.startsWith('EHLO') && session.log.includes('STARTTLS')) {
          session.socket.destroy();
        }
        return undefined;
      },
    });
    const told: (string | TlsFacts)[] = [];
    const opening = opener()(target(server.port, { tls: 'pkix' }), soon(), {
      greeted: (peerName) => told.push(peerName),
      secured: (tls) => told.push(tls),
    });
    await expect(opening).rejects.toMatchObject({ code: 'connection-lost' });
    expect(told).toMatchObject(['mx.test', { pkix: { verified: true } }]);
  });

  test('level clear does not take it', async () => {
    const server = await tlsServer();
    const channel = await open(server, { tls: 'clear' });
    expect(channel.tls).toBeUndefined();
    await channel.quit();
    expect(server.sessions[0]?.log).toEqual(['EHLO out.test', 'QUIT']);
  });
});

describe('implicit TLS and AUTH (RFC 8314 §3.3, RFC 4954, RFC 4616)', () => {
  const credentials = { username: 'tim', password: 'tanstaaf\u00e9' };
  const initial = `AUTH PLAIN ${Buffer.from('\0tim\0tanstaaf\u00e9').toString('base64')}`;

  /** A submission server on its TLS port. */
  async function submission(options: StandardOptions = {}): Promise<ScriptedServer> {
    const options465 = { capabilities: ['AUTH LOGIN PLAIN', 'PIPELINING'], ...options };
    const script = standardScript(options465);
    const certificate = await credential('valid', 'mx.test');
    return serve(async (session) => {
      await session.startTls(certificate);
      await script(session);
    });
  }
  const submit = { tls: 'pkix', implicitTls: true, credentials } as const;
  const acceptAuth = (line: string): string | undefined =>
    line.startsWith('AUTH') ? '235 2.7.0 welcome\r\n' : undefined;

  test('TLS first, then greeting, EHLO, AUTH', async () => {
    const server = await submission({ reply: acceptAuth });
    const channel = await open(server, submit);
    expect(channel.tls?.pkix).toEqual({ verified: true });
    await channel.quit();
    expect(server.sessions[0]?.log).toEqual(['EHLO out.test', initial, 'QUIT']);
  });

  test('over STARTTLS as well', async () => {
    const server = await tlsServer({ securedCapabilities: ['AUTH PLAIN'], reply: acceptAuth });
    await open(server, { tls: 'pkix', credentials });
    expect(server.sessions[0]?.log.slice(2)).toEqual(['EHLO out.test', initial]);
  });

  test('a response too long for the line waits to be asked for (RFC 4954 §4)', async () => {
    const password = 'p'.repeat(400);
    const server = await submission({
      reply: (line) => {
        if (line === 'AUTH PLAIN') {
          return '334 \r\n';
        }
        return /^[A-Za-z0-9+/=]{500,}$/.test(line) ? '235 2.7.0 welcome\r\n' : undefined;
      },
    });
    await open(server, { ...submit, credentials: { username: 'tim', password } });
    expect(server.sessions[0]?.log[2]).toBe(Buffer.from(`\0tim\0${password}`).toString('base64'));
  });

  test.each<[string, StandardOptions]>([
    ['535', { reply: (line) => (line.startsWith('AUTH') ? '535 5.7.8 no\r\n' : undefined) }],
    ['454', { reply: (line) => (line.startsWith('AUTH') ? '454 4.7.0 later\r\n' : undefined) }],
    ['no PLAIN', { capabilities: ['AUTH LOGIN'] }],
    ['no AUTH', { capabilities: [] }],
  ])('refused: %s', async (_what, options) => {
    const server = await submission(options);
    const refused = open(server, submit);
    await expect(refused).rejects.toMatchObject({ code: 'authentication-failed' });
    await expect(refused).rejects.not.toMatchObject({
      message: expect.stringContaining('tanstaaf'),
    });
    await server.sessions[0]?.ended();
  });

  test.each([
    { username: '', password: 'x' },
    { username: 'x', password: '' },
    { username: 'a\0b', password: 'x' },
  ])('credentials that PLAIN cannot carry: %j', async (unfit) => {
    const server = await submission();
    await expectRefused(server, 'authentication-failed', { ...submit, credentials: unfit });
  });

  test('nothing is said to a host that is not the one', async () => {
    const wrong = await credential('wrong-name', 'mx.test');
    const server = await serve(async (session) => {
      await session.startTls(wrong);
      await standardScript({ capabilities: ['AUTH PLAIN'] })(session);
    });
    await expectRefused(server, 'certificate-host-mismatch', submit);
    expect(server.sessions[0]?.log).toEqual(['QUIT']);
  });

  test.each<[Partial<ChannelTarget>, string]>([
    [{ credentials, tls: 'mandatory' }, 'credentials without authentication'],
    [{ credentials, tls: 'opportunistic' }, 'credentials without authentication'],
    [{ credentials, tls: 'clear' }, 'credentials in the clear'],
    [{ implicitTls: true, tls: 'clear' }, 'TLS in the clear'],
    [{ address: 'localhost' }, 'a name in place of an address'],
  ])('%j is a bug: %s', async (options) => {
    await expect(opener()(target(1, options), soon())).rejects.toThrow(TypeError);
  });
});

describe('time', () => {
  test('nobody is connected to once the deadline is over', async () => {
    const server = await serve(standardScript({}));
    const opening = opener({ now: () => 1_000 })(target(server.port), 1_000);
    await expect(opening).rejects.toMatchObject({ code: 'time-too-short' });
    expect(server.sessions).toEqual([]);
  });

  const silent = async (session: ServerSession): Promise<void> => session.ended();
  const afterGreeting = async (session: ServerSession): Promise<void> => {
    session.send('220 mx.test\r\n');
    await session.ended();
  };
  const trickle = async (session: ServerSession): Promise<void> => {
    const timer = setInterval(() => session.send('220-more\r\n'), 5);
    await session.ended();
    clearInterval(timer);
  };
  const noHandshake = async (session: ServerSession): Promise<void> => {
    session.send('220 mx.test\r\n');
    await session.line();
    session.send('250-mx.test\r\n250 STARTTLS\r\n');
    await session.line();
    session.send('220 go\r\n');
    await session.ended();
  };

  test.each<
    [string, (session: ServerSession) => Promise<void>, Partial<SmtpTimeouts>, FailureCode]
  >([
    ['no greeting', silent, { greetingMs: 30 }, 'smtp-timeout'],
    ['a greeting that trickles on', trickle, { greetingMs: 60 }, 'smtp-timeout'],
    ['no answer to EHLO', afterGreeting, { commandMs: 30 }, 'smtp-timeout'],
    ['no handshake', noHandshake, { tlsHandshakeMs: 30 }, 'tls-handshake-failed'],
  ])('%s', async (_what, script, timeouts, code) => {
    await expectRefused(await serve(script), code, { tls: 'pkix' }, timeouts);
  });

  test.each<[string, (session: ServerSession) => Promise<void>, FailureCode]>([
    ['greeting', silent, 'smtp-timeout'],
    ['EHLO', afterGreeting, 'smtp-timeout'],
    ['handshake', noHandshake, 'smtp-timeout'],
  ])(
    'the deadline cuts the wait for %s, and does not blame the handshake',
    async (_what, script, code) => {
      const server = await serve(script);
      const opening = opener({ now: () => 0 })(target(server.port, { tls: 'pkix' }), 50);
      await expect(opening).rejects.toMatchObject({ code });
      await server.sessions[0]?.ended();
    },
  );

  test('QUIT is not waited for longer than its time, nor is its answer looked at', async () => {
    for (const reply of ['', '500 5.5.1 no\r\n', 'nonsense\r\n']) {
      const server = await serve(
        standardScript({ reply: (line) => (line === 'QUIT' ? reply : undefined) }),
      );
      const channel = await open(server, {}, { quitMs: 30 });
      await channel.quit();
      await channel.quit();
      await server.sessions[0]?.ended();
      expect(server.sessions[0]?.log.at(-1)).toBe('QUIT');
    }
  });
});

describe('settings', () => {
  test.each(['', 'a b', 'x\r\nRSET', 'ü.test', '[192.0.2.1'])('EHLO name %j', (ehloName) => {
    expect(() => opener({ ehloName })).toThrow(
      expect.objectContaining({ code: 'settings-invalid' }),
    );
  });

  test.each(['nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
    'extra roots %j',
    (extraRoots) => {
      expect(() => opener({ network: { extraRoots } })).toThrow(
        expect.objectContaining({ code: 'settings-invalid' }),
      );
    },
  );

  test('an address literal as EHLO name', async () => {
    const server = await serve(standardScript({}));
    const channel = await opener({ ehloName: '[IPv6:2001:db8::1]' })(target(server.port), soon());
    await channel.quit();
    expect(server.sessions[0]?.log[0]).toBe('EHLO [IPv6:2001:db8::1]');
  });
});
