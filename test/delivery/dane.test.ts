/** DANE in the delivery room: which TLSA records are asked for, what they demand, and what stands when they fail. */
import { describe, expect, test } from 'vitest';
import type { QueueRecord } from '../../functions/delivery/deliver-batch.ts';
import type { Answer, DnssecStatus, TlsaData } from '../../functions/protocol/dns/answer.ts';
import { createHarness, enforce, type Harness, mxOf, record } from './harness.ts';

const only = 'rcpt.example';
const host = 'mx.rcpt.example';
const owner = `_25._tcp.${host}`;

const tlsa = (digest: number, usage = 3): TlsaData => ({
  usage,
  selector: 1,
  matchingType: 1,
  data: new Uint8Array(32).fill(digest),
});

function records<T extends 'A' | 'TLSA'>(
  status: DnssecStatus,
  list: readonly (string | TlsaData)[],
): Answer<T> {
  return {
    kind: 'records',
    status,
    canonicalName: '',
    aliases: [],
    ttlSeconds: 60,
    records: list,
  } as unknown as Answer<T>;
}

/** rcpt.example in a signed zone, its host with these TLSA records. */
function signed(answer: Answer<'TLSA'> = records('secure', [tlsa(1)])): Harness {
  const harness = createHarness();
  harness.mx.set(only, { ...mxOf(host), status: 'secure' } as Answer<'MX'>);
  harness.answers.set(`${host} A`, records<'A'>('secure', ['203.0.114.25']));
  harness.answers.set(`${owner} TLSA`, answer);
  return harness;
}

async function deliver(harness: Harness, over: object = {}): Promise<string> {
  const one = record(over);
  await harness.deliver(one);
  const row = await harness.stores.messages.readDelivery(JSON.parse(one.body).id, only);
  const [recipient] = row?.recipients ?? [];
  return `${recipient?.state} ${recipient?.status} ${harness.opened.at(-1)?.tls ?? '-'}`;
}

const servfail = { kind: 'failed', code: 'dns-server-failure', reason: 'SERVFAIL' } as const;
const nodata = {
  kind: 'nodata',
  status: 'secure',
  canonicalName: owner,
  aliases: [],
  ttlSeconds: 60,
} as const;

describe('a host in a signed zone', () => {
  test('usable records: the channel must match them, under the base domain as SNI', async () => {
    const harness = signed();
    expect(await deliver(harness)).toBe('delivered 2.0.0 dane');
    expect(harness.opened[0]?.dane).toEqual({
      records: [tlsa(1)],
      referenceIdentifiers: { base: host, nextHop: [only, ''] },
      alsoPkix: false,
    });
  });

  test.each([
    [nodata, 'delivered 2.0.0 opportunistic', 'proven absent'],
    [servfail, 'pending 4.4.3 -', 'RFC 7672 §2.1.2: never downgraded'],
    [{ ...nodata, status: 'bogus' }, 'pending 4.7.0 -', 'a forged denial'],
    [records('bogus', [tlsa(1)]), 'pending 4.7.0 -', 'forged records'],
    [records('secure', [tlsa(1, 1)]), 'delivered 2.0.0 mandatory', 'PKIX-EE is unusable'],
    [
      records('insecure', [tlsa(1)]),
      'delivered 2.0.0 opportunistic',
      'anybody may have written it',
    ],
  ] as const)('TLSA %#: %j gives %s (%s)', async (answer, expected, _reason) => {
    expect(await deliver(signed(answer as Answer<'TLSA'>))).toBe(expected);
  });

  test('the next host is used where the look-up fails', async () => {
    const harness = signed(servfail);
    harness.mx.set(only, { ...mxOf(host, 'mx2.rcpt.example'), status: 'secure' } as Answer<'MX'>);
    await deliver(harness);
    expect(harness.sent.map((sent) => sent.host)).toEqual(['mx2.rcpt.example']);
  });

  test('a mismatch is a reason to wait, and nothing is sent in its place', async () => {
    const harness = signed();
    harness.sts = enforce(host);
    harness.peers.set(host, {
      refuse: ({ tls }) => (tls === 'dane' ? 'dane-mismatch' : undefined),
    });
    expect(await deliver(harness)).toBe('pending 4.7.5 dane');
    expect(harness.sent).toEqual([]);
  });

  test('with STS enforce both must hold', async () => {
    const harness = signed();
    harness.sts = enforce(host);
    await deliver(harness);
    expect(harness.opened[0]?.dane?.alsoPkix).toBe(true);
  });

  test('a forged MX RRset is not followed', async () => {
    const harness = signed();
    harness.mx.set(only, { ...mxOf('evil.example'), status: 'bogus' } as Answer<'MX'>);
    expect(await deliver(harness)).toBe('pending 4.7.0 -');
  });

  test('channels are shared only between equal TLSA sets', async () => {
    const keys = await Promise.all(
      [tlsa(1), tlsa(2), tlsa(1)].map(async (one) => {
        const harness = signed(records<'TLSA'>('secure', [one]));
        await deliver(harness);
        return harness.opened[0]?.verdictKey;
      }),
    );
    expect(keys[0]).toBe(keys[2]);
    expect(keys[0]).not.toBe(keys[1]);
  });

  test('and not by domains whose names are not the same: under DANE-TA each could vouch for the host', async () => {
    const harness = signed(records<'TLSA'>('secure', [tlsa(1, 2)]));
    harness.mx.set('other.example', harness.mx.get(only) as Answer<'MX'>);
    const [one, other] = [only, 'other.example'].map((domain) =>
      record({ rcptTo: [{ address: `bob@${domain}` }] }),
    );
    await harness.deliver(one as QueueRecord, other as QueueRecord);
    expect(harness.sent).toHaveLength(2);
    expect(new Set(harness.opened.map(({ verdictKey }) => verdictKey)).size).toBe(2);
  });
});

