import { createTransport } from 'nodemailer';
import { afterEach, describe, expect, test } from 'vitest';
import { createCertificates } from '../../../bin/world/certificates.ts';
import type { MxBehaviour, StepBehaviour } from '../../../bin/world/mx-behaviour.ts';
import { type MxHost, startMxHost } from '../../../bin/world/mx-host.ts';
import { commandsOf, type MxConnection, type ViolationKind } from '../../../bin/world/mx-record.ts';
import { connectRaw, type RawClient } from './raw-client.ts';

const certificates = await createCertificates(Date.now);
let mx: MxHost;
let client: RawClient;

afterEach(async () => {
  client?.close();
  await mx.stop();
});

async function start(behaviour: MxBehaviour = {}): Promise<void> {
  mx = await startMxHost({
    name: 'mx1.example.test',
    behaviour,
    address: '127.25.9.1',
    port: 0,
    certificates,
  });
  client = await connectRaw(mx);
}

/** Greeting and EHLO; the keywords that were offered. */
async function hello(): Promise<readonly string[]> {
  await client.reply();
  return keywords(await client.ask('EHLO client.test'));
}

function keywords(reply: string | undefined): readonly string[] {
  return (reply ?? '').split('\n').map((line) => line.slice(4));
}

/** Through STARTTLS to the second EHLO. */
async function secure(): Promise<readonly string[]> {
  await hello();
  await client.ask('STARTTLS');
  await client.startTls();
  return keywords(await client.ask('EHLO client.test'));
}

function last(): MxConnection {
  const connection = mx.connections.at(-1);
  if (connection === undefined) {
    throw new Error('nobody connected');
  }
  return connection;
}

function violations(): readonly ViolationKind[] {
  return last().violations.map(({ kind }) => kind);
}

const envelope = 'MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\n';

