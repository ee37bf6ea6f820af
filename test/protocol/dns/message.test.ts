import packet from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DnsMessage, decodeMessage } from '../../../functions/protocol/dns/message.ts';
import { formatName } from '../../../functions/protocol/dns/name.ts';
import { decodeData } from '../../../functions/protocol/dns/record-data.ts';
import { recordTypes } from '../../../functions/protocol/dns/record-type.ts';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  A,
  AAAA,
  CNAME,
  character,
  chars,
  MX,
  message,
  name,
  type Octets,
  opt,
  pointer,
  questionName,
  record,
  SOA,
  soa,
  TXT,
  u16,
} from './wire.ts';

const malformed = expect.objectContaining({
  name: 'TransportSecurityError',
  code: 'dns-malformed',
});

const address = record({ type: A, rdata: [192, 0, 2, 1] });

describe('the walk of a message', () => {
  test('keeps header, question, sections, raw data and EDNS', () => {
    const octets = message({
      id: 0xbeef,
      flags: 0xffb3,
      question: 'Example.com',
      answers: [address],
      authorities: [soa('example.com')],
      additionals: [
        record({ owner: name('ns.Example'), type: A, class: 3, ttl: 0, rdata: [1, 2, 3, 4] }),
        opt([...u16(10), ...u16(2), 7, 8], { class: 4096, ttl: 0x01_00_80_00 }),
      ],
    });
    const decoded = decodeMessage(octets);
    expect(decoded.header).toEqual({
      id: 0xbeef,
      response: true,
      opcode: 15,
      authoritative: true,
      truncated: true,
      recursionDesired: true,
      recursionAvailable: true,
      authenticData: true,
      checkingDisabled: true,
      rcode: 3,
    });
    expect(decoded.rcode).toBe(19);
    expect(
      decoded.questions.map((question) => ({ ...question, name: formatName(question.name) })),
    ).toEqual([{ name: 'Example.com', type: A, class: 1 }]);
    const [answer] = decoded.answers;
    expect(answer).toMatchObject({ type: A, class: 1, ttlSeconds: 300 });
    expect(answer && formatName(answer.name)).toBe('Example.com');
    expect([...(answer?.rdata ?? [])]).toEqual([192, 0, 2, 1]);
    expect(answer && octets[answer.rdataOffset]).toBe(192);
    expect(decoded.authorities).toHaveLength(1);
    expect(decoded.additionals.map(({ class: recordClass }) => recordClass)).toEqual([3]);
    expect(decoded.edns).toEqual({
      payloadSizeBytes: 4096,
      extendedRcode: 1,
      version: 0,
      dnssecOk: true,
      options: [{ code: 10, data: Uint8Array.of(7, 8) }],
      extendedErrors: [],
    });
  });

  test('RFC 2181 §8: a TTL with the top bit set is zero', () => {
    const decoded = decodeMessage(
      message({ answers: [record({ type: A, ttl: 0x8000_0000, rdata: [1, 2, 3, 4] })] }),
    );
    expect(decoded.answers[0]?.ttlSeconds).toBe(0);
  });

  test('RFC 8914: extended errors are read, made printable and cut', () => {
    const error = (data: Octets): Octets => [...u16(15), ...u16(data.length), ...data];
    const text = `no\x1b[2J way${'!'.repeat(300)}`;
    const decoded = decodeMessage(
      message({
        flags: 0x8182,
        additionals: [opt([...error([0, 22, ...chars(text)]), ...error([0]), ...error([0, 6])])],
      }),
    );
    expect(decoded.edns?.extendedErrors).toEqual([
      { infoCode: 22, text: `no?[2J way${'!'.repeat(190)}` },
      { infoCode: 6, text: '' },
    ]);
    expect(decoded.edns?.options).toHaveLength(3);
  });

  const good = message({ answers: [address, address], additionals: [opt()] });
  test.each<readonly [string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['eleven octets', good.slice(0, 11)],
    ['a header that promises a question', good.slice(0, 12)],
    ['a question without its class', good.slice(0, 27)],
    ['an octet behind the last record', Uint8Array.from([...good, 0])],
    [
      'a whole record behind the last one',
      message({ answers: [address, address], counts: [1, 1, 0, 0] }),
    ],
    ['a record less than counted', message({ answers: [address], counts: [1, 2, 0, 0] })],
    ['the last record cut within its data', message({ answers: [address] }).slice(0, -2)],
    ['the last record cut within its TTL', message({ answers: [address] }).slice(0, -8)],
    [
      'RDLENGTH beyond the end',
      message({ answers: [record({ type: 99, rdata: [1], length: 2 })] }),
    ],
    ['RDLENGTH 65535', message({ answers: [record({ type: 99, rdata: [], length: 0xffff })] })],
    [
      'RDLENGTH too short, so that data is taken for records',
      message({ answers: [record({ type: 99, rdata: [1, 2, 3], length: 1 })] }),
    ],
    ['65,535 records announced', message({ counts: [1, 0xffff, 0xffff, 0xffff] })],
    [
      'over 1,024 records',
      message({
        answers: new Array<Octets>(1025).fill(record({ owner: [0], type: 99, rdata: [] })),
      }),
    ],
    [
      'an owner that points to itself',
      message({ answers: [record({ owner: pointer(29), type: A, rdata: [1, 2, 3, 4] })] }),
    ],
    [
      'an owner of a reserved label type',
      message({ answers: [record({ owner: [0x80, 0], type: A, rdata: [1, 2, 3, 4] })] }),
    ],
    ['RFC 6891 §6.1.1: two OPT records', message({ additionals: [opt(), opt()] })],
    [
      'RFC 6891 §6.1.2: an OPT record with an owner',
      message({ additionals: [opt([], { owner: name('a') })] }),
    ],
    [
      'an OPT option longer than the record',
      message({ additionals: [opt([...u16(15), ...u16(9), 0, 1])] }),
    ],
    ['half an OPT option', message({ additionals: [opt([0, 15, 0])] })],
  ])('%s is malformed', (_, octets) => {
    expect(() => decodeMessage(octets)).toThrow(malformed);
  });

  test('every shorter message is malformed', () => {
    for (let length = 0; length < good.length; length += 1) {
      expect(() => decodeMessage(good.subarray(0, length))).toThrow(malformed);
    }
  });
});

