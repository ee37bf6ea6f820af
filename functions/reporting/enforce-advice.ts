/**
 * "May I switch to enforce?": what reports under an MTA-STS policy say of that, and what they leave open.
 *
 * Under `testing` mail is delivered in spite of a failure, and reported (RFC 8461 §5). So a failed session is mail that
 * `enforce` would have held up: either because of us, and then many see it; or because of one sender or its path.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-8.2 RFC 8461 §5, §8}
 */
import { mxMatches } from '../protocol/mta-sts/mx.ts';
import type { UtcDay } from '../protocol/tlsrpt/report.ts';
import { type FailureAnswer, failuresByKind, total } from './answers.ts';
import type { ReportSums } from './report-sums.ts';

/** `unknown`: too little was seen. */
export type EnforceVerdict = 'yes' | 'no' | 'unknown' | 'enforced';

/** The verdict, why, and all that it rests on. */
export interface EnforceAdvice {
  readonly domain: string;
  readonly verdict: EnforceVerdict;
  /** What stands against it, one sentence each; what is only worth a look is in `remarks`. */
  readonly reasons: readonly string[];
  readonly remarks: readonly string[];
  readonly evidence: EnforceEvidence;
}

export interface EnforceEvidence {
  /** The mode that reporters saw last; absent where none saw a policy. */
  readonly mode?: string;
  /** The `mx` patterns that they saw last. */
  readonly mxPatterns: readonly string[];
  /** Days with a session under the policy. */
  readonly days: number;
  readonly firstDay?: UtcDay;
  readonly lastDay?: UtcDay;
  /** Who had a session under the policy. */
  readonly reporters: readonly string[];
  readonly successes: number;
  readonly failures: number;
  /** Of all sessions, those that failed as several reporters saw it. */
  readonly sharedFailureShare: number;
  /** Kinds of failure that several reporters saw, and those that one saw. */
  readonly sharedFailures: readonly FailureAnswer[];
  readonly singleFailures: readonly FailureAnswer[];
  /** MX hosts of failed sessions that no pattern covers. */
  readonly unlistedHosts: readonly {
    readonly host: string;
    readonly reporters: readonly string[];
  }[];
  /** Who found no policy on the last days on which others found one. */
  readonly withoutPolicy: readonly string[];
}

/** Two weeks have each kind of day twice, and every sender that sends once a week. */
const daysMin = 14;

const reportersMin = 2;

/** One session in 200. */
const sharedShareMax = 0.005;

/** Judges a domain by the sums of some weeks, signed ones. */
export function adviseEnforce(domain: string, sums: readonly ReportSums[]): EnforceAdvice {
  const evidence = gatherEvidence(sums);
  const against = [...findFaults(evidence)];
  const open = [...findGaps(evidence)];
  const verdict = judge(evidence, against.length, open.length);
  return {
    domain,
    verdict,
    reasons: [...against, ...open],
    remarks: findRemarks(evidence),
    evidence,
  };
}

function judge({ mode }: EnforceEvidence, faults: number, gaps: number): EnforceVerdict {
  if (mode === 'enforce') {
    return 'enforced';
  }
  if (faults > 0) {
    return 'no';
  }
  return gaps > 0 ? 'unknown' : 'yes';
}

function gatherEvidence(sums: readonly ReportSums[]): EnforceEvidence {
  const seen = sums.flatMap((each) => {
    const policies = each.policies.filter(({ type }) => type === 'sts');
    const failures = each.failures.filter(({ policyType }) => policyType === 'sts');
    return policies.length === 0 ? [] : [{ ...each, policies, failures }];
  });
  const days = [...new Set(seen.map(({ day }) => day))].toSorted();
  const [firstDay, lastDay] = [days[0], days.at(-1)];
  const last = seen.filter(({ day }) => day === lastDay).flatMap(({ policies }) => policies);
  const mode = last.find((policy) => policy.mode !== undefined)?.mode;
  const mxPatterns = [...new Set(last.flatMap(({ mxHosts }) => mxHosts))].map((each) =>
    each.toLowerCase(),
  );
  const policies = seen.flatMap((each) => each.policies);
  const successes = total(policies, (policy) => policy.successes);
  const failures = total(policies, (policy) => policy.failures);
  const kinds = failuresByKind(seen);
  const isShared = ({ reporters }: FailureAnswer): boolean => reporters.length > 1;
  const sharedFailures = kinds.filter(isShared);
  // Types of failure overlap (RFC 8460 §4), so their sessions may be more than those that failed.
  const shared = Math.min(
    failures,
    total(sharedFailures, ({ sessions }) => sessions),
  );
  return {
    ...(mode !== undefined && { mode }),
    mxPatterns,
    days: days.length,
    ...(firstDay !== undefined && { firstDay }),
    ...(lastDay !== undefined && { lastDay }),
    reporters: [...new Set(seen.map(({ reporter }) => reporter))].toSorted(),
    successes,
    failures,
    sharedFailureShare: successes + failures === 0 ? 0 : shared / (successes + failures),
    sharedFailures,
    singleFailures: kinds.filter((kind) => !isShared(kind)),
    unlistedHosts: findUnlisted(kinds, mxPatterns),
    withoutPolicy: findWithoutPolicy(sums, days.slice(-daysMin)),
  };
}