describe('a good host', () => {
  test('takes a message by DATA, exactly, with dots unstuffed', async () => {
    await start();
    const offered = await secure();
    expect(offered).toContain('CHUNKING');
    expect(offered).not.toContain('STARTTLS');
    client.send(`${envelope}DATA\r\n`);
    expect(await client.reply()).toBe('250 2.1.0 Ok');
    expect(await client.reply()).toBe('250 2.1.5 Ok');
    expect(await client.reply()).toBe('354 End with a dot');
    client.send('Subject: x\r\n\r\n..\r\n..a\r\n.b\r\n\r\n.\r\n');
    expect(await client.reply()).toMatch(/^250 2\.0\.0/);
    expect(mx.messages).toMatchObject([
      {
        mail: { address: 'a@client.test', parameters: {} },
        recipients: [{ address: 'b@example.test', accepted: true }],
        command: 'DATA',
        complete: true,
        overTls: true,
      },
    ]);
    expect(mx.messages[0]?.content.toString()).toBe('Subject: x\r\n\r\n.\r\n.a\r\nb\r\n\r\n');
    expect(last().tls).toMatchObject({ version: 'TLSv1.3', serverName: 'mx1.example.test' });
    expect(violations()).toEqual([]);
  });

  test('takes a message by BDAT in chunks, with the next envelope behind the last', async () => {
    await start();
    await hello();
    client.send(envelope);
    await client.reply();
    await client.reply();
    client.send('BDAT 4\r\n.\r\n\0BDAT 3 LAST\r\nabcRSET\r\n');
    client.send(envelope);
    for (const code of ['250 2.0.0 4', '250 2.0.0 Ok', '250 2.0.0', '250 2.1.0', '250 2.1.5']) {
      expect((await client.reply())?.slice(0, code.length)).toBe(code);
    }
    expect(mx.messages[0]).toMatchObject({ command: 'BDAT', overTls: false });
    expect(mx.messages[0]?.content.toString('latin1')).toBe('.\r\n\0abc');
    expect(violations()).toEqual([]);
  });

  test('takes body, dot and the next envelope in one group, and an empty body', async () => {
    await start();
    await hello();
    client.send(`${envelope}DATA\r\n`);
    await client.reply();
    await client.reply();
    await client.reply();
    client.send(`.\r\n${envelope}DATA\r\n`);
    expect(await client.reply()).toBe('250 2.0.0 Ok, 0 octets');
    await client.reply();
    await client.reply();
    expect(await client.reply()).toBe('354 End with a dot');
    client.send('one\r\n.\r\n');
    await client.reply();
    expect(await client.ask('QUIT')).toBe('221 2.0.0 Bye');
    expect(await client.reply()).toBeUndefined();
    expect(last().ended).toBe('quit');
    expect(violations()).toEqual([]);
    expect(commandsOf(last())).toContain('MAIL FROM:<a@client.test>');
  });

  test('finds the end of a large body however it is split', async () => {
    await start();
    await hello();
    client.send(`${envelope}DATA\r\n`);
    await client.reply();
    await client.reply();
    await client.reply();
    const body = Buffer.alloc(3_000_000, 'x'.repeat(76).concat('\r\n..\r\n'));
    client.send(body.subarray(0, -2));
    client.send('\r\n.');
    client.send('\r');
    client.send('\n');
    await client.reply();
    const expected = body.toString('latin1').replaceAll('\r\n..', '\r\n.').slice(0, -2);
    expect(mx.messages[0]?.content.toString('latin1')).toBe(`${expected}\r\n`);
  });

  test('nodemailer, over TLS that it verifies', async () => {
    await start({ requireTls: 'after-tls' });
    const transport = createTransport({
      host: mx.address,
      port: mx.port,
      requireTLS: true,
      tls: { ca: certificates.rootPem, servername: 'mx1.example.test' },
    });
    const sent = await transport.sendMail({
      envelope: {
        from: 'a@client.test',
        to: ['b@example.test', 'c@example.test'],
        requireTLSExtensionEnabled: true,
      } as never,
      raw: 'From: a@client.test\r\n\r\n.dot\r\nhello\r\n',
    });
    expect(sent.accepted).toEqual(['b@example.test', 'c@example.test']);
    expect(mx.messages[0]?.mail.parameters).toEqual({ REQUIRETLS: '' });
    expect(mx.messages[0]?.content.toString()).toBe('From: a@client.test\r\n\r\n.dot\r\nhello\r\n');
    expect(mx.connections.flatMap((connection) => connection.violations)).toEqual([]);
  });

  test('envelope parameters are on record, and quoted local parts are read', async () => {
    await start();
    await hello();
    await client.ask('MAIL FROM:<> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By');
    await client.ask('RCPT TO:<"a> b"@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@x.test');
    await client.ask('RCPT TO:<grüße@example.test>');
    await client.ask('DATA');
    client.send('x\r\n.\r\n');
    await client.reply();
    expect(mx.messages[0]?.mail).toEqual({
      address: '',
      parameters: { SIZE: '100', BODY: '8BITMIME', SMTPUTF8: '', RET: 'HDRS', ENVID: 'x+2By' },
    });
    expect(mx.messages[0]?.recipients).toEqual([
      {
        address: '"a> b"@example.test',
        parameters: { NOTIFY: 'SUCCESS,DELAY', ORCPT: 'rfc822;b@x.test' },
        accepted: true,
      },
      { address: 'grüße@example.test', parameters: {}, accepted: true },
    ]);
  });
});

