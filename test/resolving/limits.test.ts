/**
 * Zones that are made to cost: what they cost is bounded, and what comes of it is bogus and says why.
 *
 * CVE-2023-50387 (KeyTrap), CVE-2023-50868 (NSEC3 encloser attack).
 */
import { describe, expect, test } from 'vitest';
import {
  readQuestion,
  type SignedAnswer,
  type WireRecord,
} from '../../bin/world/dnssec-answers.ts';
import { computeKeyTag, encodeDs, type SigningKey } from '../../bin/world/dnssec-keys.ts';
import { concat, type SignableRecord, typeNumbers, u16 } from '../../bin/world/dnssec-wire.ts';
import type { AlgorithmTable } from '../../functions/protocol/dnssec/algorithms.ts';
import { signatureAlgorithms } from '../../functions/protocol/dnssec/algorithms.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { Resolution } from '../../functions/resolving/resolution.ts';
import {
  createSignedExchange,
  createSignedWorld,
  deadlineMs,
  type Intercept,
  keyOf,
  nowSeconds,
  signTree,
  type ZoneSpec,
} from './signed-world.ts';

const { A, DS, DNSKEY, RRSIG } = typeNumbers;

/** Counts what the algorithms are used for. */
function counting(): { readonly table: AlgorithmTable; readonly count: { verified: number } } {
  const count = { verified: 0 };
  const table = new Map(
    [...signatureAlgorithms].map(([number, algorithm]) => [
      number,
      {
        ...algorithm,
        createVerifier: (publicKey: Uint8Array) => {
          const verifier = algorithm.createVerifier(publicKey);
          return (data: Uint8Array, signature: Uint8Array) => {
            count.verified += 1;
            return verifier?.(data, signature) ?? false;
          };
        },
      },
    ]),
  );
  return { table, count };
}

const www: SignableRecord = { name: 'www.trap.test', type: 'A', data: '192.0.2.1' };

async function spring(
  trap: Partial<ZoneSpec>,
  {
    name = 'www.trap.test',
    type = A as number,
    intercept,
    limits,
  }: {
    readonly name?: string;
    readonly type?: number;
    readonly intercept?: Intercept;
    readonly limits?: { readonly verificationsPerAnswer: number };
  } = {},
): Promise<{ readonly resolution: Resolution; readonly verified: number; readonly cpuMs: number }> {
  const { table, count } = counting();
  const zones = signTree([
    { origin: '' },
    { origin: 'test' },
    { origin: 'trap.test', records: [www], ...trap },
  ]);
  const { resolver } = createSignedWorld(zones, {
    algorithms: table,
    ...(intercept === undefined ? {} : { intercept }),
    ...(limits === undefined ? {} : { limits }),
  });
  const begun = process.cpuUsage();
  const resolution = await resolver.resolve(name, type, deadlineMs);
  const { user, system } = process.cpuUsage(begun);
  return { resolution, verified: count.verified, cpuMs: (user + system) / 1_000 };
}

/** Keys with the tag of a given one: any octets, and two at the end that make up for them. */
function collidingKeys({ dnskey, keyTag }: SigningKey, count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const fake = dnskey.slice();
    fake[10] = (fake[10] ?? 0) ^ (index + 1);
    fake[11] = (fake[11] ?? 0) ^ 0x55;
    const withEnd = (end: number): Uint8Array => concat(fake.subarray(0, -2), u16(end));
    const near = keyTag - computeKeyTag(withEnd(0));
    const found = [near - 1, near, near + 1]
      .map((end) => withEnd(end & 0xffff))
      .find((candidate) => computeKeyTag(candidate) === keyTag);
    if (found === undefined) {
      throw new RangeError('no such key');
    }
    return found;
  });
}

const key = keyOf('trap.test', 14);

/** Many signatures of one RRset that are all wrong, and for which every key has to be tried. */
const manySignatures =
  (name: string, type: number, count: number): Intercept =>
  (answer, question) => {
    if (question.name !== name || question.type !== type) {
      return answer;
    }
    const forged = answer.answers
      .filter((record) => record.type === RRSIG)
      .flatMap((record) =>
        Array.from({ length: count }, (_, index): WireRecord => {
          const rdata = record.rdata.slice();
          rdata.set(u16(index), rdata.length - 2);
          return { ...record, rdata };
        }),
      );
    return {
      ...answer,
      answers: [...answer.answers.filter((record) => record.type !== RRSIG), ...forged],
    };
  };

