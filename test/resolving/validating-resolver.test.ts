/** What the resolver asks, keeps, shares and gives up. */
import { describe, expect, test } from 'vitest';
import { readQuestion, type SignedAnswer } from '../../bin/world/dnssec-answers.ts';
import { createSigningKey, encodeDs } from '../../bin/world/dnssec-keys.ts';
import { typeNumbers } from '../../bin/world/dnssec-wire.ts';
import { parseName } from '../../functions/protocol/dns/name.ts';
import { parseTrustAnchors, rootAnchors } from '../../functions/protocol/dnssec/anchors.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { createValidatingResolver } from '../../functions/resolving/validating-resolver.ts';
import {
  type AskedQuestion,
  anchorsOf,
  createSignedExchange,
  createSignedWorld,
  deadlineMs,
  expirationSeconds,
  keyOf,
  nowSeconds,
  type SignedWorld,
  signTree,
  type ZoneSpec,
} from './signed-world.ts';

const { A, DS, DNSKEY, MX, TLSA, TXT } = typeNumbers;

const mailDomain = (origin: string, more: Partial<ZoneSpec> = {}): ZoneSpec => ({
  origin,
  records: [
    { name: origin, type: 'MX', preference: 10, exchange: `mx.${origin}` },
    { name: `mx.${origin}`, type: 'A', data: '192.0.2.1' },
    {
      name: `_25._tcp.mx.${origin}`,
      type: 'TLSA',
      usage: 3,
      selector: 1,
      matchingType: 1,
      data: new Uint8Array(32),
    },
  ],
  ...more,
});

const tree = signTree([
  { origin: '' },
  { origin: 'test' },
  mailDomain('one.test'),
  mailDomain('two.test'),
  mailDomain('open.test', { keys: 'none' }),
]);

const written = (asked: readonly { readonly name: string; readonly type: number }[]): string[] =>
  asked.map(({ name, type }) => `${name} ${type}`);

const servfail: SignedAnswer = { rcode: 2, answers: [], authorities: [] };

describe('queries', () => {
  test('a first domain, a second one under the same parent, and one that is not signed', async () => {
    const { resolver, asked } = createSignedWorld(tree);
    await resolver.lookup('one.test', 'MX', deadlineMs);
    expect(written(asked.splice(0))).toEqual([
      `one.test ${MX}`,
      ` ${DNSKEY}`,
      `test ${DS}`,
      `test ${DNSKEY}`,
      `one.test ${DS}`,
      `one.test ${DNSKEY}`,
    ]);
    await resolver.lookup('mx.one.test', 'A', deadlineMs);
    await resolver.lookup('_25._tcp.mx.one.test', 'TLSA', deadlineMs);
    expect(written(asked.splice(0))).toEqual([`mx.one.test ${A}`, `_25._tcp.mx.one.test ${TLSA}`]);
    await resolver.lookup('two.test', 'MX', deadlineMs);
    expect(written(asked.splice(0))).toEqual([
      `two.test ${MX}`,
      `two.test ${DS}`,
      `two.test ${DNSKEY}`,
    ]);
    await resolver.lookup('open.test', 'MX', deadlineMs);
    await resolver.lookup('_25._tcp.mx.open.test', 'TLSA', deadlineMs);
    expect(written(asked)).toEqual([
      `open.test ${MX}`,
      `open.test ${DS}`,
      `_25._tcp.mx.open.test ${TLSA}`,
    ]);
  });

  test('the way down is asked for all at once: two round trips, not six', async () => {
    let waiting: (() => void)[] = [];
    const { resolver, asked } = createSignedWorld(tree, {
      exchange: (query, limit, rejected) =>
        new Promise((resolve) => waiting.push(() => resolve(inner(query, limit, rejected)))),
    });
    const inner = createSignedExchange(tree, { asked });
    const answer = resolver.lookup('one.test', 'MX', deadlineMs);
    let rounds = 0;
    for (; rounds < 10 && waiting.length > 0; rounds += 1) {
      const round = waiting;
      waiting = [];
      for (const release of round) {
        release();
      }
      await new Promise(setImmediate);
    }
    expect(await answer).toMatchObject({ status: 'secure' });
    expect(rounds).toBe(2);
    expect(asked).toHaveLength(6);
  });

  test('many who ask at once share every query', async () => {
    const { resolver, asked } = createSignedWorld(tree);
    const names = ['one.test', 'mx.one.test', 'two.test'];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        resolver.lookup(names[index % 3] ?? '', index % 2 ? 'MX' : 'A', deadlineMs),
      ),
    );
    expect(answers.every((answer) => answer.kind !== 'failed' && answer.status === 'secure')).toBe(
      true,
    );
    expect(new Set(written(asked)).size).toBe(asked.length);
  });

  test('DO and CD on every one (RFC 6840 §5.9), and the id 0 for the transport to replace', async () => {
    const queries: Uint8Array[] = [];
    const inner = createSignedExchange(tree);
    const { resolver } = createSignedWorld(tree, {
      exchange: (query, ...more) => {
        queries.push(query);
        return inner(query, ...more);
      },
    });
    await resolver.lookup('one.test', 'MX', deadlineMs);
    for (const query of queries) {
      expect([...query.subarray(0, 4)]).toEqual([0, 0, 0x01, 0x10]);
      expect(query.at(-4)).toBe(0x80);
    }
  });

  test("an answer with another id is the transport's business; one with another question is not", async () => {
    const inner = createSignedExchange(tree);
    const { resolver } = createSignedWorld(tree, {
      exchange: async (...query) => {
        const octets = (await inner(...query)).slice();
        octets.set([0xab, 0xcd]);
        return octets;
      },
    });
    expect(await resolver.lookup('one.test', 'MX', deadlineMs)).toMatchObject({ status: 'secure' });
    const other = createSignedWorld(tree, {
      exchange: async (query, ...more) => {
        const octets = (await inner(query, ...more)).slice();
        octets[13] = (octets[13] ?? 0) ^ 1;
        return octets;
      },
    });
    expect(await other.resolver.lookup('one.test', 'MX', deadlineMs)).toMatchObject({
      kind: 'failed',
      code: 'dns-malformed',
    });
  });
});