test.each<[MxBehaviour, string, string, string]>([
  [{}, 'STARTTLS', '', 'offered in clear only'],
  [{ startTls: 'absent' }, '', 'STARTTLS', 'not offered'],
  [{ startTls: 'unadvertised' }, '', 'STARTTLS', 'not offered either'],
  [{ requireTls: 'after-tls' }, '', 'REQUIRETLS', 'not before TLS'],
  [{ requireTls: 'clear-only' }, 'REQUIRETLS', '', 'only before TLS'],
  [{ requireTls: 'always' }, 'REQUIRETLS', '', 'in both'],
  [{ ehloLines: ['X-NO-REQUIRETLS'] }, 'X-NO-REQUIRETLS', 'REQUIRETLS', 'a look-alike'],
  [{ ehloName: 'requiretls.example' }, 'requiretls.example', 'REQUIRETLS', 'in the first line'],
  [{ sizeMax: 1000 }, 'SIZE 1000', '', 'its limit'],
  [{ sizeMax: null }, '', 'SIZE 52428800', 'no limit'],
  [{ pipelining: false }, 'CHUNKING', 'PIPELINING', 'one at a time'],
  [{ chunking: false }, 'PIPELINING', 'CHUNKING', 'no BDAT'],
  [{ eightBitMime: false }, 'DSN', '8BITMIME', 'seven bits'],
  [{ smtpUtf8: false }, 'DSN', 'SMTPUTF8', 'ASCII paths'],
  [{ dsn: false }, 'SMTPUTF8', 'DSN', 'no DSN'],
])('%j offers in clear %s, not %s (%s)', async (behaviour, offered, absent) => {
  await start(behaviour);
  const keywordsInClear = await hello();
  expect(keywordsInClear.includes(offered)).toBe(offered !== '');
  expect(keywordsInClear).not.toContain(absent);
});

test.each([
  ['after-tls', true],
  ['always', true],
  ['clear-only', false],
  ['never', false],
] as const)('REQUIRETLS %s: offered over TLS: %s', async (requireTls, offered) => {
  await start({ requireTls });
  expect((await secure()).includes('REQUIRETLS')).toBe(offered);
});

test.each<[MxBehaviour, string, string | undefined, string]>([
  [{ startTls: 'absent' }, 'STARTTLS', '502 5.5.1 No such command here', 'stripped'],
  [steps('starttls', '454 4.7.0 Later'), 'STARTTLS', '454 4.7.0 Later', 'put off'],
  [steps('starttls', '554 5.7.3 Never'), 'STARTTLS', '554 5.7.3 Never', 'refused'],
  [steps('mail', '451 4.3.0 x'), 'MAIL FROM:<a@b.test>', '451 4.3.0 x', 'put off at MAIL'],
  [steps('mail', '550-5.7.1 a\n550 5.7.1 b'), 'MAIL FROM:<>', '550-5.7.1 a\n550 5.7.1 b', 'lines'],
  [{ chunking: false }, 'BDAT 0 LAST', '502 5.5.1 No such command here', 'no such extension'],
  [{ dsn: false }, 'MAIL FROM:<> RET=FULL', '555 5.5.4 RET was not offered', 'no such parameter'],
  [{}, 'MAIL FROM:<> REQUIRETLS', '530 5.7.10 REQUIRETLS needs TLS', 'in clear'],
  [{ sizeMax: 10 }, 'MAIL FROM:<> SIZE=11', '552 5.3.4 Larger than a message may be here', 'SIZE'],
  [{}, 'MAIL FROM: <a@b.test>', '501 5.5.2 That is no path', 'a space behind the colon'],
  [{}, 'MAIL FROM:<ü@b.test>', '553 5.6.7 That needs SMTPUTF8', 'not ASCII'],
  [{ steps: { mail: { close: 'instead' } } }, 'MAIL FROM:<>', undefined, 'gone'],
])('%j answers %s with %s (%s)', async (behaviour, command, expected) => {
  await start(behaviour);
  await hello();
  expect(await client.ask(command)).toBe(expected);
});

function steps(step: 'starttls' | 'mail' | 'content', reply: string): MxBehaviour {
  return { steps: { [step]: { reply } } };
}

