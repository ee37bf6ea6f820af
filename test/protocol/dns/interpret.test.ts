import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RecordType } from '../../../functions/protocol/dns/answer.ts';
import {
  interpretResponse,
  type Step,
  startTrail,
  type Trail,
} from '../../../functions/protocol/dns/interpret.ts';
import { decodeMessage } from '../../../functions/protocol/dns/message.ts';
import { formatName, parseName } from '../../../functions/protocol/dns/name.ts';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  A,
  AAAA,
  CNAME,
  character,
  chars,
  labels,
  type MessageFields,
  MX,
  message,
  NS,
  name,
  nxdomain,
  type Octets,
  opt,
  record,
  soa,
  TXT,
  u16,
} from './wire.ts';

const malformed = expect.objectContaining({
  name: 'TransportSecurityError',
  code: 'dns-malformed',
});

function interpret<T extends RecordType>(
  type: T,
  fields: MessageFields,
  trail: Trail = startTrail(parseName(fields.question ?? 'example.com')),
): Step<T> {
  return interpretResponse(decodeMessage(message(fields)), type, trail);
}

const cname = (owner: string, target: string, ttl = 300): Octets =>
  record({ owner: name(owner), type: CNAME, ttl, rdata: name(target) });
const a = (owner: string, last: number, ttl = 300): Octets =>
  record({ owner: name(owner), type: A, ttl, rdata: [192, 0, 2, last] });
const mx = (preference: number, host: string): Octets =>
  record({ type: MX, rdata: [...u16(preference), ...name(host)] });
const referral = record({ owner: name('com'), type: NS, rdata: name('ns.example') });
const insecure = { status: 'insecure', canonicalName: 'example.com', aliases: [] } as const;

describe('records', () => {
  test.each<readonly [string, RecordType, MessageFields, unknown]>([
    ['one address', 'A', { answers: [a('example.com', 1)] }, ['192.0.2.1']],
    ['case does not count', 'A', { answers: [a('EXAMPLE.Com', 1)] }, ['192.0.2.1']],
    [
      'MX in the order sent',
      'MX',
      { type: MX, answers: [mx(20, 'b.example'), mx(10, 'A.example')] },
      [
        { preference: 20, exchange: 'b.example' },
        { preference: 10, exchange: 'a.example' },
      ],
    ],
    [
      'RFC 7505 §3: a null MX',
      'MX',
      { type: MX, answers: [mx(0, '')] },
      [{ preference: 0, exchange: '' }],
    ],
    [
      'RFC 2181 §5: duplicates count once',
      'A',
      { answers: [a('example.com', 1), a('example.com', 1)] },
      ['192.0.2.1'],
    ],
    [
      'TXT that differs in case is two records',
      'TXT',
      {
        answers: [
          record({ type: TXT, rdata: character('a') }),
          record({ type: TXT, rdata: character('A') }),
        ],
      },
      ['a', 'A'],
    ],
    [
      'records of other names, types and classes are not ours',
      'A',
      {
        answers: [
          a('example.org', 9),
          record({ type: A, class: 3, rdata: [192, 0, 2, 8] }),
          record({ type: AAAA, rdata: [1] }),
          record({ type: MX, rdata: [] }),
          a('example.com', 1),
        ],
      },
      ['192.0.2.1'],
    ],
    [
      'a name with a dot in its label is another name',
      'A',
      {
        question: 'a.b.example',
        answers: [
          record({ owner: labels('a.b', 'example'), type: A, rdata: [192, 0, 2, 9] }),
          a('a.b.example', 1),
        ],
      },
      ['192.0.2.1'],
    ],
    [
      'an alias, when it is what was asked for',
      'CNAME',
      { answers: [cname('example.com', 'Other.example')] },
      ['other.example'],
    ],
    [
      '100 of a type',
      'A',
      { answers: Array.from({ length: 100 }, () => a('example.com', 1)) },
      ['192.0.2.1'],
    ],
  ])('%s', (_, type, fields, records) => {
    expect(interpret(type, fields)).toMatchObject({
      kind: 'answer',
      answer: { kind: 'records', status: 'insecure', aliases: [], records },
    });
  });

  test('last as long as the shortest of them', () => {
    const step = interpret('A', { answers: [a('example.com', 1, 30), a('example.com', 2, 20)] });
    expect(step).toMatchObject({ answer: { ttlSeconds: 20 } });
  });

  test.each<readonly [string, RecordType, MessageFields]>([
    [
      'a malformed one among good ones',
      'A',
      { answers: [a('example.com', 1), record({ type: A, rdata: [1] })] },
    ],
    [
      'over 100 of a type',
      'A',
      { answers: Array.from({ length: 101 }, () => a('example.com', 1)) },
    ],
    ['NXDOMAIN beside records', 'A', { flags: nxdomain, answers: [a('example.com', 1)] }],
    ['a malformed alias', 'A', { answers: [record({ type: CNAME, rdata: [3, 97] })] }],
    [
      'RFC 2181 §10.1: an alias for two names',
      'A',
      { answers: [cname('example.com', 'a.example'), cname('example.com', 'b.example')] },
    ],
    ['an alias for itself', 'A', { answers: [cname('example.com', 'example.com')] }],
    [
      'an alias for itself in another case',
      'A',
      { answers: [cname('example.com', 'EXAMPLE.com')] },
    ],
    [
      'a loop of two',
      'A',
      { answers: [cname('example.com', 'b.example'), cname('b.example', 'example.com')] },
    ],
    [
      'a loop behind an alias',
      'A',
      {
        answers: [
          cname('example.com', 'b.example'),
          cname('b.example', 'c.example'),
          cname('c.example', 'b.example'),
        ],
      },
    ],
  ])('%s: malformed', (_, type, fields) => {
    expect(() => interpret(type, fields)).toThrow(malformed);
  });
});

