/**
 * Sending the day's report of a domain to every destination that its record names, at least once.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-5 RFC 8460 §5}
 */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { normalizeDestination, readReportDestination } from '../protocol/tlsrpt/record.ts';
import {
  dayRange,
  type ReportJson,
  reportFileName,
  submitterOf,
} from '../protocol/tlsrpt/report.ts';
import { buildDomainReport, type FreezePorts, splitPart } from './freeze-report.ts';
import type {
  DestinationState,
  FrozenPart,
  FrozenReport,
  ReportJob,
  ReportStore,
  SendOutcome,
  SendReport,
  Suppressions,
} from './ports.ts';

/** RFC 8460 §5.5: for up to 24 hours after the first attempt. */
const retryForMs = 24 * 3_600_000;

/** RFC 8460 §5.5: pauses that grow; the last one for all that follow. */
const pausesMinutes: readonly number[] = [15, 30, 60, 120, 240, 480];

/** How long the right to send outlives its invocation. */
const leaseMarginMs = 60_000;

export interface SendPorts extends Omit<FreezePorts, 'suppressed'> {
  readonly reports: ReportStore;
  readonly suppressions: Suppressions;
  readonly sendReport: SendReport;
  readonly now: () => number;
}

/** What becomes of the job: `later` puts it back until `atMs`. */
export type JobOutcome =
  | {
      readonly kind: 'done';
      /** `unwanted`: nobody is to be sent anything. */
      readonly result: 'delivered' | 'unwanted' | 'given-up';
      readonly reason: string;
    }
  | { readonly kind: 'later'; readonly atMs: number; readonly reason: string };

/** Does a job as far as it can be done now. Rejects with `store-unavailable`: then the job must stay. */
export async function sendDomainReport(
  job: ReportJob,
  ports: SendPorts,
  deadlineMs: number,
): Promise<JobOutcome> {
  const obtained = await obtainReport(job, ports, deadlineMs);
  if ('kind' in obtained) {
    return obtained;
  }
  const nowMs = ports.now();
  const leaseEndMs = deadlineMs + leaseMarginMs;
  // What was read before the claim may be behind what somebody else has sent since.
  const frozen = await ports.reports.claim(job.day, job.domain, leaseEndMs, nowMs);
  if (frozen === undefined) {
    return { kind: 'later', atMs: leaseEndMs, reason: 'somebody else is sending it' };
  }
  const isLastChance = nowMs >= frozen.frozenAtMs + retryForMs;
  const suppressed = await ports.suppressions.active(nowMs);
  const round = { frozen, suppressed, isLastChance, ports, deadlineMs };
  const destinations = [...frozen.destinations];
  try {
    for (const [index, destination] of frozen.destinations.entries()) {
      destinations[index] = await serve(destination, round);
    }
  } finally {
    // A key that cannot be had, say, is no reason to send to the others once more.
    await ports.reports.settle(job.day, job.domain, destinations, ports.now());
  }
  return conclude(destinations, frozen, ports.now());
}

/** The report as frozen; it is frozen now where it is not yet. */
async function obtainReport(
  job: ReportJob,
  ports: SendPorts,
  deadlineMs: number,
): Promise<FrozenReport | JobOutcome> {
  const kept = await ports.reports.read(job.day, job.domain);
  if (kept !== undefined) {
    return kept;
  }
  const nowMs = ports.now();
  const suppressed = await ports.suppressions.active(nowMs);
  const built = await buildDomainReport(job, { ...ports, suppressed }, { nowMs, deadlineMs });
  switch (built.kind) {
    case 'report':
      return ports.reports.freeze(built.report);
    case 'unwanted':
      return { kind: 'done', result: 'unwanted', reason: built.reason };
    case 'unknown':
      return laterOrNever(job, nowMs, built.reason);
  }
}

/** A record that cannot be looked up is asked for again until the day's report is of no use any more. */
function laterOrNever(job: ReportJob, nowMs: number, reason: string): JobOutcome {
  const isOver = nowMs > dayRange(job.day).endMs + retryForMs + 5 * 3_600_000;
  return isOver
    ? { kind: 'done', result: 'given-up', reason }
    : { kind: 'later', atMs: nowMs + 3_600_000, reason };
}

interface Round {
  readonly frozen: FrozenReport;
  readonly suppressed: ReadonlySet<string>;
  readonly isLastChance: boolean;
  readonly ports: SendPorts;
  readonly deadlineMs: number;
}