describe('servers that disagree', () => {
  const bad: readonly (readonly [string, (answer: SignedAnswer) => SignedAnswer])[] = [
    ['bogus', (answer) => ({ ...answer, answers: answer.answers.slice(0, 1) })],
    ['SERVFAIL', () => servfail],
    ['REFUSED', () => ({ ...servfail, rcode: 5 })],
    [
      'malformed where it matters',
      (answer) => ({
        ...answer,
        answers: answer.answers.map((record) =>
          record.type === MX ? { ...record, rdata: Uint8Array.of(0) } : record,
        ),
      }),
    ],
    [
      'a referral',
      () => ({
        rcode: 0,
        answers: [],
        authorities: [{ name: 'test', type: 2, ttlSeconds: 1, rdata: Uint8Array.of(0) }],
      }),
    ],
  ];

  test.each(bad)('%s at first, right from the next one', async (_, spoil) => {
    const { resolver, asked } = createSignedWorld(tree, {
      intercept: (answer, { name, type, attempt }) =>
        name === 'one.test' && type === MX && attempt === 0 ? spoil(answer) : answer,
    });
    expect(await resolver.lookup('one.test', 'MX', deadlineMs)).toMatchObject({
      kind: 'records',
      status: 'secure',
    });
    expect(written(asked).filter((question) => question === `one.test ${MX}`)).toHaveLength(2);
  });

  test.each([
    ['DS', DS],
    ['DNSKEY', DNSKEY],
  ])('%s bogus at first, right from the next one', async (_, spoiled) => {
    const { resolver } = createSignedWorld(tree, {
      intercept: (answer, { name, type, attempt }) =>
        name === 'one.test' && type === spoiled && attempt === 0
          ? { ...answer, answers: [], authorities: [] }
          : answer,
    });
    expect(await resolver.lookup('one.test', 'MX', deadlineMs)).toMatchObject({ status: 'secure' });
  });

  test('the transport is told which answers were of no use', async () => {
    const rejections: (readonly Uint8Array[])[] = [];
    const inner = createSignedExchange(tree);
    const { resolver } = createSignedWorld(tree, {
      exchange: async (query, limit, rejected) => {
        const octets = await inner(query, limit, []);
        if (rejected.length > 0) {
          rejections.push(rejected);
          expect(rejected).toEqual([octets]);
        }
        return octets;
      },
      anchors: parseTrustAnchors(`. DS 1 13 2 ${'00'.repeat(32)}`),
    });
    expect(await resolver.lookup('one.test', 'MX', deadlineMs)).toMatchObject({
      code: 'dns-bogus',
    });
    expect(rejections).toHaveLength(1);
  });

  test('twice bogus is bogus, and a bogus zone is not asked again for its data', async () => {
    const { resolver, asked } = createSignedWorld(tree, {
      intercept: (answer, { name, type }) =>
        name === 'one.test' && type === DNSKEY ? { ...answer, answers: [] } : answer,
    });
    expect(await resolver.lookup('one.test', 'MX', deadlineMs)).toMatchObject({
      code: 'dns-bogus',
    });
    const counted = (question: string): number =>
      written(asked).filter((other) => other === question).length;
    expect(counted(`one.test ${DNSKEY}`)).toBe(2);
    expect(counted(`one.test ${MX}`)).toBe(1);
  });

  test('bogus at first and silence then is bogus', async () => {
    const { resolver } = createSignedWorld(tree, {
      intercept: (answer, { name, type, attempt }) => {
        if (name !== 'one.test' || type !== MX) {
          return answer;
        }
        return attempt === 0
          ? { ...answer, answers: answer.answers.slice(0, 1) }
          : new TransportSecurityError('dns-timeout', 'silence');
      },
    });
    expect(await resolver.lookup('one.test', 'MX', deadlineMs)).toMatchObject({
      code: 'dns-bogus',
    });
  });
});