describe('where DANE is not asked', () => {
  const wasAsked = (harness: Harness): boolean => harness.asked.includes(`${owner} TLSA`);

  test('the address is insecure: a broken server of an unsigned zone is left alone', async () => {
    const harness = signed(servfail);
    harness.answers.delete(`${host} A`);
    expect(await deliver(harness)).toBe('delivered 2.0.0 opportunistic');
    expect(wasAsked(harness)).toBe(false);
  });

  test.each([
    [{ dane: false }, 'the toggle'],
    [
      {
        exceptions: [
          { domain: only, policy: 'dane', reason: 'x', expires: '2027-01-01T00:00:00Z' },
        ],
      },
      'an exception',
    ],
  ] as const)('%j: %s', async (settings, _reason) => {
    const harness = signed(servfail);
    harness.settings = { ...harness.settings, ...settings };
    expect(await deliver(harness)).toBe('delivered 2.0.0 opportunistic');
    expect(wasAsked(harness)).toBe(false);
  });

  test('TLS-Required: No', async () => {
    const harness = signed(servfail);
    const content = { data: Buffer.from('TLS-Required: No\r\n\r\n').toString('base64') };
    expect(await deliver(harness, { content })).toBe('delivered 2.0.0 opportunistic');
    expect(wasAsked(harness)).toBe(false);
  });

  test.each([
    [true, 'delivered 2.0.0 dane', 'RFC 7672 §2.2.1: MAY'],
    [false, 'delivered 2.0.0 opportunistic', 'switched off'],
  ])('an insecure MX, daneInsecureMx %s: %s (%s)', async (daneInsecureMx, expected) => {
    const harness = signed();
    harness.mx.set(only, mxOf(host));
    harness.settings = { ...harness.settings, daneInsecureMx };
    expect(await deliver(harness)).toBe(expected);
    expect(harness.opened[0]?.dane?.referenceIdentifiers.nextHop ?? []).toEqual([]);
  });
});

describe('mandatory DANE (RFC 7672 §6)', () => {
  test.each([
    [signed, 'delivered 2.0.0 dane', 'usable records'],
    [() => signed(nodata), 'pending 4.7.5 -', 'none'],
    [createHarness, 'pending 4.7.5 -', 'an unsigned domain'],
  ] as const)('%#: %s', async (make, expected, _reason) => {
    const harness = make();
    harness.settings = { ...harness.settings, daneOnly: [only] };
    expect(await deliver(harness)).toBe(expected);
  });
});

describe('REQUIRETLS over DNSSEC', () => {
  test.each([
    [signed, 'delivered 2.0.0 dane', 'DANE for the certificate'],
    [() => signed(nodata), 'delivered 2.0.0 pkix', 'PKIX for the certificate'],
    [createHarness, 'failed 5.7.10 -', 'nothing vouches for the MX'],
  ] as const)('%#: %s', async (make, expected, _reason) => {
    const harness = make();
    harness.peers.set(host, { requireTls: true });
    expect(await deliver(harness, { requireTls: true })).toBe(expected);
    expect(harness.sent.every(({ transaction }) => transaction.requireTls)).toBe(true);
  });
});
