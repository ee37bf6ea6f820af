/** Octets changed on the way never make anything believed that the zones did not say. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DenialKind } from '../../bin/world/dnssec-signer.ts';
import type { RecordType } from '../../functions/protocol/dns/answer.ts';
import { createSignedExchange, createSignedWorld, deadlineMs, signTree } from './signed-world.ts';

const questions: readonly (readonly [string, RecordType])[] = [
  ['example.test', 'MX'],
  ['mx.example.test', 'A'],
  ['alias.example.test', 'A'],
  ['any.wild.example.test', 'TXT'],
  ['host.moved.example.test', 'A'],
  ['absent.example.test', 'A'],
  ['mx.example.test', 'MX'],
  ['any.wild.example.test', 'A'],
];

const zonesWith = (denial: DenialKind) =>
  signTree([
    { origin: '' },
    { origin: 'test', denial },
    {
      origin: 'example.test',
      denial,
      records: [
        { name: 'example.test', type: 'MX', preference: 10, exchange: 'mx.example.test' },
        { name: 'mx.example.test', type: 'A', data: '192.0.2.1' },
        { name: 'alias.example.test', type: 'CNAME', data: 'mx.example.test' },
        { name: '*.wild.example.test', type: 'TXT', data: 'anything' },
        { name: 'moved.example.test', type: 'DNAME', data: 'new.example.test' },
        { name: 'host.new.example.test', type: 'A', data: '192.0.2.4' },
      ],
    },
  ]);

/** Puts octets in the place of others, takes some out, or repeats some. */
const change = fc.record({
  at: fc.nat({ max: 1_500 }),
  kind: fc.constantFrom('set', 'flip', 'drop', 'repeat'),
  octet: fc.integer({ min: 0, max: 255 }),
  length: fc.integer({ min: 1, max: 40 }),
});

type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function apply(octets: Uint8Array, { at: place, kind, octet, length }: Change): Uint8Array {
  const at = place % octets.length;
  switch (kind) {
    case 'set':
      return octets.with(at, octet);
    case 'flip':
      return octets.with(at, (octets[at] ?? 0) ^ (1 << (octet & 7)));
    case 'drop':
      return Uint8Array.of(...octets.subarray(0, at), ...octets.subarray(at + length));
    default:
      return Uint8Array.of(...octets.subarray(0, at + length), ...octets.subarray(at));
  }
}

test.each<readonly [string, DenialKind]>([
  ['NSEC', { kind: 'NSEC' }],
  ['NSEC3', { kind: 'NSEC3', iterations: 1, salt: Uint8Array.of(9), optOut: false }],
])('zones with %s: the truth, or nothing', async (_, denial) => {
  const zones = zonesWith(denial);
  const inner = createSignedExchange(zones);
  const truths = await Promise.all(
    questions.map(([name, type]) =>
      createSignedWorld(zones).resolver.lookup(name, type, deadlineMs),
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: questions.length - 1 }),
      fc.nat({ max: 6 }),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      async (index, victim, changes) => {
        const [name, type] = questions[index] ?? ['', 'A'];
        let count = 0;
        const { resolver } = createSignedWorld(zones, {
          exchange: async (query, ...more) => {
            const octets = await inner(query, ...more);
            count += 1;
            // The first answer of all, or every one to a later query, so that asking again does not help.
            return count - 1 === victim || (victim > 2 && count > victim)
              ? changes.reduce(apply, octets)
              : octets;
          },
        });
        const answer = await resolver.lookup(name, type, deadlineMs);
        if (answer.kind === 'failed') {
          expect(answer.code).toMatch(/^dns-(bogus|malformed|server-failure)$/);
        } else {
          // A TTL may be cut on the way: it is not signed, only its upper bound is.
          expect({ ...answer, ttlSeconds: 0 }).toEqual({ ...truths[index], ttlSeconds: 0 });
        }
      },
    ),
    { numRuns: 500 },
  );
});