describe('afresh', () => {
  /** The zone `one.test` with a TXT record, or none, of which the resolver has been told once. */
  async function changing(): Promise<SignedWorld & { publish(txt: string | Error): void }> {
    const treeWith = (...txt: readonly string[]) =>
      signTree([
        { origin: '' },
        { origin: 'test' },
        {
          origin: 'one.test',
          records: txt.map((data) => ({ name: 'one.test', type: 'TXT', data, ttlSeconds: 86_400 })),
        },
      ]);
    let exchange = createSignedExchange(treeWith('first'));
    const asked: AskedQuestion[] = [];
    const world = createSignedWorld(treeWith(), {
      exchange: (query, ...more) => {
        const question = readQuestion(query);
        asked.push(question ?? { name: '?', type: 0 });
        return exchange(query, ...more);
      },
    });
    await world.resolver.lookup('one.test', 'TXT', deadlineMs);
    asked.length = 0;
    return {
      ...world,
      asked,
      publish: (txt) => {
        exchange =
          typeof txt === 'string'
            ? createSignedExchange(treeWith(txt), { asked: [] })
            : () => Promise.reject(txt);
      },
    };
  }

  test('the question is asked again, the chain of trust is not, and the new answer is kept', async () => {
    const { resolver, asked, publish } = await changing();
    publish('second');
    const known = { kind: 'records', status: 'secure', records: ['first'] };
    const fresh = { ...known, records: ['second'] };
    expect(await resolver.lookup('one.test', 'TXT', deadlineMs)).toMatchObject(known);
    expect(asked).toEqual([]);
    const options = { afresh: true };
    expect(await resolver.lookup('one.test', 'TXT', deadlineMs, options)).toMatchObject(fresh);
    expect(written(asked)).toEqual([`one.test ${TXT}`]);
    expect(await resolver.lookup('one.test', 'TXT', deadlineMs)).toMatchObject(fresh);
    expect(asked).toHaveLength(1);
  });

  test.each([
    ['dns-timeout', 'silence'],
    ['dns-server-failure', 'SERVFAIL'],
  ] as const)('%s is said, and what is known is kept: %s', async (code, reason) => {
    const { resolver, publish } = await changing();
    publish(new TransportSecurityError(code, reason));
    const lookup = (afresh: boolean) => resolver.lookup('one.test', 'TXT', deadlineMs, { afresh });
    expect(await lookup(true)).toMatchObject({ kind: 'failed', code });
    expect(await lookup(false)).toMatchObject({ kind: 'records', records: ['first'] });
  });

  test('many who ask afresh at once share the query', async () => {
    const { resolver, asked } = await changing();
    await Promise.all(
      Array.from({ length: 20 }, () =>
        resolver.lookup('one.test', 'TXT', deadlineMs, { afresh: true }),
      ),
    );
    expect(asked).toHaveLength(1);
  });
});