function findUnlisted(
  kinds: readonly FailureAnswer[],
  patterns: readonly string[],
): EnforceEvidence['unlistedHosts'] {
  const unlisted = kinds.flatMap(({ mxHost, reporters }) =>
    mxHost === undefined || patterns.length === 0 || mxMatches(mxHost, patterns)
      ? []
      : [{ host: mxHost, reporters }],
  );
  return [...Map.groupBy(unlisted, ({ host }) => host)].map(([host, group]) => ({
    host,
    reporters: [
      ...new Set(group.flatMap(({ reporters }) => reporters.map(({ reporter }) => reporter))),
    ].toSorted(),
  }));
}

/** A policy that some do not find is not obeyed by them either way; but it hints at DNS or a policy host that is shaky. */
function findWithoutPolicy(
  sums: readonly ReportSums[],
  days: readonly UtcDay[],
): readonly string[] {
  const [from = ''] = days;
  const recent = sums.filter(({ day }) => days.length > 0 && day >= from);
  const byReporter = Map.groupBy(recent, ({ reporter }) => reporter);
  const without = [...byReporter].filter(([, group]) =>
    group.every(({ policies }) => policies.every(({ type }) => type === 'no-policy-found')),
  );
  return without.map(([reporter]) => reporter).toSorted();
}

function* findFaults(evidence: EnforceEvidence): Generator<string> {
  const { sharedFailureShare, sharedFailures, unlistedHosts } = evidence;
  if (sharedFailureShare > sharedShareMax) {
    const kinds = sharedFailures.map(({ resultType }) => resultType);
    const percent = (100 * sharedFailureShare).toFixed(2);
    yield `${percent} % of all sessions failed in ways that several reporters saw: ${[...new Set(kinds)].join(', ')}.`;
  }
  for (const { host, reporters } of unlistedHosts) {
    if (reporters.length > 1) {
      yield `${host} takes mail, as ${reporters.length} reporters saw it, and the policy does not list it.`;
    }
  }
}

function* findGaps({ mode, days, reporters }: EnforceEvidence): Generator<string> {
  if (mode === undefined) {
    yield 'No reporter saw a policy: publish it in mode testing first.';
    return;
  }
  if (mode !== 'testing' && mode !== 'enforce') {
    yield `The policy is in mode ${mode}: publish it in mode testing first.`;
  }
  if (days < daysMin) {
    yield `Sessions were reported of ${days} days; ${daysMin} are the least to judge by.`;
  }
  if (reporters.length < reportersMin) {
    yield `${reporters.length} reported; with fewer than ${reportersMin} a fault of ours looks like one of theirs.`;
  }
}

function findRemarks({ singleFailures, unlistedHosts, withoutPolicy }: EnforceEvidence): string[] {
  return [
    ...singleFailures.map(({ resultType, mxHost, sessions, reporters }) => {
      const where = mxHost === undefined ? '' : ` at ${mxHost}`;
      return `${resultType}${where}, ${sessions} sessions: ${reporters[0]?.reporter} alone saw it.`;
    }),
    ...unlistedHosts
      .filter(({ reporters }) => reporters.length === 1)
      .map(
        ({ host, reporters }) =>
          `${host} is not listed by the policy: ${reporters[0]} alone met it.`,
      ),
    ...withoutPolicy.map((reporter) => `${reporter} finds no policy.`),
  ];
}