describe('steps', () => {
  test.each<[StepBehaviour, string | undefined, string]>([
    [{ reply: '554 5.3.2 No' }, '554 5.3.2 No', 'refuses'],
    [{ close: 'instead' }, undefined, 'closes without a word'],
    [{ reply: '421 4.3.2 Busy', close: 'after' }, '421 4.3.2 Busy', 'closes after its word'],
    [{ reply: '220 x', delayMs: 20 }, '220 x', 'takes its time'],
    [{ reply: '220 x', dripMs: 1 }, '220 x', 'an octet at a time'],
  ])('greeting %j: %s (%s)', async (greeting, expected) => {
    await start({ steps: { greeting } });
    expect(await client.reply()).toBe(expected);
    if (greeting.close !== undefined) {
      expect(await client.reply()).toBeUndefined();
      expect(last().ended).toBe('host');
    }
  });

  test('a reply of thousands of lines', async () => {
    await start({ steps: { ehlo: { repeatLines: 5_000 } } });
    await client.reply();
    const reply = await client.ask('EHLO client.test');
    expect(reply?.split('\n').length).toBeGreaterThan(5_000);
    expect(last().transcript.at(-1)?.text).toHaveLength(1_000);
  });

  test('the EHLO after TLS may differ', async () => {
    await start({ steps: { 'ehlo-after-tls': { reply: '550 5.5.1 No' } } });
    expect(await secure()).toEqual(['5.5.1 No']);
  });

  test('greylisting ends after so many times, counted over connections', async () => {
    await start({ steps: { rcpt: { reply: '451 4.7.1 Greylisted', times: 2 } } });
    await hello();
    await client.ask('MAIL FROM:<>');
    expect(await client.ask('RCPT TO:<b@example.test>')).toBe('451 4.7.1 Greylisted');
    client.close();
    client = await connectRaw(mx);
    await hello();
    await client.ask('MAIL FROM:<>');
    expect(await client.ask('RCPT TO:<b@example.test>')).toBe('451 4.7.1 Greylisted');
    expect(await client.ask('RCPT TO:<b@example.test>')).toBe('250 2.1.5 Ok');
  });

  test('recipients differ, and there may be too many', async () => {
    const rejected = { reply: '550 5.1.1 No such user' };
    await start({ recipients: { 'no@example.test': rejected }, recipientsMax: 1 });
    await hello();
    await client.ask('MAIL FROM:<>');
    expect(await client.ask('RCPT TO:<No@Example.test>')).toBe('550 5.1.1 No such user');
    expect(await client.ask('RCPT TO:<yes@example.test>')).toBe('250 2.1.5 Ok');
    expect(await client.ask('RCPT TO:<more@example.test>')).toBe('452 4.5.3 Too many recipients');
    expect(last().transactions[0]?.recipients.map(({ accepted }) => accepted)).toEqual([
      false,
      true,
      false,
    ]);
  });

  test.each([
    [false, '554 5.5.1 No valid recipients', 'as most hosts'],
    [true, '354 End with a dot', 'RFC 2920 §3.1 has the client send a lone dot'],
  ])('DATA without recipients, allowed: %s: %s (%s)', async (dataWithoutRecipients, expected) => {
    await start({ dataWithoutRecipients });
    await hello();
    await client.ask('MAIL FROM:<>');
    expect(await client.ask('DATA')).toBe(expected);
    if (dataWithoutRecipients) {
      expect(await client.ask('.')).toBe('554 5.5.1 No valid recipients');
      expect(mx.messages).toEqual([]);
      expect(violations()).toEqual([]);
    }
  });

  test.each(['DATA', 'BDAT'])('closes in the middle of %s', async (command) => {
    await start({ closeAfterContentOctets: 1_000 });
    await hello();
    client.send(envelope);
    await client.reply();
    await client.reply();
    const body = 'x'.repeat(2_000);
    client.send(command === 'DATA' ? 'DATA\r\n' : `BDAT ${body.length} LAST\r\n${body}`);
    if (command === 'DATA') {
      await client.reply();
      client.send(body);
    }
    expect(await client.reply()).toBeUndefined();
    expect(mx.messages).toEqual([]);
    expect(last()).toMatchObject({ ended: 'host', transactions: [{ complete: false }] });
  });

  test.each<[StepBehaviour, boolean, string | undefined]>([
    [{ reply: '451 4.3.0 Later' }, false, '451 4.3.0 Later'],
    [{ close: 'instead' }, false, undefined],
    [{ close: 'after' }, true, '250 2.0.0 Ok, 3 octets'],
  ])('after the final dot, %j: accepted %s', async (content, accepted, expected) => {
    await start({ steps: { content } });
    await hello();
    client.send(`${envelope}DATA\r\n`);
    await client.reply();
    await client.reply();
    await client.reply();
    expect(await client.ask('x\r\n.')).toBe(expected);
    expect(last().transactions).toMatchObject([{ complete: true, accepted }]);
    expect(mx.messages).toHaveLength(accepted ? 1 : 0);
  });

  test('silent after the final dot: the message is complete, and no reply comes', async () => {
    await start({ steps: { content: { silent: true } } });
    await hello();
    client.send(`${envelope}DATA\r\n`);
    await client.reply();
    await client.reply();
    await client.reply();
    client.send('x\r\n.\r\n');
    await expect.poll(() => last().transactions[0]?.complete).toBe(true);
    expect(client.received()).toBe('');
    client.close();
    await expect.poll(() => last().ended).toBe('client');
    expect(mx.messages).toEqual([]);
  });
});