describe('failures', () => {
  const failing = (question: string, error: Error | SignedAnswer) =>
    createSignedWorld(tree, {
      intercept: (answer, { name, type }) => (`${name} ${type}` === question ? error : answer),
    });

  test.each([
    ['the answer', `one.test ${MX}`],
    ['the keys', `one.test ${DNSKEY}`],
    ['the delegation', `one.test ${DS}`],
    ["the root's keys", ` ${DNSKEY}`],
  ])('nobody gives %s in time', async (_, question) => {
    const { resolver } = failing(question, new TransportSecurityError('dns-timeout', 'silence'));
    expect(await resolver.resolve('one.test', MX, deadlineMs)).toMatchObject({
      kind: 'failed',
      status: 'indeterminate',
      code: 'dns-timeout',
      reason: { infoCode: 22, text: expect.stringMatching(/silence/) },
    });
  });

  test.each([
    ['the answer', `one.test ${MX}`],
    ['the keys', `one.test ${DNSKEY}`],
    ['the delegation', `one.test ${DS}`],
  ])('SERVFAIL for %s is no proof of anything', async (_, question) => {
    const { resolver } = failing(question, servfail);
    expect(await resolver.resolve('one.test', MX, deadlineMs)).toMatchObject({
      kind: 'failed',
      status: 'indeterminate',
      code: 'dns-server-failure',
      reason: { text: expect.stringMatching(/SERVFAIL/) },
    });
  });

  test('a bug is not taken for a failure of the network', async () => {
    const { resolver } = failing(`one.test ${MX}`, new TypeError('a bug'));
    await expect(resolver.lookup('one.test', 'MX', deadlineMs)).rejects.toThrow('a bug');
  });

  test('the deadline holds even where the transport forgets it', async () => {
    const { resolver } = createSignedWorld(tree, { exchange: () => new Promise(() => undefined) });
    const begun = performance.now();
    const answers = await Promise.all([
      resolver.lookup('one.test', 'MX', nowSeconds * 1_000 + 40),
      resolver.lookup('one.test', 'MX', nowSeconds * 1_000 + 20),
    ]);
    expect(answers).toMatchObject([{ code: 'dns-timeout' }, { code: 'dns-timeout' }]);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  test('who has more time is not failed by who had less', async () => {
    const inner = createSignedExchange(tree);
    let calls = 0;
    const { resolver } = createSignedWorld(tree, {
      exchange: async (query, limit, rejected) => {
        calls += 1;
        if (limit < deadlineMs) {
          throw new TransportSecurityError('dns-timeout', 'no time');
        }
        return await inner(query, limit, rejected);
      },
    });
    const [hasty, patient] = await Promise.all([
      resolver.lookup('one.test', 'MX', nowSeconds * 1_000 + 1),
      resolver.lookup('one.test', 'MX', deadlineMs),
    ]);
    expect(hasty).toMatchObject({ code: 'dns-timeout' });
    expect(patient).toMatchObject({ status: 'secure' });
    expect(calls).toBe(7);
  });

  test('nothing is sent when no time is left', async () => {
    const { resolver, asked } = createSignedWorld(tree);
    expect(await resolver.lookup('one.test', 'MX', nowSeconds * 1_000)).toMatchObject({
      code: 'dns-timeout',
    });
    expect(asked).toEqual([]);
  });

  test.each(['a..b', `${'a'.repeat(64)}.test`, `${'abcdefg.'.repeat(40)}test`])(
    '%s is a name that nobody can be asked for',
    async (name) => {
      const { resolver, asked } = createSignedWorld(tree);
      expect(await resolver.lookup(name, 'A', deadlineMs)).toMatchObject({ code: 'dns-malformed' });
      expect(asked).toEqual([]);
    },
  );

  test.each([0, 41, 46, 128, 251, 255, 65_536, 1.5])(
    'type %d is no data of a zone',
    async (type) => {
      const { resolver } = createSignedWorld(tree);
      await expect(resolver.resolve('one.test', type, deadlineMs)).rejects.toThrow(RangeError);
    },
  );
});

describe('what is kept', () => {
  /** A world whose clock can be set. */
  function timed(specs: readonly ZoneSpec[], intercept?: Parameters<typeof createSignedWorld>[1]) {
    const clock = { nowMs: nowSeconds * 1_000 };
    const world = createSignedWorld(signTree(specs), { now: () => clock.nowMs, ...intercept });
    const ask = async (name: string, type: 'A' | 'MX' = 'A') => {
      const before = world.asked.length;
      const answer = await world.resolver.lookup(name, type, clock.nowMs + 5_000);
      return { answer, asked: written(world.asked.slice(before)) };
    };
    return { ...world, clock, ask };
  }

  const base: readonly ZoneSpec[] = [{ origin: '' }, { origin: 'test' }];

  test('an answer for its TTL, its status with it', async () => {
    const { ask, clock } = timed([...base, mailDomain('one.test', { ttlSeconds: 100 })]);
    expect((await ask('mx.one.test')).answer).toMatchObject({ ttlSeconds: 100, status: 'secure' });
    clock.nowMs += 99_500;
    expect(await ask('mx.one.test')).toMatchObject({
      answer: { ttlSeconds: 1, status: 'secure' },
      asked: [],
    });
    clock.nowMs += 500;
    // The zone's keys have the same TTL; those of the zones above, and what vouches for the keys, last longer.
    expect((await ask('mx.one.test')).asked).toEqual([
      `mx.one.test ${A}`,
      `one.test ${DS}`,
      `one.test ${DNSKEY}`,
    ]);
  });

  test('not past the end of its signature', async () => {
    const { ask, clock } = timed([...base, mailDomain('one.test', { ttlSeconds: 86_400 })]);
    clock.nowMs = (expirationSeconds - 50) * 1_000;
    expect((await ask('mx.one.test')).answer).toMatchObject({ ttlSeconds: 50, status: 'secure' });
    clock.nowMs += 51_000;
    expect((await ask('mx.one.test')).answer).toMatchObject({ code: 'dns-bogus' });
  });

  test('not for longer than the zone signed, whatever the server says', async () => {
    const { ask } = timed([...base, mailDomain('one.test')], {
      intercept: (answer) => ({
        ...answer,
        answers: answer.answers.map((record) => ({ ...record, ttlSeconds: 80_000 })),
      }),
    });
    expect((await ask('mx.one.test')).answer).toMatchObject({ ttlSeconds: 300 });
  });

  test('a denial for the least of its TTLs, three hours at most', async () => {
    const short = timed([...base, mailDomain('one.test', { minimumSeconds: 7 })]);
    expect((await short.ask('no.one.test')).answer).toMatchObject({
      kind: 'nxdomain',
      ttlSeconds: 7,
    });
    const long = timed([
      ...base,
      mailDomain('one.test', { minimumSeconds: 80_000, ttlSeconds: 80_000 }),
    ]);
    expect((await long.ask('no.one.test')).answer).toMatchObject({ ttlSeconds: 3_600 });
  });

  test('nothing with a TTL of zero; but one look-up does not ask twice for it', async () => {
    const { ask } = timed([...base, mailDomain('one.test', { ttlSeconds: 0, minimumSeconds: 0 })]);
    expect((await ask('one.test', 'MX')).asked).toHaveLength(6);
    const again = await ask('one.test', 'MX');
    expect(again.answer).toMatchObject({ status: 'secure', ttlSeconds: 0 });
    expect(again.asked).toEqual([`one.test ${MX}`, `one.test ${DS}`, `one.test ${DNSKEY}`]);
  });

  test('bogus for five seconds, failure for one, and no look-up that ran out of time', async () => {
    const outcome: { now: 'right' | 'wrong' | 'failing' | 'silent' } = { now: 'wrong' };
    const { ask, clock } = timed([...base, mailDomain('one.test')], {
      intercept: (answer, { type }) => {
        switch (type === MX ? outcome.now : 'right') {
          case 'wrong':
            return { ...answer, answers: answer.answers.slice(0, 1) };
          case 'failing':
            return servfail;
          case 'silent':
            return new TransportSecurityError('dns-timeout', 'silence');
          default:
            return answer;
        }
      },
    });
    expect((await ask('one.test', 'MX')).answer).toMatchObject({ code: 'dns-bogus' });
    outcome.now = 'failing';
    clock.nowMs += 4_999;
    expect(await ask('one.test', 'MX')).toMatchObject({ answer: { code: 'dns-bogus' }, asked: [] });
    clock.nowMs += 2;
    expect((await ask('one.test', 'MX')).answer).toMatchObject({ code: 'dns-server-failure' });
    outcome.now = 'silent';
    clock.nowMs += 999;
    expect(await ask('one.test', 'MX')).toMatchObject({
      answer: { code: 'dns-server-failure' },
      asked: [],
    });
    clock.nowMs += 2;
    expect((await ask('one.test', 'MX')).answer).toMatchObject({ code: 'dns-timeout' });
    outcome.now = 'right';
    expect((await ask('one.test', 'MX')).answer).toMatchObject({ status: 'secure' });
  });

  test('a zone that begins to be signed is noticed when the proof that it was not runs out', async () => {
    const now = { zones: signTree([...base, mailDomain('one.test', { keys: 'none' })]) };
    const clock = { nowMs: nowSeconds * 1_000 };
    const resolver = createValidatingResolver({
      exchange: (...query) => createSignedExchange(now.zones)(...query),
      anchors: anchorsOf(now.zones.find(({ origin }) => origin === '') as never),
      now: () => clock.nowMs,
    });
    const status = async () => {
      const answer = await resolver.lookup('one.test', 'MX', clock.nowMs + 5_000);
      return answer.kind === 'failed' ? answer.code : answer.status;
    };
    expect(await status()).toBe('insecure');
    now.zones = signTree([...base, mailDomain('one.test')]);
    clock.nowMs += 301_000;
    expect(await status()).toBe('secure');
  });

  test('no more than the set number of entries', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `host${index}.one.test`);
    const records = names.map((name) => ({ name, type: 'A' as const, data: '192.0.2.1' }));
    const { ask } = timed([...base, { origin: 'one.test', records }], {
      limits: { entriesMax: 100 },
    });
    for (const name of names) {
      await ask(name);
    }
    expect((await ask(names.at(-1) ?? '')).asked).toEqual([]);
    expect((await ask(names[0] ?? '')).asked).toEqual([`${names[0]} ${A}`]);
  });
});