describe('aliases', () => {
  const hop = (from: string, target: string) => ({ name: from, target, status: 'insecure' });
  const chain = (length: number): readonly Octets[] =>
    Array.from({ length }, (_, index) =>
      cname(index === 0 ? 'example.com' : `h${index}.example`, `h${index + 1}.example`),
    );

  test('are followed within the message in any order, the TTL being the least of all', () => {
    const answers = [
      a('c.example', 1, 90),
      cname('b.example', 'C.example', 60),
      cname('example.com', 'b.example', 70),
    ];
    expect(interpret('A', { answers })).toEqual({
      kind: 'answer',
      answer: {
        kind: 'records',
        status: 'insecure',
        canonicalName: 'c.example',
        aliases: [hop('example.com', 'b.example'), hop('b.example', 'c.example')],
        ttlSeconds: 60,
        records: ['192.0.2.1'],
      },
    });
  });

  test('their end is asked for where the message stops at it', () => {
    const step = interpret('A', { answers: [cname('example.com', 'b.example', 60)] });
    expect(step).toMatchObject({
      kind: 'ask',
      trail: { aliases: [hop('example.com', 'b.example')], ttlSeconds: 60 },
    });
    if (step.kind !== 'ask') {
      throw new TypeError('narrowed above');
    }
    expect(formatName(step.trail.name)).toBe('b.example');
    const next = {
      question: 'b.example',
      answers: [cname('b.example', 'c.example'), a('c.example', 1)],
    };
    expect(interpret('A', next, step.trail)).toMatchObject({
      answer: {
        kind: 'records',
        canonicalName: 'c.example',
        aliases: [hop('example.com', 'b.example'), hop('b.example', 'c.example')],
        ttlSeconds: 60,
      },
    });
    const back = { question: 'b.example', answers: [cname('b.example', 'example.com')] };
    expect(() => interpret('A', back, step.trail)).toThrow(malformed);
  });

  test('a target with a dot in its label is asked for as it is', () => {
    const answers = [record({ type: CNAME, rdata: labels('a.b', 'example') })];
    const step = interpret('A', { answers });
    expect(step).toMatchObject({ trail: { aliases: [{ target: 'a\\046b.example' }] } });
    expect(step.kind === 'ask' && [...step.trail.name]).toEqual([...labels('a.b', 'example')]);
  });

  test('twelve are followed, thirteen are not', () => {
    expect(interpret('A', { answers: chain(12) })).toMatchObject({ kind: 'ask' });
    expect(() => interpret('A', { answers: chain(13) })).toThrow(malformed);
  });

  test('the count goes on over messages', () => {
    const step = interpret('A', { answers: chain(12) });
    const next = { question: 'h12.example', answers: [cname('h12.example', 'h13.example')] };
    expect(() => step.kind === 'ask' && interpret('A', next, step.trail)).toThrow(malformed);
  });

  test.each<readonly [string, MessageFields, string, number]>([
    [
      'RFC 2308 §2.1: NXDOMAIN is about their end',
      { flags: nxdomain, authorities: [soa('example')] },
      'nxdomain',
      60,
    ],
    ['RFC 2308 §2.2: so is NODATA', { authorities: [soa('b.example')] }, 'nodata', 60],
  ])('%s', (_, fields, kind, ttlSeconds) => {
    expect(interpret('A', { answers: [cname('example.com', 'b.example')], ...fields })).toEqual({
      kind: 'answer',
      answer: {
        kind,
        status: 'insecure',
        canonicalName: 'b.example',
        aliases: [hop('example.com', 'b.example')],
        ttlSeconds,
      },
    });
  });

  test('NODATA of the zone of the alias says nothing of its target elsewhere', () => {
    const fields = {
      answers: [cname('example.com', 'b.example')],
      authorities: [soa('example.com')],
    };
    expect(interpret('A', fields)).toMatchObject({ kind: 'ask' });
  });

  test('an alias beside records of the type is not followed', () => {
    const answers = [cname('example.com', 'b.example'), a('example.com', 1)];
    expect(interpret('A', { answers })).toMatchObject({ answer: { ...insecure, kind: 'records' } });
  });
});