async function serve(destination: DestinationState, round: Round): Promise<DestinationState> {
  const { uri, state } = destination;
  // RFC 8460 §3: once one destination has taken it the report is delivered; what failed elsewhere is not tried again.
  const isDelivered =
    destination.attempts > 0 &&
    round.frozen.destinations.some((each) => each.state === 'delivered');
  // What there is no time left for keeps its place in the order of pauses.
  if (state !== 'pending' || isDelivered || round.ports.now() >= round.deadlineMs) {
    return destination;
  }
  if (round.suppressed.has(normalizeDestination(uri))) {
    return { ...destination, state: 'suppressed', detail: 'on the suppression list' };
  }
  const outcome = await sendParts(destination, round);
  const attempts = destination.attempts + 1;
  switch (outcome.kind) {
    case 'delivered':
      return { ...destination, attempts, state: 'delivered', detail: outcome.detail };
    case 'too-large':
      return {
        ...destination,
        attempts,
        detail: outcome.detail,
        // Smaller reports may be taken; were they too large as well there is nothing left to try.
        ...(destination.split === true || round.isLastChance
          ? { state: 'failed' as const }
          : { split: true }),
      };
    case 'failed':
      return {
        ...destination,
        attempts,
        detail: outcome.detail,
        ...(round.isLastChance && { state: 'failed' as const }),
      };
  }
}

/** All parts, one after the other; the first that is not taken ends it, and all are sent again, under the same ids. */
async function sendParts(
  { uri, split }: DestinationState,
  { frozen, ports, deadlineMs }: Round,
): Promise<SendOutcome> {
  const destination = readReportDestination(uri);
  if (typeof destination === 'string') {
    return { kind: 'failed', detail: destination };
  }
  const parts = split === true ? frozen.parts.flatMap(splitFrozen) : frozen.parts;
  let outcome: SendOutcome = { kind: 'failed', detail: 'an empty report' };
  for (const { reportId, gzip } of parts) {
    const fileName = fileNameOf(frozen, reportId, ports);
    const report = { policyDomain: frozen.domain, reportId, gzip, fileName };
    outcome = await ports.sendReport(destination, report, deadlineMs);
    if (outcome.kind !== 'delivered') {
      break;
    }
  }
  return outcome;
}

function splitFrozen(part: FrozenPart): FrozenPart[] {
  return splitPart(part, JSON.parse(gunzipSync(part.gzip).toString()) as ReportJson);
}

function fileNameOf({ day, domain }: FrozenReport, reportId: string, ports: SendPorts): string {
  return reportFileName({
    submitter: submitterOf(ports.settings.contactInfo),
    policyDomain: domain,
    day,
    // RFC 8460 §5.1: letters and digits only, which a report id is not.
    uniqueId: createHash('sha256').update(reportId).digest('hex').slice(0, 16),
  });
}

function conclude(
  destinations: readonly DestinationState[],
  { frozenAtMs }: Pick<FrozenReport, 'frozenAtMs'>,
  nowMs: number,
): JobOutcome {
  const pending = destinations.filter(({ state }) => state === 'pending');
  const isDelivered = destinations.some(({ state }) => state === 'delivered');
  if (isDelivered) {
    // RFC 8460 §3: every destination is sent to; one that there was no time for has its turn yet.
    return pending.some(({ attempts }) => attempts === 0)
      ? { kind: 'later', atMs: nowMs + 60_000, reason: 'no time left for every destination' }
      : { kind: 'done', result: 'delivered', reason: 'delivered' };
  }
  if (pending.length === 0) {
    const isFailed = destinations.some(({ state }) => state === 'failed');
    const result = isFailed ? 'given-up' : 'unwanted';
    return { kind: 'done', result, reason: 'no destination is left' };
  }
  const attempts = Math.max(1, ...pending.map((each) => each.attempts));
  const pause = pausesMinutes[Math.min(attempts, pausesMinutes.length) - 1] ?? 480;
  const reason = pending[0]?.detail ?? '';
  // The last attempt is made when the day is over, not after it.
  const lastMs = Math.max(nowMs + 60_000, frozenAtMs + retryForMs);
  return { kind: 'later', atMs: Math.min(nowMs + pause * 60_000, lastMs), reason };
}
