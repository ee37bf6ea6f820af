/** Results of other mail servers: what their datagrams say, what of it counts, and that it counts once. */
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { collectResults } from '../../functions/reporting/collect-results.ts';
import type { RecordedResults, RecordLookup } from '../../functions/reporting/ports.ts';
import { readDatagram } from '../../functions/reporting/read-datagram.ts';

const record = 'v=TLSRPTv1; rua=mailto:reports@company-y.example';

/** As libtlsrpt's documentation describes its example of a policy with two failures. */
const sts = {
  'policy-type': 2,
  'policy-domain': 'company-y.example',
  'policy-string': ['version: STSv1', 'mode: testing', 'mx: *.mail.company-y.example'],
  'mx-host': ['*.mail.company-y.example'],
  'failure-details': [
    {
      c: 302,
      s: '198.51.100.1',
      n: 'mailin.company-y.example',
      h: 'ehlo.company-y.example',
      r: '203.0.113.44',
      a: 'more about it',
      f: '999 TEST ERROR',
    },
    { c: 303, s: '198.51.100.1' },
  ],
  t: 2,
  f: 1,
};

const datagram = (over: object = {}): object => ({
  dpv: '1',
  d: 'company-y.example',
  pr: record,
  policies: [{ 'policy-type': 9, t: 0, f: 0 }],
  ...over,
});

/** `type domain: successes/failures` and what was wrong. */
const told = (value: unknown): string[] =>
  readDatagram(value).tallies.map(({ policy, successes, failures, details }) =>
    [
      `${policy.type} ${policy.domain}: ${successes}/${failures}`,
      ...details.map(({ failure, sessions }) => `${failure.resultType} ${sessions}`),
    ].join(' '),
  );