/** One record of the type as the only answer. */
function dataOf(type: keyof typeof decodable, rdata: Octets, length?: number): unknown {
  const octets = message({
    answers: [
      record({ type: decodable[type], rdata, ...(length === undefined ? {} : { length }) }),
    ],
  });
  const decoded = decodeMessage(octets);
  const [answer] = decoded.answers;
  return answer && decodeData(decoded, answer, type);
}

const decodable = { A, AAAA, CNAME, SOA, MX, TXT } as const;
const v6: Octets = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const timers: Octets = [0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 60];

describe('the data of one record', () => {
  test.each<readonly [keyof typeof decodable, Octets, unknown, string]>([
    ['A', [192, 0, 2, 1], '192.0.2.1', 'RFC 1035 §3.4.1'],
    ['AAAA', v6, '2001:db8::1', 'RFC 3596 §2.2'],
    [
      'MX',
      [0, 10, ...name('Mail.Example.COM')],
      { preference: 10, exchange: 'mail.example.com' },
      'lower case',
    ],
    [
      'MX',
      [0, 10, 4, ...chars('mail'), ...questionName],
      { preference: 10, exchange: 'mail.example.com' },
      'compressed',
    ],
    ['MX', [0, 0, 0], { preference: 0, exchange: '' }, 'RFC 7505 §3: a null MX'],
    [
      'MX',
      [0, 1, 3, ...chars('a.b'), 0],
      { preference: 1, exchange: 'a\\046b' },
      'a dot within a label',
    ],
    ['TXT', character('v=STSv1; id=1;'), 'v=STSv1; id=1;', 'one string'],
    [
      'TXT',
      [...character('v=STS'), ...character('v1; id=1;')],
      'v=STSv1; id=1;',
      'RFC 8461 §3.1: joined without a blank',
    ],
    ['TXT', [0], '', 'an empty string'],
    ['TXT', character('\xc3\xa9\xff\0'), '\xc3\xa9\xff\0', 'one char per octet, whatever it is'],
    ['CNAME', questionName, 'example.com', 'compressed whole'],
    [
      'SOA',
      [...questionName, 2, ...chars('hm'), ...questionName, ...timers],
      { serial: 7, minimumSeconds: 60 },
      'RFC 1035 §3.3.13',
    ],
  ])('%s %j -> %j: %s', (type, rdata, data) => {
    expect(dataOf(type, rdata)).toEqual(data);
  });

  test.each<readonly [keyof typeof decodable, Octets, string]>([
    ['A', [192, 0, 2], 'three octets'],
    ['A', [192, 0, 2, 1, 5], 'five octets'],
    ['A', new Array<number>(16).fill(1), 'the length of an AAAA record, which dns-packet takes'],
    ['AAAA', [192, 0, 2, 1], 'the length of an A record'],
    ['AAAA', v6.slice(1), 'fifteen octets'],
    ['MX', [0, 10], 'no name'],
    ['MX', [0, 10, 4, ...chars('mai')], 'RDLENGTH cuts the name, which dns-packet does not see'],
    ['MX', [0, 10, 4, ...chars('mail'), 0, 0], 'an octet behind the name'],
    ['MX', [0, 10, 4, ...chars('mail')], 'a name that would go on in the next record'],
    ['MX', [0, 10, ...pointer(43)], 'a name that points to itself'],
    ['MX', [], 'nothing'],
    ['TXT', [], 'RFC 1035 §3.3.14: one string at least'],
    ['TXT', [5, 97], 'a string longer than the record, at which dns-packet starts over'],
    ['TXT', [1, 97, 5], 'a second string cut short'],
    ['CNAME', [...questionName, 0], 'an octet behind the name'],
    ['CNAME', [0xc0], 'half a pointer'],
    ['SOA', [...questionName, ...questionName, ...timers.slice(1)], 'a timer cut short'],
    ['SOA', [...questionName, ...questionName, ...timers, 0], 'an octet behind the timers'],
    ['SOA', [...questionName, ...timers], 'one name'],
  ])('%s %j is malformed: %s', (type, rdata) => {
    expect(() => dataOf(type, rdata)).toThrow(malformed);
  });

  test('the longest character-string has 255 octets', () => {
    const rdata = [...character('a'.repeat(255)), ...character('b')];
    expect(dataOf('TXT', rdata)).toBe(`${'a'.repeat(255)}b`);
  });

  test('a malformed record of a type that nobody reads leaves the others as they are', () => {
    const decoded = decodeMessage(
      message({
        answers: [record({ type: MX, rdata: [1] }), address, record({ type: 46, rdata: [1] })],
      }),
    );
    const answer = decoded.answers[1];
    expect(answer && decodeData(decoded, answer, 'A')).toBe('192.0.2.1');
  });
});