describe('KeyTrap', () => {
  test('keys that share a tag: a right one among the first four is found', async () => {
    const { resolution } = await spring({
      keys: [keyOf('trap.test', 14)],
      otherKeys: collidingKeys(key, 3),
    });
    expect(resolution).toMatchObject({ status: 'secure' });
  });

  test('21 keys with one tag and 300 signatures: 8 signatures, 4 keys each, once again, and no more', async () => {
    const { resolution, verified, cpuMs } = await spring(
      { keys: [key], otherKeys: collidingKeys(key, 20) },
      { intercept: manySignatures('www.trap.test', A, 300) },
    );
    expect(resolution).toMatchObject({ status: 'bogus', code: 'dns-bogus' });
    expect(resolution.reason?.text).toMatch(/and there are more/);
    expect(verified).toBeLessThan(80);
    expect(cpuMs).toBeLessThan(1_000);
  });

  test('as many signatures of the keys themselves', async () => {
    const { resolution, verified } = await spring(
      { keys: [key], otherKeys: collidingKeys(key, 99) },
      { intercept: manySignatures('trap.test', DNSKEY, 300) },
    );
    expect(resolution).toMatchObject({ status: 'bogus' });
    expect(verified).toBeLessThan(80);
  });

  test('100 DS records for 100 keys', async () => {
    const keys = collidingKeys(key, 99);
    const ds = Array.from({ length: 100 }, (_, index) => ({
      name: 'trap.test',
      type: DS,
      rdata: concat(encodeDs('trap.test', key).subarray(0, 34), u16(index)),
    }));
    const { resolution, cpuMs } = await spring({ keys: [key], otherKeys: keys, ds });
    expect(resolution).toMatchObject({ status: 'bogus' });
    expect(resolution.reason?.text).toMatch(/over 32 keys to compare with DS records/);
    expect(cpuMs).toBeLessThan(1_000);
  });

  test('many signatures of a denial', async () => {
    const repeat: Intercept = (answer, { name }) =>
      name === 'no.trap.test'
        ? {
            ...answer,
            authorities: answer.authorities.flatMap((record) =>
              record.type === RRSIG
                ? Array.from({ length: 20 }, (_, index) => {
                    const rdata = record.rdata.slice();
                    rdata.set(u16(index), rdata.length - 2);
                    return { ...record, rdata };
                  })
                : [record],
            ),
          }
        : answer;
    const { resolution, verified } = await spring(
      { keys: [key], otherKeys: collidingKeys(key, 20) },
      { name: 'no.trap.test', intercept: repeat },
    );
    expect(resolution).toMatchObject({ status: 'bogus' });
    expect(verified).toBeLessThan(200);
  });

  test('a bound on one answer says that it was hit', async () => {
    const { resolution } = await spring(
      { keys: [key], otherKeys: collidingKeys(key, 20) },
      {
        intercept: manySignatures('www.trap.test', A, 30),
        limits: { verificationsPerAnswer: 5 },
      },
    );
    expect(resolution).toMatchObject({
      status: 'bogus',
      reason: { text: 'over 5 signatures to verify for one answer' },
    });
  });
});

describe('NSEC3', () => {
  const hashed = (iterations: number): Partial<ZoneSpec> => ({
    denial: { kind: 'NSEC3', iterations, salt: new Uint8Array(0), optOut: false },
  });
  const deep = `${'a.'.repeat(60)}trap.test`;

  test.each([
    [100, 'secure', undefined],
    [101, 'insecure', 27],
    [500, 'insecure', 27],
    [501, 'bogus', 27],
    [2_500, 'bogus', 27],
  ] as const)('RFC 9276 §3.2: %d iterations are %s', async (iterations, status, infoCode) => {
    const { resolution } = await spring(hashed(iterations), { name: 'no.trap.test' });
    expect(resolution).toMatchObject({ status });
    expect(resolution.reason?.infoCode).toBe(infoCode);
  });

  test('RFC 9276 §3.2: the number of iterations has to be signed', async () => {
    const { resolution } = await spring(hashed(1), {
      name: 'no.trap.test',
      intercept: (answer, { name }) =>
        name === 'no.trap.test'
          ? {
              ...answer,
              authorities: answer.authorities.map((record) =>
                record.type === typeNumbers.NSEC3
                  ? { ...record, rdata: record.rdata.with(2, 1) }
                  : record,
              ),
            }
          : answer,
    });
    expect(resolution).toMatchObject({
      status: 'bogus',
      reason: { text: expect.stringMatching(/does not verify/) },
    });
  });

  test('a delegation from a zone that hashes too often is insecure', async () => {
    const zones = signTree([
      { origin: '' },
      { origin: 'test' },
      { origin: 'trap.test', ...hashed(101) },
      {
        origin: 'open.trap.test',
        keys: 'none',
        records: [{ name: 'open.trap.test', type: 'A', data: '192.0.2.2' }],
      },
    ]);
    const { resolver } = createSignedWorld(zones);
    expect(await resolver.resolve('open.trap.test', A, deadlineMs)).toMatchObject({
      status: 'insecure',
      reason: { infoCode: 27 },
    });
  });

  test('a name with 60 labels below its zone: 32 hashes and no more', async () => {
    const { resolution, cpuMs } = await spring(hashed(100), { name: deep });
    expect(resolution).toMatchObject({
      status: 'bogus',
      reason: { text: 'over 32 names to hash for NSEC3 for one answer' },
    });
    expect(cpuMs).toBeLessThan(1_000);
  });

  test('the same with NSEC is an answer like others', async () => {
    const { resolution } = await spring({}, { name: deep });
    expect(resolution).toMatchObject({ kind: 'nxdomain', status: 'secure' });
  });
});