describe('a datagram', () => {
  test('with all that it can say', () => {
    expect(readDatagram(datagram({ policies: [sts] }))).toEqual({
      domain: 'company-y.example',
      record,
      tallies: [
        {
          policy: {
            type: 'sts',
            domain: 'company-y.example',
            strings: sts['policy-string'],
            mxHosts: ['*.mail.company-y.example'],
          },
          successes: 0,
          // RFC 8460 §4.2: one session, two errors.
          failures: 1,
          details: [
            {
              failure: {
                resultType: 'sts-policy-invalid',
                sendingMtaIp: '198.51.100.1',
                receivingMxHostname: 'mailin.company-y.example',
                receivingMxHelo: 'ehlo.company-y.example',
                receivingIp: '203.0.113.44',
                failureReasonCode: '999 TEST ERROR',
              },
              sessions: 1,
            },
            {
              failure: { resultType: 'sts-webpki-invalid', sendingMtaIp: '198.51.100.1' },
              sessions: 1,
            },
          ],
        },
      ],
    });
  });

  test.each<[object, string[], string]>([
    [{}, ['no-policy-found company-y.example: 1/0'], 'a session, no policy'],
    [{ d: 'Company-Y.Example' }, ['no-policy-found company-y.example: 1/0'], 'names are folded'],
    [{ d: 'bücher.example' }, ['no-policy-found xn--bcher-kva.example: 1/0'], 'and A-labels'],
    [
      { policies: [{ 'policy-type': 1, 'policy-domain': 'mx.host.example', f: 0 }] },
      ['tlsa mx.host.example: 1/0'],
      'RFC 8460 §1.1: the TLSA base domain',
    ],
    [
      { policies: [{ 'policy-type': 1, 'policy-domain': null, f: 0 }] },
      ['tlsa company-y.example: 1/0'],
      'the policy domain may be missing',
    ],
    [
      { policies: [{ 'policy-type': 9, f: 1 }] },
      ['no-policy-found company-y.example: 0/1 validation-failure 1'],
      'a failure of which nothing is said is one all the same',
    ],
    [
      { policies: [{ 'policy-type': 9, f: 0, 'failure-details': [{ c: 201 }] }] },
      ['no-policy-found company-y.example: 1/0 starttls-not-supported 1'],
      'the final result counts, and what it met on the way is told',
    ],
    [
      { policies: [{ 'policy-type': 9, f: 1, 'failure-details': [{ c: 999 }] }] },
      ['no-policy-found company-y.example: 0/1 validation-failure 1'],
      'a type that we do not know',
    ],
    [
      { policies: [{ 'policy-type': 9, f: 1, 'failure-details': [{ c: 201 }, { c: 201 }] }] },
      ['no-policy-found company-y.example: 0/1 starttls-not-supported 1'],
      'the same error twice is of one session',
    ],
    [
      { policies: [sts, { 'policy-type': 1, f: 0 }] },
      [
        'sts company-y.example: 0/1 sts-policy-invalid 1 sts-webpki-invalid 1',
        'tlsa company-y.example: 1/0',
      ],
      'several policies',
    ],
  ])('%j: %j', (over, expected, _reason) => {
    expect(told(datagram(over))).toEqual(expected);
  });

  test('counts however much strangers say', () => {
    const certificate = `3 0 0 ${'ab'.repeat(2_000)}`;
    const details = Array.from({ length: 200 }, (_, index) => ({ c: 205, f: `error ${index}` }));
    const { tallies } = readDatagram(
      datagram({
        policies: [
          { 'policy-type': 1, 'policy-string': [certificate], f: 0 },
          { 'policy-type': 2, 'policy-string': Array(1_000).fill('mx: a.example'), f: 0 },
          { 'policy-type': 2, 'policy-string': Array(4_000).fill('mx: a.example'), f: 0 },
          { 'policy-type': 9, 'failure-details': [{ c: 205, h: 'x'.repeat(5_000) }], f: 1 },
          { 'policy-type': 9, 'failure-details': details, f: 1 },
        ],
      }),
    );
    expect(tallies.map(({ policy }) => policy.strings.length)).toEqual([1, 1_000, 0, 0, 0]);
    expect(tallies[0]?.policy.strings).toEqual([certificate]);
    expect(tallies[3]?.details[0]?.failure.receivingMxHelo).toHaveLength(1_000);
    expect(tallies.map(({ failures, details: told }) => [failures, told.length])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
      [1, 1],
      [1, 100],
    ]);
  });

  test.each<[unknown, RegExp]>([
    [null, /the datagram: /],
    [[], /the datagram: /],
    [datagram({ dpv: '2' }), /dpv: /],
    [datagram({ d: 'a b' }), /not a domain name: "a b"/],
    [datagram({ pr: undefined }), /pr: /],
    [datagram({ policies: [] }), /policies: /],
    [datagram({ policies: [{ 'policy-type': 3, f: 0 }] }), /policy-type 3/],
    [datagram({ policies: [{ 'policy-type': 2, f: 2 }] }), /policies\.0\.f: /],
    [datagram({ policies: Array.from({ length: 21 }, () => sts) }), /policies: /],
    [datagram({ d: 'x'.repeat(2_000) }), /d: /],
    [datagram({ pr: `${record},${'x'.repeat(10_000)}` }), /pr: /],
  ])('%j is none', (value, message) => {
    expect(() => readDatagram(value)).toThrow(
      expect.objectContaining({ code: 'tlsrpt-invalid', message: expect.stringMatching(message) }),
    );
  });
});

const nowMs = Date.parse('2026-11-24T00:10:00Z');

function collector(nowMsOf = nowMs) {
  const written = new Map<string, RecordedResults>();
  const asked: string[] = [];
  let fault: Error | undefined;
  return {
    written: () => [...written.values()],
    asked,
    failWith: (error: Error | undefined) => {
      fault = error;
    },
    collect: (value: unknown) =>
      collectResults(
        value,
        {
          now: () => nowMsOf,
          store: {
            write: async (results) => {
              for (const each of results) {
                written.set(`${each.day} ${each.domain} ${each.id}`, each);
              }
              if (fault !== undefined) {
                throw fault;
              }
            },
          },
          lookUpRecord: async (domain): Promise<RecordLookup> => {
            asked.push(domain);
            return { kind: 'none', reason: 'nothing published' };
          },
        },
        nowMsOf + 1_000,
      ),
  };
}

const batch = (results: readonly object[], id = 'b1'): object => ({ id, results });
const at = '2026-11-24T00:05:00Z';