describe('aliases', () => {
  const chain = (length: number, first = 0): ZoneSpec => ({
    origin: 'one.test',
    records: [
      ...Array.from({ length }, (_, index) => ({
        name: `a${index + first}.one.test`,
        type: 'CNAME' as const,
        data: `a${index + first + 1}.one.test`,
      })),
      { name: `a${length}.one.test`, type: 'A', data: '192.0.2.1' },
    ],
  });
  /** A server that leaves it to the resolver to follow. */
  const oneHop = (answer: SignedAnswer, { name }: { readonly name: string }): SignedAnswer =>
    name.startsWith('a')
      ? {
          rcode: 0,
          answers: answer.answers.filter((record) => record.name === name),
          authorities: [],
        }
      : answer;

  test.each([
    ['the server follows', undefined],
    ['the resolver follows', oneHop],
  ] as const)('12 are followed and 13 are not, %s', async (_, intercept) => {
    const options = intercept === undefined ? {} : { intercept };
    const twelve = createSignedWorld(
      signTree([{ origin: '' }, { origin: 'test' }, chain(12)]),
      options,
    );
    const answer = await twelve.resolver.lookup('a0.one.test', 'A', deadlineMs);
    expect(answer).toMatchObject({
      kind: 'records',
      status: 'secure',
      canonicalName: 'a12.one.test',
    });
    expect(answer.kind === 'records' && answer.aliases).toHaveLength(12);
    const thirteen = createSignedWorld(
      signTree([{ origin: '' }, { origin: 'test' }, chain(13)]),
      options,
    );
    expect(await thirteen.resolver.lookup('a0.one.test', 'A', deadlineMs)).toMatchObject({
      code: 'dns-malformed',
      reason: expect.stringMatching(/over 12 aliases/),
    });
  });

  test('a loop ends', async () => {
    const records = [
      { name: 'a0.one.test', type: 'CNAME' as const, data: 'a1.one.test' },
      { name: 'a1.one.test', type: 'CNAME' as const, data: 'a0.one.test' },
    ];
    const zones = signTree([{ origin: '' }, { origin: 'test' }, { origin: 'one.test', records }]);
    const { resolver } = createSignedWorld(zones, {
      intercept: (answer, { name }) =>
        name.startsWith('a')
          ? {
              rcode: 0,
              answers: zones
                .flatMap((zone) => [...(zone.names.get(name)?.values() ?? [])])
                .filter(({ type }) => type === 5)
                .flatMap((set) => [
                  ...set.rdatas.map((rdata) => ({ ...set, rdata })),
                  ...set.signatures.map((rdata) => ({ ...set, type: 46, rdata })),
                ]),
              authorities: [],
            }
          : answer,
    });
    expect(await resolver.lookup('a0.one.test', 'A', deadlineMs)).toMatchObject({
      code: 'dns-malformed',
      reason: expect.stringMatching(/loop/),
    });
  });
});

