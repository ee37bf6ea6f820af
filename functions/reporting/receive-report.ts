/**
 * Receiving a TLS report: read, judged, kept and, where it may be, counted.
 *
 * Whatever a stranger sends ends in a receipt. Only what is ours fails (a table, DNS), and only for so long as it may be
 * tried again.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-5 RFC 8460 §3, §5 and §7}
 */
import { createHash } from 'node:crypto';
import { TransportSecurityError } from '../protocol/errors.ts';
import { mxMatches } from '../protocol/mta-sts/mx.ts';
import { type ReadReport, readReport } from '../protocol/tlsrpt/read-report.ts';
import type { ReceivedReport } from '../protocol/tlsrpt/received-report.ts';
import { dayRange } from '../protocol/tlsrpt/report.ts';
import { findReport, type MailClaims, unpackReport } from './find-report.ts';
import { type CheckSignatures, judgeSignatures } from './judge-signatures.ts';
import type {
  FailureSighting,
  Receipt,
  ReceiptEvent,
  ReceiptStore,
  ReceiptSummary,
} from './receive-ports.ts';
import { keptDays, type ReportSums, type ReportWay, sumReport } from './report-sums.ts';

/** What came in, whole. */
export interface Arrival {
  readonly way: ReportWay;
  /** Where it is kept. */
  readonly rawKey: string;
  readonly octets: Uint8Array;
  readonly receivedAtMs: number;
  /** Whether what DNS does not say now is to be done without. */
  readonly isLastTry: boolean;
}

/** Whose reports are counted. */
export interface OwnDomains {
  /** Policy domains. */
  readonly domains: readonly string[];
  /** `mx` patterns: the policy domain of DANE is the TLSA base domain, an MX host's (RFC 8460 §1.1). */
  readonly mxHosts: readonly string[];
}

export interface ReceivePorts {
  readonly store: ReceiptStore;
  readonly checkSignatures: CheckSignatures;
  readonly own: OwnDomains;
  /** Epoch milliseconds, for look-ups. */
  readonly deadlineMs: number;
  /** Tells the operator of failures that are new; done when it returns. Told once, or again where the process died then. */
  readonly announce: (failures: readonly FailureSighting[]) => void;
}

const dayMs = 86_400_000;

/** Types of failure of one report and domain that are noted as seen, and of all its domains: each costs a write. */
const notedMax = 30;
const notedPerReportMax = 300;

/** Policy domains that a receipt names. */
const namedMax = 20;

/** In ids of what is not counted, by its octets: it takes nobody's place. */
const apart = 'apart';

/**
 * Receives what came, once or again.
 *
 * @throws {TransportSecurityError} `store-unavailable`; or a code of DNS, where it is not the last try
 */
export async function receiveReport(arrival: Arrival, ports: ReceivePorts): Promise<ReceiptEvent> {
  const opened = await openArrival(arrival);
  const facts = { way: arrival.way, rawKey: arrival.rawKey, receivedAtMs: arrival.receivedAtMs };
  if (opened.kind === 'unreadable') {
    const { reason } = opened;
    const id = idOf([apart, hashOf(arrival.octets)]);
    return settle({ ...facts, id, state: 'unreadable', reason, deviations: [] }, [], ports);
  }
  const { report, claims } = opened;
  const submitter = report.submitter ?? claims.submitter ?? claims.fromDomains[0] ?? '';
  const known = { ...facts, deviations: opened.deviations, summary: summarize(report, submitter) };
  const refusal =
    (await refuse(arrival, submitter, ports)) ??
    refuseForeign(report, ports.own) ??
    refuseUntimely(report, arrival.receivedAtMs);
  if (refusal !== undefined) {
    const id = idOf([apart, hashOf(arrival.octets)]);
    return settle({ ...known, ...refusal, id }, [], ports);
  }
  // Of each submitter by itself, as somebody else may use its words; what nobody signed keeps off what was signed.
  const id = idOf([arrival.way, submitter, report.organization, report.reportId]);
  const policies = report.policies.filter(({ domain }) => isOwn(domain, ports.own));
  const sums = sumReport({ ...report, policies }, { id, reporter: submitter, way: arrival.way });
  return settle({ ...known, id, state: 'counted' }, sums, ports);
}

/** The receipt of what is not read: by default as no try came to an end, for the process died of it or ran out of time. */
export function receivePoison(
  { way, rawKey, receivedAtMs }: Omit<Arrival, 'octets' | 'isLastTry'>,
  ports: Pick<ReceivePorts, 'store' | 'announce'>,
  reason: string = 'reading it was tried several times and never came to an end',
): Promise<ReceiptEvent> {
  const id = idOf([apart, rawKey]);
  const facts = { way, rawKey, receivedAtMs, deviations: [] };
  return settle({ ...facts, id, state: 'unreadable', reason }, [], ports);
}

/** Whether reports about a policy domain are counted. */
export function isOwn(domain: string, { domains, mxHosts }: OwnDomains): boolean {
  return domains.includes(domain) || mxMatches(domain, mxHosts);
}

/** What an arrival holds. */
export type OpenedArrival =
  | (Extract<ReadReport, { kind: 'report' }> & { readonly claims: MailClaims })
  | Extract<ReadReport, { kind: 'unreadable' }>;