describe('queries', () => {
  test('a name with 100 labels in an unsigned answer: 64 queries and no more', async () => {
    const name = `${'a.'.repeat(100)}trap.test`;
    const zones = signTree([
      { origin: '' },
      { origin: 'test' },
      { origin: 'trap.test', records: [{ name, type: 'A', data: '192.0.2.1' }] },
    ]);
    const { resolver, asked } = createSignedWorld(zones, {
      intercept: (answer: SignedAnswer, question) =>
        question.name === name && question.type === A
          ? { ...answer, answers: answer.answers.filter((record) => record.type !== RRSIG) }
          : answer,
    });
    expect(await resolver.resolve(name, A, deadlineMs)).toMatchObject({
      status: 'bogus',
      code: 'dns-bogus',
      reason: { text: expect.stringMatching(/over 64 queries/) },
    });
    expect(asked).toHaveLength(64);
  });

  test('whoever waits for another look-up that runs out of queries has its own left', async () => {
    const zones = signTree([
      { origin: '' },
      { origin: 'test' },
      {
        origin: 'trap.test',
        records: [
          www,
          ...['a', 'b', 'c', 'd'].map((label, index) => ({
            name: `${label}.trap.test`,
            type: 'CNAME' as const,
            data:
              ['b.trap.test', 'c.trap.test', 'd.trap.test', 'host.child.trap.test'][index] ?? '',
          })),
        ],
      },
      {
        origin: 'child.trap.test',
        records: [
          { name: 'host.child.trap.test', type: 'A', data: '192.0.2.2' },
          { name: 'other.child.trap.test', type: 'A', data: '192.0.2.3' },
        ],
      },
    ]);
    const inner = createSignedExchange(zones, {
      intercept: (answer, { name }) => ({
        ...answer,
        answers: answer.answers.filter((record) => record.name === name),
      }),
    });
    const others: Promise<Resolution>[] = [];
    const { resolver } = createSignedWorld(zones, {
      limits: { queriesPerResolution: 6 },
      exchange: async (query, ...more) => {
        const { name, type } = readQuestion(query) ?? { name: '', type: 0 };
        if (name === 'child.trap.test' && type === DS && others.length === 0) {
          others.push(resolver.resolve('other.child.trap.test', A, deadlineMs));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return await inner(query, ...more);
      },
    });
    // The zone itself is known by now. Four aliases, what they lead to and the child's DS are six queries.
    await resolver.resolve('www.trap.test', A, deadlineMs);
    const poor = await resolver.resolve('a.trap.test', A, deadlineMs);
    expect(poor).toMatchObject({
      status: 'bogus',
      reason: { text: expect.stringMatching(/over 6 queries/) },
    });
    expect(await others[0]).toMatchObject({ status: 'secure' });
  });

  test('signers that are no zones do not send the resolver about', async () => {
    const name = `${'a.'.repeat(30)}trap.test`;
    const zones = signTree([
      { origin: '' },
      { origin: 'test' },
      { origin: 'trap.test', records: [{ name, type: 'A', data: '192.0.2.1' }] },
    ]);
    const { resolver, asked } = createSignedWorld(zones, {
      intercept: (answer, question) =>
        question.name === name && question.type === A
          ? {
              ...answer,
              answers: answer.answers.flatMap((record) =>
                record.type !== RRSIG
                  ? [record]
                  : Array.from({ length: 30 }, (_, labels) => ({
                      ...record,
                      rdata: concat(
                        record.rdata.subarray(0, 18),
                        ...Array.from({ length: labels + 1 }, () => Uint8Array.of(1, 0x61)),
                        record.rdata.subarray(18),
                      ),
                    })),
              ),
            }
          : answer,
    });
    expect(await resolver.resolve(name, A, deadlineMs)).toMatchObject({ status: 'bogus' });
    expect(asked.length).toBeLessThanOrEqual(64);
  });

  test('a server that is slow costs no more than the time there is', async () => {
    const { resolver } = createSignedWorld(signTree([{ origin: '' }, { origin: 'test' }]), {
      exchange: async (_, limit) => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        throw new TransportSecurityError('dns-timeout', `until ${limit}`);
      },
    });
    expect(await resolver.lookup('www.test', 'A', nowSeconds * 1_000 + 10)).toMatchObject({
      code: 'dns-timeout',
    });
  });
});