describe('beside dns-packet as the encoder', () => {
  const host = fc
    .array(fc.stringMatching(/^[a-z0-9_-]{1,20}$/), { minLength: 1, maxLength: 5 })
    .map((texts) => texts.join('.'));
  const answer = fc.oneof(
    fc.record({ type: fc.constant('A' as const), name: host, data: fc.ipV4() }),
    fc.record({
      type: fc.constant('MX' as const),
      name: host,
      data: fc.record({ preference: fc.nat(0xffff), exchange: host }),
    }),
    fc.record({ type: fc.constant('CNAME' as const), name: host, data: host }),
    fc.record({
      type: fc.constant('TXT' as const),
      name: host,
      data: fc.array(fc.stringMatching(/^[ -~]{0,255}$/), { minLength: 1, maxLength: 4 }),
    }),
  );

  test('what it encodes is decoded to the same', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 20 }), host, (answers, question) => {
        const encoded = packet.encode({
          type: 'response',
          id: 1,
          questions: [{ type: 'MX', name: question }],
          answers: answers.map((fields) => ({ ...fields, ttl: 60 })),
        });
        const decoded = decodeMessage(encoded);
        const read = decoded.answers.map((found, index) => {
          const type = answers[index]?.type ?? 'A';
          expect(found.type).toBe(recordTypes[type]);
          return { type, name: formatName(found.name), data: decodeData(decoded, found, type) };
        });
        expect(read).toEqual(
          answers.map((sent) =>
            sent.type === 'TXT' ? { ...sent, data: sent.data.join('') } : sent,
          ),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('hostile octets', () => {
  /** Decodes as much as can be; true where the message is well-formed. */
  function exhaust(octets: Uint8Array): boolean {
    let decoded: DnsMessage;
    try {
      decoded = decodeMessage(octets);
    } catch (error) {
      expect(error).toBeInstanceOf(TransportSecurityError);
      expect(error).toMatchObject({ code: 'dns-malformed' });
      return false;
    }
    for (const found of [...decoded.answers, ...decoded.authorities, ...decoded.additionals]) {
      for (const type of ['A', 'AAAA', 'MX', 'TXT', 'CNAME', 'SOA'] as const) {
        try {
          decodeData(decoded, found, type);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportSecurityError);
        }
      }
    }
    return true;
  }

  const seeds = [
    message({
      answers: [
        record({ type: CNAME, rdata: [3, ...chars('www'), ...questionName] }),
        record({
          owner: pointer(41),
          type: MX,
          rdata: [0, 10, 4, ...chars('mail'), ...pointer(45)],
        }),
        record({ type: TXT, rdata: [...character('abc'), ...character('def')] }),
        record({ type: AAAA, rdata: v6 }),
      ],
      authorities: [soa('example.com')],
      additionals: [opt([...u16(15), ...u16(2), 0, 3])],
    }),
    message({ flags: 0x8183, authorities: [soa('com')] }),
  ];

  test('the seeds are well-formed', () => {
    expect(seeds.map(exhaust)).toEqual([true, true]);
  });

  test('any octets are a message or dns-malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (octets) => void exhaust(octets)),
      {
        numRuns: 2_000,
      },
    );
  });

  test('so is a good message with octets changed, cut or repeated', () => {
    const change = fc.record({ at: fc.nat(400), to: fc.nat(255) });
    const mutated = fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.option(fc.nat(400)),
        fc.boolean(),
      )
      .map(([seed, changes, cut, twice]) => {
        const octets = Uint8Array.from(twice ? [...seed, ...seed.subarray(12)] : seed);
        for (const { at, to } of changes) {
          octets[at % octets.length] = to;
        }
        return cut === null ? octets : octets.subarray(0, cut);
      });
    fc.assert(
      fc.property(mutated, (octets) => void exhaust(octets)),
      { numRuns: 10_000 },
    );
  });

  /** As many owners as fit, all of them the longest name there is, reached by a pointer. */
  function bomb(): Uint8Array {
    const longest = name('a.'.repeat(127));
    const first = record({ owner: longest, type: 99, rdata: [] });
    const rest = new Array<Octets>(1022).fill(record({ owner: pointer(29), type: 99, rdata: [] }));
    return message({ answers: [first, ...rest] });
  }

  /** Each name one label and a pointer to the one before, until names get too long. */
  function staircase(): Uint8Array {
    const steps = Array.from({ length: 60 }, (_, index) =>
      record({
        owner: [1, 97, ...pointer(index === 0 ? 12 : 29 + (index - 1) * 14)],
        type: 99,
        rdata: [],
      }),
    );
    return message({ answers: steps });
  }

  test.each([
    ['1,023 names of 127 labels', bomb(), true],
    ['names with up to 60 pointers', staircase(), true],
    [
      '64 KB of pointers',
      Uint8Array.from([
        ...message({ counts: [1, 1, 0, 0] }),
        ...new Array<number>(65_000).fill(0xc0),
      ]),
      false,
    ],
    [
      '64 KB of zeros',
      Uint8Array.from([
        ...message({ counts: [1, 900, 0, 0] }),
        ...new Array<number>(65_000).fill(0),
      ]),
      false,
    ],
  ])('%s take no time', (_, octets, wellFormed) => {
    expect(exhaust(octets)).toBe(wellFormed);
    const rounds = 20;
    const start = performance.now();
    for (let round = 0; round < rounds; round += 1) {
      try {
        decodeMessage(octets);
      } catch {
        // Judged above; here only the time counts.
      }
    }
    // One takes 2 to 5 ms. The bound leaves room for a machine that does other things too.
    expect((performance.now() - start) / rounds).toBeLessThan(50);
  });
});