describe('a batch', () => {
  test('is counted by day and domain, under the record that the mail server saw', async () => {
    const { collect, written, asked } = collector();
    const answer = await collect(
      batch([
        { at, datagram: datagram() },
        { at, datagram: datagram() },
        { at: '2026-11-23T23:59:59+00:00', datagram: datagram() },
        { at, datagram: datagram({ d: 'other.example' }) },
      ]),
    );
    expect(answer).toEqual({ counted: 4, refused: [] });
    expect(
      written().map(({ day, domain, record: text, policies }) => [
        day,
        domain,
        text,
        policies[0]?.successes,
      ]),
    ).toEqual([
      ['2026-11-24', 'company-y.example', record, 2],
      ['2026-11-23', 'company-y.example', record, 1],
      ['2026-11-24', 'other.example', record, 1],
    ]);
    expect(asked).toEqual([]);
  });

  test('with several errors of one session has one failed session, and each error', async () => {
    const { collect, written } = collector();
    const one = { at, datagram: datagram({ policies: [sts] }) };
    await collect(batch([one, one, { at, datagram: datagram({ policies: [{ ...sts, f: 0 }] }) }]));
    expect(written().flatMap(({ policies }) => policies)).toEqual([
      expect.objectContaining({
        successes: 1,
        failures: 2,
        details: [
          expect.objectContaining({ sessions: 3 }),
          expect.objectContaining({ sessions: 3 }),
        ],
      }),
    ]);
  });

  test('a TLSA base domain is asked whether it wants to hear of it', async () => {
    const { collect, asked, written } = collector();
    const policies = [{ 'policy-type': 1, 'policy-domain': 'mx.host.example', f: 0 }];
    await collect(batch([{ at, datagram: datagram({ policies }) }]));
    expect(asked).toEqual(['mx.host.example']);
    expect(written().map(({ domain }) => domain)).toEqual(['company-y.example']);
  });

  test('sent again it counts once; another one counts beside it', async () => {
    const { collect, written, failWith } = collector();
    const one = batch([{ at, datagram: datagram() }]);
    failWith(new TransportSecurityError('store-unavailable', 'throttled'));
    await expect(collect(one)).rejects.toMatchObject({ code: 'store-unavailable' });
    failWith(undefined);
    await collect(one);
    expect(written()).toHaveLength(1);
    await collect(batch([{ at, datagram: datagram() }], 'b2'));
    expect(written()).toHaveLength(2);
  });

  test.each<[string, object, string, RegExp]>([
    ['no datagram', { at, datagram: 7 }, '2026-11-24T00:10:00Z', /the datagram/],
    [
      'a day whose report is made',
      { at: '2026-11-23T23:59:59Z', datagram: datagram() },
      '2026-11-24T00:20:00Z',
      /reported already/,
    ],
    [
      'a time to come',
      { at: '2026-11-24T00:16:00Z', datagram: datagram() },
      '2026-11-24T00:10:00Z',
      /set the clock right/,
    ],
  ])('%s is refused, and no other', async (_name, entry, now, reason) => {
    const { collect, written } = collector(Date.parse(now));
    expect(await collect(batch([entry, { at, datagram: datagram() }]))).toEqual({
      counted: 1,
      refused: [{ index: 0, reason: expect.stringMatching(reason) }],
    });
    expect(written()).toHaveLength(1);
  });

  test.each<[unknown, RegExp]>([
    [null, /\(body\): /],
    [{ results: [{ at, datagram: datagram() }] }, /id: /],
    [batch([]), /results: /],
    [batch(Array.from({ length: 501 }, () => ({ at, datagram: {} }))), /results: /],
    [batch([{ datagram: datagram() }]), /results\.0\.at: /],
    [batch([{ at: 'yesterday', datagram: datagram() }]), /results\.0\.at: /],
    [{ ...batch([{ at, datagram: datagram() }]), more: 1 }, /more/],
  ])('%# is none', async (value, message) => {
    await expect(collector().collect(value)).rejects.toMatchObject({
      code: 'tlsrpt-invalid',
      message: expect.stringMatching(message),
    });
  });
});