describe('anchors', () => {
  const zones = signTree([
    { origin: '' },
    { origin: 'test' },
    mailDomain('one.test'),
    mailDomain('island.test', { ds: [] }),
  ]);
  const [island, root, one] = ['island.test', '', 'one.test'].map((origin) => {
    const zone = zones.find((other) => other.origin === origin);
    return zone === undefined ? [] : anchorsOf(zone);
  }) as [ReturnType<typeof anchorsOf>, ReturnType<typeof anchorsOf>, ReturnType<typeof anchorsOf>];
  const status = async (options: Parameters<typeof createSignedWorld>[1], name: string) => {
    const answer = await createSignedWorld(zones, options).resolver.resolve(name, MX, deadlineMs);
    return answer.status;
  };

  test.each([
    ['the root alone', { anchors: root }, 'secure', 'insecure'],
    ['an island of its own', { anchors: [...root, ...island] }, 'secure', 'secure'],
    ['the island alone', { anchors: island }, 'indeterminate', 'secure'],
    ['none', { anchors: [] }, 'indeterminate', 'indeterminate'],
    ['a closer one', { anchors: one }, 'secure', 'indeterminate'],
    ['a negative one', { anchors: root, negativeAnchors: ['one.test'] }, 'insecure', 'insecure'],
    [
      'a negative one for all, and a closer one',
      { anchors: [...root, ...island], negativeAnchors: ['test'] },
      'insecure',
      'secure',
    ],
    [
      'of an algorithm that is not in the table',
      { anchors: root.map((anchor) => ({ ...anchor, algorithm: 5 })) },
      'indeterminate',
      'indeterminate',
    ],
    [
      'of a digest that nobody knows',
      { anchors: root.map((anchor) => ({ ...anchor, digestType: 9 })) },
      'indeterminate',
      'indeterminate',
    ],
    ["the real root's", { anchors: rootAnchors }, 'bogus', 'bogus'],
  ] as const)('%s', async (_, options, ofOne, ofIsland) => {
    expect(await status(options, 'one.test')).toBe(ofOne);
    expect(await status(options, 'island.test')).toBe(ofIsland);
  });

  test('a forged signer above an island does not make it insecure', async () => {
    const world = createSignedWorld(zones, {
      anchors: [...root, ...island],
      intercept: (answer, { name, type }) =>
        name === 'island.test' && type === MX
          ? { ...answer, answers: answer.answers.filter((record) => record.type !== 46) }
          : answer,
    });
    expect(await world.resolver.resolve('island.test', MX, deadlineMs)).toMatchObject({
      status: 'bogus',
    });
  });
});