describe('TLS', () => {
  test('replies injected behind the one to STARTTLS arrive with it in clear', async () => {
    await start({ injection: '250-mx1.example.test\n250 REQUIRETLS' });
    await hello();
    expect(await client.ask('STARTTLS')).toBe('220 2.0.0 Go ahead');
    expect(await client.reply()).toBe('250-mx1.example.test\n250 REQUIRETLS');
  });

  test('TLS 1.0 and 1.1 alone refuse a modern client', async () => {
    await start({ tls: { versionMin: 'TLSv1', versionMax: 'TLSv1.1' } });
    await hello();
    await client.ask('STARTTLS');
    await expect(client.startTls()).rejects.toThrow(/protocol/i);
    await expect.poll(() => last().tlsError).toBeTruthy();
    expect(last().tls).toBeUndefined();
  });

  test('TLS 1.0 is really spoken to a client that takes it', async () => {
    await start({ tls: { versionMin: 'TLSv1', versionMax: 'TLSv1' } });
    await hello();
    await client.ask('STARTTLS');
    const old = { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as object;
    expect(await client.startTls(old)).toBe('TLSv1');
  });

  test.each(['close', 'garbage'] as const)(
    'fault %s in the place of a handshake',
    async (fault) => {
      await start({ tls: { fault } });
      await hello();
      await client.ask('STARTTLS');
      await expect(client.startTls()).rejects.toThrow();
    },
  );

  test('from the first octet, with AUTH PLAIN', async () => {
    await start({ implicitTls: true, credentials: { username: 'u', password: 'p' } });
    await client.startTls();
    expect(await hello()).toContain('AUTH PLAIN');
    expect(await client.ask('MAIL FROM:<>')).toBe('530 5.7.0 Authentication required');
    const response = (password: string): string =>
      Buffer.from(`\0u\0${password}`).toString('base64');
    expect(await client.ask(`AUTH PLAIN ${response('q')}`)).toBe('535 5.7.8 Wrong');
    expect(await client.ask('AUTH PLAIN')).toBe('334');
    expect(await client.ask(response('p'))).toBe('235 2.7.0 Welcome');
    expect(await client.ask('MAIL FROM:<>')).toBe('250 2.1.0 Ok');
    expect(last().authenticated).toBe(true);
  });
});

/** What each of these clients must not do, and what the host calls it. */
const misdeeds: readonly (readonly [MxBehaviour, readonly string[], ViolationKind])[] = [
  [{}, ['EHLO c.test\r\nMAIL FROM:<>\r\n'], 'group-not-ended'],
  [{}, ['EHLO c.test\r\n', 'STARTTLS\r\nEHLO c.test\r\n'], 'group-not-ended'],
  [{}, ['EHLO c.test\r\n', `${envelope}DATA\r\nx\r\n.\r\n`], 'group-not-ended'],
  [{}, ['EHLO c.test\r\n', `${envelope}BDAT 1 LAST\r\nx`], 'chunk-before-replies'],
  [{ pipelining: false }, ['EHLO c.test\r\n', envelope], 'pipelining-not-offered'],
  [{}, ['EHLO c.test\n'], 'bare-lf'],
  [{}, ['EHLO c\r.test\r\n'], 'bare-cr'],
  [{}, ['EHLO c.test\r\n', `${envelope}DATA\r\n`, 'a\nb\r\n.\r\n'], 'bare-lf'],
  [{}, ['EHLO c.test\r\n', `${envelope}DATA\r\n`, 'a\rb\r\n.\r\n'], 'bare-cr'],
  [{}, ['EHLO c.test\r\n', `${envelope}DATA\r\n`, 'ä\r\n.\r\n'], 'eight-bit-undeclared'],
  [{ eightBitMime: false }, ['EHLO c.test\r\n', 'MAIL FROM:<> BODY=8BITMIME\r\n'], 'not-offered'],
  [{}, ['EHLO c.test\r\n', 'MAIL FROM:<> REQUIRETLS\r\n'], 'requiretls-in-clear'],
  [{ startTls: 'absent' }, ['EHLO c.test\r\n', 'STARTTLS\r\n'], 'not-offered'],
  [{}, ['MAIL FROM:<>\r\n'], 'out-of-sequence'],
  [{}, ['EHLO c.test\r\n', 'MAIL FROM:<>\r\n', 'BDAT 1 LAST\r\nx'], 'content-without-recipient'],
  [{}, ['EHLO c.test\r\n', 'MAIL FROM:<ä@c.test>\r\n'], 'utf8-undeclared'],
  [{}, ['HELLO c.test\r\n'], 'syntax'],
];

test.each(misdeeds)('%j, %j: %s', async (behaviour, groups, kind) => {
  await start(behaviour);
  await client.reply();
  for (const group of groups.slice(0, -1)) {
    client.send(group);
    for (let lines = group.split('\r\n').length - 1; lines > 0; lines -= 1) {
      await client.reply();
    }
  }
  client.send(groups.at(-1) ?? '');
  await expect.poll(violations).toContain(kind);
});

test('who speaks before the greeting is on record', async () => {
  await start({ steps: { greeting: { delayMs: 50 } } });
  client.send('EHLO c.test\r\n');
  await client.reply();
  expect(violations()).toContain('early-talker');
});

test('"\\n.\\n" and "\\r\\n.\\n" do not end a message (SMTP smuggling)', async () => {
  await start();
  await hello();
  client.send(`${envelope}DATA\r\n`);
  await client.reply();
  await client.reply();
  await client.reply();
  client.send('a\n.\nMAIL FROM:<x@y.test>\r\n.\nb\r\n.\r\n');
  await client.reply();
  expect(mx.messages).toHaveLength(1);
  expect(violations()).toEqual(['bare-lf']);
});

test('behaviour changes while it runs, and the record can be forgotten', async () => {
  await start();
  await hello();
  await mx.behave({ steps: { mail: { reply: '451 4.3.0 Now I do not' } } });
  expect(await client.ask('MAIL FROM:<>')).toBe('451 4.3.0 Now I do not');
  mx.forget();
  expect(mx.connections).toEqual([]);
  await mx.behave({ state: 'down' });
  expect(await client.reply()).toBeUndefined();
});

test('clients that vanish at any moment do it no harm', async () => {
  await start();
  const session = [
    'EHLO client.test\r\n',
    'STARTTLS\r\n',
    `${envelope}DATA\r\n`,
    'x\r\n.\r\n',
    'BDAT 5\r\nx',
    'QUIT\r\n',
  ];
  for (let length = 0; length <= session.length; length += 1) {
    for (const without of ['STARTTLS\r\n', '']) {
      const vanishing = await connectRaw(mx);
      vanishing.send(session.slice(0, length).join('').replace(without, ''));
      vanishing.close();
    }
  }
  const open = (): number => mx.connections.filter(({ ended }) => ended === undefined).length;
  // The client that every test has is still there.
  await expect.poll(open).toBe(1);
  expect(await hello()).toContain('STARTTLS');
});
