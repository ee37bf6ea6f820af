/** Sums of session results: they balance, whatever the portions, and stay small whatever strangers say. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AppliedPolicy,
  createTally,
  type PolicyTally,
  type SessionFailure,
} from '../../../functions/protocol/tlsrpt/tally.ts';

const sts: AppliedPolicy = {
  type: 'sts',
  domain: 'company-y.example',
  strings: ['version: STSv1', 'mode: testing', 'mx: *.mail.company-y.example', 'max_age: 86400'],
  mxHosts: ['*.mail.company-y.example'],
};
const none: AppliedPolicy = { ...sts, type: 'no-policy-found', strings: [], mxHosts: [] };
const expired: SessionFailure = {
  resultType: 'certificate-expired',
  receivingMxHostname: 'mx1.mail.company-y.example',
};

test('a session counts once under each policy, and failures of one kind together', () => {
  const tally = createTally(sts.domain);
  tally.add(sts, undefined);
  tally.add(sts, expired);
  tally.add(sts, { ...expired });
  tally.add(none, undefined);
  expect(tally.list()).toEqual([
    { policy: sts, successes: 1, failures: 2, details: [{ failure: expired, sessions: 2 }] },
    { policy: none, successes: 1, failures: 0, details: [] },
  ]);
});

test('a policy without a session is not listed', () => {
  const tally = createTally(sts.domain);
  tally.merge([{ policy: none, successes: 0, failures: 0, details: [] }]);
  expect(tally.list()).toEqual([]);
});

test('failures beyond the limit are counted by type alone', () => {
  const tally = createTally(sts.domain);
  for (let index = 0; index < 1_000; index += 1) {
    tally.add(sts, { ...expired, receivingMxHelo: `helo-${index}` });
  }
  const [sum] = tally.list();
  expect(sum?.failures).toBe(1_000);
  expect(sum?.details.length).toBe(101);
  expect(sum?.details.at(-1)).toEqual({
    failure: { resultType: 'certificate-expired' },
    sessions: 900,
  });
});

test('policies beyond the limit are counted by type and domain alone', () => {
  const tally = createTally(sts.domain);
  for (let index = 0; index < 1_000; index += 1) {
    tally.add({ ...sts, type: 'tlsa', strings: [`3 1 1 ${index}`], mxHosts: [] }, undefined);
  }
  expect(tally.list().length).toBe(101);
  expect(tally.list().reduce((sum, { successes }) => sum + successes, 0)).toBe(1_000);
});

test('policies without texts are bounded too: the rest is of the domain that is reported to', () => {
  const policyOf = (index: number): AppliedPolicy => ({
    type: 'tlsa',
    domain: `mx${index}.company-z.example`,
    strings: [],
    mxHosts: [],
  });
  const tally = createTally(sts.domain);
  for (let index = 0; index < 1_000; index += 1) {
    tally.add(policyOf(index), index % 2 === 0 ? undefined : expired);
    tally.add({ ...policyOf(index), strings: [`3 1 1 ${index}`] }, undefined);
  }
  tally.add(none, undefined);
  const listed = tally.list();
  expect(listed.length).toBe(122);
  expect(listed.slice(-2).map(({ policy }) => policy)).toEqual([
    { type: 'tlsa', domain: 'company-y.example', strings: [], mxHosts: [] },
    { type: 'no-policy-found', domain: 'company-y.example', strings: [], mxHosts: [] },
  ]);
  expect(listed.reduce((sum, { successes }) => sum + successes, 0)).toBe(1_501);
  expect(listed.reduce((sum, { failures }) => sum + failures, 0)).toBe(500);
});

test('a failed session that several things were wrong with is one', () => {
  const mismatch: SessionFailure = { resultType: 'certificate-host-mismatch' };
  const details = [expired, mismatch].map((failure) => ({ failure, sessions: 1 }));
  const session = { policy: sts, successes: 0, failures: 1, details };
  const tally = createTally(sts.domain);
  tally.merge([session]);
  tally.merge([session, { policy: sts, successes: 0, failures: 1, details: details.slice(0, 1) }]);
  expect(tally.list()).toEqual([
    {
      policy: sts,
      successes: 0,
      failures: 3,
      details: [
        { failure: expired, sessions: 3 },
        { failure: mismatch, sessions: 2 },
      ],
    },
  ]);
});

test('a name and a reason are cut, and hold no lone surrogate', () => {
  const tally = createTally(sts.domain);
  tally.add(sts, { ...expired, receivingMxHelo: 'x'.repeat(10_000), failureReasonCode: '\ud800' });
  const { failure } = tally.list()[0]?.details[0] ?? {};
  expect(failure?.receivingMxHelo?.length).toBe(200);
  expect(failure?.failureReasonCode).toBe('\ufffd');
});

const failureArbitrary = fc.record(
  {
    resultType: fc.constantFrom<SessionFailure['resultType']>(
      'certificate-expired',
      'validation-failure',
      'tlsa-invalid',
    ),
    receivingMxHostname: fc.constantFrom('a.example', 'b.example'),
    failureReasonCode: fc.string({ maxLength: 3 }),
  },
  { requiredKeys: ['resultType'] },
) as fc.Arbitrary<SessionFailure>;
const sessionArbitrary = fc.record({
  policy: fc.constantFrom(sts, none),
  failure: fc.option(failureArbitrary, { nil: undefined }),
});

/** Without an order: portions are met in any. */
const sorted = (tallies: readonly PolicyTally[]): unknown =>
  tallies
    .map(({ details, ...rest }) => ({
      ...rest,
      details: details
        .map((each) => JSON.stringify([each.sessions, Object.entries(each.failure).sort()]))
        .sort(),
    }))
    .sort((a, b) => a.policy.type.localeCompare(b.policy.type));

test('portions add up to the whole, in any order, and every failed session has one detail', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(sessionArbitrary, { maxLength: 20 }), { maxLength: 8 }),
      (portions) => {
        const whole = createTally(sts.domain);
        const parts = portions.map((sessions) => {
          const part = createTally(sts.domain);
          for (const { policy, failure } of sessions) {
            part.add(policy, failure);
            whole.add(policy, failure);
          }
          return part.list();
        });
        const merged = createTally(sts.domain);
        for (const part of parts.toReversed()) {
          merged.merge(part);
        }
        expect(sorted(merged.list())).toEqual(sorted(whole.list()));
        for (const { failures, details } of merged.list()) {
          expect(details.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(failures);
        }
      },
    ),
  );
});