describe('algorithms and digests', () => {
  const ds = (
    algorithm: 8 | 13,
    digestType: 1 | 2 | 4,
    change: Partial<Record<number, number>> = {},
  ) => {
    const rdata = encodeDs('one.test', keyOf('one.test', algorithm), digestType).slice();
    for (const [at, value] of Object.entries(change)) {
      rdata[Number(at)] = value ?? 0;
    }
    return { name: 'one.test', type: DS, rdata };
  };
  const wrong = { 10: 0, 11: 0, 12: 0 };

  test.each([
    ['SHA-256', [ds(13, 2)], 'secure'],
    ['SHA-384', [ds(13, 4)], 'secure'],
    ['SHA-1 alone', [ds(13, 1)], 'secure'],
    ['RFC 4509 §3: a wrong SHA-1 beside a right SHA-256', [ds(13, 1, wrong), ds(13, 2)], 'secure'],
    ['RFC 4509 §3: a right SHA-1 beside a wrong SHA-256', [ds(13, 1), ds(13, 2, wrong)], 'bogus'],
    [
      'one that is right, one that is wrong (RFC 6840 §5.11)',
      [ds(13, 2, wrong), ds(13, 4)],
      'secure',
    ],
    ['an unknown digest', [ds(13, 2, { 3: 9 })], 'insecure'],
    ['an unknown algorithm', [ds(13, 2, { 2: 9 })], 'insecure'],
    [
      'an unknown algorithm beside a wrong known one',
      [ds(13, 2, { 2: 9 }), ds(13, 2, wrong)],
      'bogus',
    ],
    [
      'SHA-1 of a known algorithm beside SHA-256 of an unknown one',
      [ds(13, 1), ds(13, 2, { 2: 9 })],
      'secure',
    ],
    ['a key tag that is wrong', [ds(13, 2, { 0: 1, 1: 1 })], 'bogus'],
    ['a digest cut short', [{ ...ds(13, 2), rdata: ds(13, 2).rdata.subarray(0, 30) }], 'bogus'],
  ] as const)('%s: %s', async (_, records, status) => {
    const zones = signTree([
      { origin: '' },
      { origin: 'test' },
      mailDomain('one.test', { ds: records }),
    ]);
    const { resolver } = createSignedWorld(zones);
    expect(await resolver.resolve('one.test', MX, deadlineMs)).toMatchObject({ status });
  });

  test.each([
    [5, 1],
    [7, 1],
  ] as const)(
    'RFC 9905 §2: algorithm %d makes a zone insecure by default',
    async (algorithm, infoCode) => {
      const zones = signTree([
        { origin: '' },
        { origin: 'test' },
        mailDomain('one.test', { keys: [keyOf('one.test', algorithm)] }),
      ]);
      const { resolver } = createSignedWorld(zones);
      expect(await resolver.resolve('one.test', MX, deadlineMs)).toMatchObject({
        status: 'insecure',
        reason: { infoCode },
      });
    },
  );

  test.each([
    [
      'a key-signing and a zone-signing key',
      [keyOf('one.test'), keyOf('one.test', 13, { flags: 256, seed: 'z' })],
    ],
    ['two algorithms, one of them unsupported', [keyOf('one.test', 5), keyOf('one.test', 13)]],
    ['two key-signing keys', [keyOf('one.test'), keyOf('one.test', 15)]],
  ] as const)('%s', async (_, keys) => {
    const zones = signTree([{ origin: '' }, { origin: 'test' }, mailDomain('one.test', { keys })]);
    const { resolver } = createSignedWorld(zones);
    expect(await resolver.resolve('one.test', MX, deadlineMs)).toMatchObject({ status: 'secure' });
  });

  test("an algorithm of one's own in the table", async () => {
    const key = createSigningKey({ seed: 'own', algorithm: 13 });
    const own = { ...key, algorithm: 253 as never, dnskey: key.dnskey.with(3, 253) };
    const tagged = { ...own, keyTag: keyTag(own.dnskey) };
    const zones = signTree([
      { origin: '' },
      { origin: 'test' },
      mailDomain('one.test', { keys: [tagged] }),
    ]);
    const { signatureAlgorithms } = await import('../../functions/protocol/dnssec/algorithms.ts');
    const p256 = signatureAlgorithms.get(13);
    if (p256 === undefined) {
      throw new TypeError('no P-256');
    }
    const { resolver } = createSignedWorld(zones, {
      algorithms: new Map([...signatureAlgorithms, [253, p256]]),
    });
    expect(await resolver.resolve('one.test', MX, deadlineMs)).toMatchObject({ status: 'secure' });
  });
});

function keyTag(dnskey: Uint8Array): number {
  let sum = 0;
  dnskey.forEach((octet, index) => {
    sum += index % 2 ? octet : octet * 256;
  });
  return (sum + (sum >> 16)) & 0xffff;
}

test('names in any case are the same, and are answered in lower case', async () => {
  const { resolver } = createSignedWorld(tree, {
    intercept: (answer) => ({
      ...answer,
      answers: answer.answers.map((record) => ({ ...record, name: record.name.toUpperCase() })),
    }),
  });
  expect(await resolver.resolve('One.TEST.', MX, deadlineMs)).toMatchObject({
    name: 'one.test',
    status: 'secure',
    set: { name: parseName('ONE.TEST') },
  });
});
