import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  boundWhy,
  encodeNewRecipients,
  encodeSettledRecipients,
  whyBytesMax,
} from '../../../functions/adapters/aws/row-limits.ts';
import type { RecipientState } from '../../../functions/delivery/ports.ts';
import type { WhyRecord } from '../../../functions/delivery/why.ts';
import { failures } from '../../../functions/protocol/errors.ts';
import { deliveryRecipientsBytesMax } from '../../../functions/submission/limits.ts';
import { whyRecord } from '../../delivery/port-fixtures.ts';

/** DynamoDB's limit for an item, names included. */
const itemBytesMax = 409_600;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** Recipients that together take as much as a row may be made with. */
function fullHouse(): readonly RecipientState[] {
  const empty = { address: '', state: 'pending' } as const;
  const perRecipient = Math.floor((deliveryRecipientsBytesMax - 2) / 2_000) - bytesOf(empty) - 1;
  return Array.from({ length: 2_000 }, () => ({ ...empty, address: 'a'.repeat(perRecipient) }));
}

describe('recipients', () => {
  test('are refused from the first octet beyond the limit', () => {
    const [first] = fullHouse();
    expect(bytesOf(fullHouse())).toBeGreaterThan(deliveryRecipientsBytesMax - 4_000);
    expect(() => encodeNewRecipients(fullHouse())).not.toThrow();
    const over = [...fullHouse(), { address: 'a'.repeat(4_000), state: 'pending' as const }];
    expect(() => encodeNewRecipients(over)).toThrow(/2001 recipients of one domain take \d+ bytes/);
    expect(first?.state).toBe('pending');
  });

  test.each([0, 1, 49, 200, 1_000, 65_536])(
    'at the limit, with replies of %i chars each, fit an item beside the largest record',
    (charsMax) => {
      const settled = fullHouse().map((each) => ({
        ...each,
        state: 'delivered' as const,
        status: '5.700.700',
        diagnostic: 'é'.repeat(charsMax),
      }));
      const { json, note } = encodeSettledRecipients(settled);
      expect(Buffer.byteLength(json) + whyBytesMax + 16_384).toBeLessThan(itemBytesMax);
      const kept = JSON.parse(json) as RecipientState[];
      expect(kept.map(({ address, state, status }) => [address, state, status])).toEqual(
        settled.map(({ address, state, status }) => [address, state, status]),
      );
      expect(note === undefined).toBe(charsMax <= 1);
    },
  );

  test('a long reply is cut, visibly', () => {
    const [recipient] = fullHouse();
    const settled = [
      { address: 'a@b.c', ...recipient, diagnostic: 'x'.repeat(2_000) } as RecipientState,
    ];
    const [kept] = JSON.parse(encodeSettledRecipients(settled).json) as RecipientState[];
    expect(kept?.diagnostic).toBe(`${'x'.repeat(999)}…`);
  });
});

describe('a why record', () => {
  test('that fits is left as it is', () => {
    const why = whyRecord();
    expect(boundWhy(why)).toBe(why);
  });

  const [host] = whyRecord().hosts;
  const [attempt] = host?.tries ?? [];
  const repeat = <T>(count: number, value: T): NonNullable<T>[] =>
    Array.from({ length: count }, () => value as NonNullable<T>);

  test.each<[string, Partial<WhyRecord>]>([
    ['2,000 recipients', { recipients: repeat(2_000, whyRecord().recipients[0]) }],
    ['100 hosts', { hosts: repeat(100, host) }],
    [
      'a host of 1,000 addresses',
      { hosts: [{ host: 'h', preference: 1, tries: repeat(1_000, attempt) }] },
    ],
    ['a reason of 100 KB', { decision: { ...whyRecord().decision, reason: 'é'.repeat(50_000) } }],
    [
      'a policy of 10,000 patterns',
      { policy: { kind: 'policy', mx: repeat(10_000, '*.example.org') } },
    ],
  ])('of %s is shortened, says so, and keeps its decision', (_what, changes) => {
    const whole = whyRecord(changes);
    const bounded = boundWhy(whole);
    expect(bytesOf(bounded)).toBeLessThanOrEqual(whyBytesMax);
    expect(bounded.shortened).toMatch(/^texts cut to \d+ chars, lists to \d+ entries$/);
    expect(bounded).toMatchObject({ id: whole.id, domain: whole.domain, attempt: whole.attempt });
    expect(bounded.decision.row).toBe(whole.decision.row);
    expect(bounded.decision.outcome).toBe(whole.decision.outcome);
  });

  test('is bounded whatever is in it', () => {
    const nasty = fc
      .constantFrom('\u0000', '"', '\\', 'é', '\u{1f4ee}', '\ud800', 'x')
      .chain((unit) => fc.integer({ min: 0, max: 400 }).map((length) => unit.repeat(length)));
    const record = fc.record({
      id: fc.constant('i'.repeat(128)),
      domain: fc.constant('d'.repeat(253)),
      text: nasty,
      other: nasty,
      entries: fc.integer({ min: 0, max: 12 }),
    });
    fc.assert(
      fc.property(record, ({ id, domain, text, other, entries }) => {
        const failure = {
          code: 'rejected',
          reason: text,
          resultType: 'validation-failure',
        } as const;
        const tls = {
          version: other,
          cipher: text,
          fingerprint: other,
          resumed: false,
          verdict: text,
        };
        const tries = repeat(entries, { address: text, level: other, tls, failure });
        const why = whyRecord({
          id,
          domain,
          demand: { level: 'require', reason: text },
          lookups: repeat(entries, { name: text, type: other, outcome: text, detail: other }),
          policy: {
            kind: 'policy',
            mode: text,
            id: other,
            fetchedAt: text,
            mx: repeat(entries, text),
            reason: other,
          },
          hosts: repeat(entries, { host: text, preference: 1, skipped: failure, tries }),
          recipients: repeat(entries, {
            address: text,
            outcome: 'failed',
            status: other,
            reply: text,
          }),
          decision: {
            row: text,
            outcome: 'failed',
            code: 'rejected',
            status: other,
            reason: text,
            nextAttemptAt: other,
          },
        });
        const bounded = boundWhy(why);
        expect(bytesOf(bounded)).toBeLessThanOrEqual(whyBytesMax);
        expect(bounded).toMatchObject({ id, domain });
        expect(bounded.decision.code).toBe('rejected');
      }),
      { numRuns: 25 },
    );
  });

  test('no code or result type is long enough to be cut', () => {
    const words = Object.entries(failures).flatMap(([code, { resultType }]) => [
      code,
      resultType ?? '',
    ]);
    expect(Math.max(...words.map(({ length }) => length))).toBeLessThanOrEqual(40);
  });
});