/** Reads an arrival, and says nothing of whether it may be believed. Never rejects for what is in it. */
export async function openArrival({ way, octets }: Arrival): Promise<OpenedArrival> {
  if (way === 'https') {
    const read = await readPosted(octets);
    return read.kind === 'unreadable' ? read : { ...read, claims: { fromDomains: [] } };
  }
  const found = await findReport(octets);
  if (found.kind !== 'found') {
    return { kind: 'unreadable', reason: found.reason };
  }
  const { claims, deviations } = found;
  const read = readReport(found.json, claims);
  if (read.kind === 'unreadable') {
    return read;
  }
  const { submitter } = read.report;
  const differs =
    submitter !== undefined && claims.submitter !== undefined && submitter !== claims.submitter;
  // RFC 8460 §5.3: it MUST match; §5.6: where they differ the report counts.
  const odd = differs ? ['mail: TLS-Report-Submitter is not the domain of contact-info'] : [];
  return { ...read, claims, deviations: [...deviations, ...odd, ...read.deviations] };
}

/** Reads what was posted (RFC 8460 §5.4), packed or not. */
export async function readPosted(octets: Uint8Array): Promise<ReadReport> {
  const unpacked = await unpackReport(octets);
  return unpacked.kind === 'json' ? readReport(unpacked.json) : unpacked;
}

type Refusal = Required<Pick<Receipt, 'state' | 'reason'>>;

/** What comes by HTTPS has no signature: it is counted, and apart. */
async function refuse(
  { way, octets, receivedAtMs, isLastTry }: Arrival,
  submitter: string,
  { checkSignatures, deadlineMs }: ReceivePorts,
): Promise<Refusal | undefined> {
  if (submitter === '') {
    return { state: 'unverified', reason: 'it does not say whose it is' };
  }
  if (way === 'https') {
    return undefined;
  }
  const signatures = await checkSignatures(octets, { receivedAtMs, deadlineMs });
  const judgement = judgeSignatures(signatures, submitter);
  if (judgement.kind === 'unknown' && !isLastTry) {
    throw new TransportSecurityError('dns-server-failure', `a DKIM key of ${judgement.reason}`);
  }
  return judgement.kind === 'verified'
    ? undefined
    : { state: 'unverified', reason: judgement.reason };
}

function refuseForeign({ policies }: ReceivedReport, own: OwnDomains): Refusal | undefined {
  return policies.some(({ domain }) => isOwn(domain, own))
    ? undefined
    : { state: 'foreign', reason: 'about no domain of ours' };
}

/** Clocks differ by a day at the most; and what is older than what is kept is gone as soon as it is written. */
function refuseUntimely({ day }: ReceivedReport, receivedAtMs: number): Refusal | undefined {
  const { startMs, endMs } = dayRange(day);
  if (startMs > receivedAtMs + dayMs) {
    return { state: 'untimely', reason: `about ${day}, which is to come` };
  }
  return endMs < receivedAtMs - keptDays * dayMs
    ? { state: 'untimely', reason: `about ${day}, more than 13 months ago` }
    : undefined;
}

/**
 * The order is what makes a death harmless. All that is written before the end may be written again; what is new is told
 * before the end, and so once at least; what is counted in metrics is told after it, and so once at most.
 */
async function settle(
  receipt: Receipt,
  sums: readonly ReportSums[],
  { store, announce }: Pick<ReceivePorts, 'store' | 'announce'>,
): Promise<ReceiptEvent> {
  const kept = await store.keep(receipt);
  if (kept !== 'open') {
    return { receipt, outcome: kept === 'settled' ? 'again' : 'duplicate', sums: [] };
  }
  await store.writeSums(sums);
  const fresh = await noteFailures(receipt.id, sums, store);
  if (fresh.length > 0) {
    announce(fresh);
  }
  return (await store.settle(receipt.id))
    ? { receipt, outcome: 'first', sums }
    : { receipt, outcome: 'again', sums: [] };
}

/** Notes types of failure; gives those that are new. What nobody signed raises no alarm. */
async function noteFailures(
  id: string,
  sums: readonly ReportSums[],
  store: ReceiptStore,
): Promise<readonly FailureSighting[]> {
  const sightings = sums
    .filter(({ way }) => way === 'mail')
    .flatMap(({ domain, day, failures }) => {
      const types = [...new Set(failures.map(({ resultType }) => resultType))].slice(0, notedMax);
      return types.map((resultType) => ({ domain, resultType, day, id }));
    });
  const fresh: FailureSighting[] = [];
  for (const sighting of sightings.slice(0, notedPerReportMax)) {
    if (await store.noteFailure(sighting)) {
      fresh.push(sighting);
    }
  }
  return fresh;
}

function summarize(report: ReceivedReport, submitter: string): ReceiptSummary {
  const { organization, reportId, day, startMs, endMs, policies } = report;
  const domains = [...new Set(policies.map(({ domain }) => domain))];
  return {
    organization,
    submitter,
    reportId,
    day,
    startMs,
    endMs,
    domains: domains.slice(0, namedMax),
    successes: policies.reduce((sum, { successes }) => sum + successes, 0),
    failures: policies.reduce((sum, { failures }) => sum + failures, 0),
  };
}

function idOf(fields: readonly string[]): string {
  return hashOf(Buffer.from(JSON.stringify(fields))).slice(0, 32);
}

function hashOf(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex');
}