describe('denials and failures', () => {
  test.each<readonly [string, MessageFields, 'nodata' | 'nxdomain', number]>([
    ['NXDOMAIN', { flags: nxdomain, authorities: [soa('com')] }, 'nxdomain', 60],
    ['NXDOMAIN without SOA', { flags: nxdomain }, 'nxdomain', 0],
    [
      'RFC 2308 §2.2 type 1: NODATA with SOA and NS',
      { authorities: [soa('com'), referral] },
      'nodata',
      60,
    ],
    ['RFC 2308 §2.2 type 2: NODATA with SOA', { authorities: [soa('example.com')] }, 'nodata', 60],
    ['RFC 2308 §2.2 type 3: NODATA with nothing', {}, 'nodata', 0],
    ['records of another type only', { answers: [record({ type: MX, rdata: [] })] }, 'nodata', 0],
    [
      'RFC 2308 §5: the TTL of the SOA record where it is less',
      { authorities: [soa('com', 30)] },
      'nodata',
      30,
    ],
    [
      'RFC 2308 §5: its minimum where that is less',
      { authorities: [soa('com', 900, 20)] },
      'nodata',
      20,
    ],
    ['a malformed SOA record', { authorities: [record({ type: 6, rdata: [0] })] }, 'nodata', 0],
    ['the SOA record of a zone elsewhere', { authorities: [soa('example.org')] }, 'nodata', 0],
  ])('%s', (_, fields, kind, ttlSeconds) => {
    const answer = { ...insecure, kind, ttlSeconds };
    expect(interpret('A', fields)).toEqual({ kind: 'answer', answer });
  });

  test.each<readonly [string, MessageFields, string]>([
    ['SERVFAIL', { flags: 0x8182 }, 'SERVFAIL'],
    ['SERVFAIL with records', { flags: 0x8182, answers: [a('example.com', 1)] }, 'SERVFAIL'],
    ['REFUSED', { flags: 0x8185 }, 'REFUSED'],
    ['FORMERR', { flags: 0x8181 }, 'FORMERR'],
    ['NOTIMP', { flags: 0x8184 }, 'NOTIMP'],
    ['a code without a name', { flags: 0x818b }, 'RCODE 11'],
    ['RFC 6891 §6.1.3: BADVERS', { additionals: [opt([], { ttl: 0x0100_0000 })] }, 'BADVERS'],
    [
      'RFC 6891 §6.1.3: an extended code whose lower bits are NXDOMAIN',
      { flags: nxdomain, additionals: [opt([], { ttl: 0x0100_0000 })] },
      'RCODE 19',
    ],
    [
      'RFC 8914: SERVFAIL with a reason',
      { flags: 0x8182, additionals: [opt([0, 15, 0, 9, 0, 22, ...chars('timeout')])] },
      'SERVFAIL (EDE 22: timeout)',
    ],
    ['a referral', { authorities: [referral] }, 'a referral instead of an answer'],
  ])('%s', (_, fields, reason) => {
    expect(interpret('A', fields)).toEqual({
      kind: 'answer',
      answer: { kind: 'failed', code: 'dns-server-failure', reason },
    });
  });
});

test('records in any order and number end in a step or in dns-malformed', () => {
  const host = fc.constantFrom('example.com', 'b.example', 'c.example', 'd.example');
  const any = fc.oneof(
    fc.tuple(host, host).map(([owner, target]) => cname(owner, target)),
    fc.tuple(host, fc.nat(255)).map(([owner, last]) => a(owner, last)),
    host.map((owner) => soa(owner)),
    host.map((owner) => record({ owner: name(owner), type: NS, rdata: name('ns.example') })),
    fc.constant(record({ type: A, rdata: [1] })),
  );
  const fields = fc.record({
    flags: fc.constantFrom(0x8180, nxdomain, 0x8182),
    answers: fc.array(any, { maxLength: 8 }),
    authorities: fc.array(any, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fields, fc.constantFrom('A' as const, 'CNAME' as const), (sent, type) => {
      try {
        const step = interpret(type, sent);
        if (step.kind === 'answer' && step.answer.kind !== 'failed') {
          const { aliases, canonicalName } = step.answer;
          expect(aliases.at(-1)?.target ?? 'example.com').toBe(canonicalName);
          expect(new Set(aliases.map((hop) => hop.name)).size).toBe(aliases.length);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(TransportSecurityError);
      }
    }),
    { numRuns: 2_000 },
  );
});
