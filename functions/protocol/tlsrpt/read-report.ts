/**
 * Reading a report that others wrote.
 *
 * Senders deviate in known ways, and a report that is refused tells nobody anything; so what is missing or written
 * otherwise is made up for where its meaning is plain, and each deviation is noted. What a stranger writes is bounded.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.4 RFC 8460 §4.4}
 */
import { createHash } from 'node:crypto';
import { jsonExcess } from './json-scan.ts';
import type { ReceivedFailure, ReceivedPolicy, ReceivedReport } from './received-report.ts';
import { utcDay } from './report.ts';
import { createNotes, isObject, type Notes, Reader, toDomain } from './report-fields.ts';

/** RFC 8460 §5.2: a limit of ten megabytes is common. */
export const reportBytesMax: number = 10 * 1_024 * 1_024;

/** Far more than a report of the largest providers has: one failure is some ten values. */
const jsonLimits = { valuesMax: 200_000, depthMax: 10 };

/** Entries that are read; what is beyond is not, and a deviation says so. */
const policiesMax = 1_000;
const detailsMax = 10_000;

const dayMs = 86_400_000;

/** What the mail around a report says, for a report that does not say it itself (RFC 8460 §5.6). */
export interface ReportHints {
  /** In A-labels. */
  readonly policyDomain?: string;
}

/** `unreadable`: there is nothing in it that could be counted. */
export type ReadReport =
  | {
      readonly kind: 'report';
      readonly report: ReceivedReport;
      /** What is not as RFC 8460 says, bounded. */
      readonly deviations: readonly string[];
    }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Reads a report, unpacked. Never throws, whatever is in it. */
export function readReport(json: Uint8Array, hints: ReportHints = {}): ReadReport {
  if (json.length > reportBytesMax) {
    return unreadable(`${json.length} octets, ${reportBytesMax} are read`);
  }
  const excess = jsonExcess(json, jsonLimits);
  if (excess !== undefined) {
    return unreadable(excess);
  }
  const notes = createNotes();
  let value: unknown;
  try {
    value = JSON.parse(decodeText(json, notes));
  } catch {
    // The parser's words would quote a stranger.
    return unreadable('not JSON');
  }
  const root = isObject(value) ? new Reader(value, '', notes) : undefined;
  return root === undefined ? unreadable('not a JSON object') : readRoot(root, json, hints, notes);
}

function readRoot(root: Reader, json: Uint8Array, hints: ReportHints, notes: Notes): ReadReport {
  const range = readRange(root);
  if (range === undefined) {
    return unreadable('no date-range that can be read');
  }
  const policies = readPolicies(root, hints, notes);
  if (policies === undefined) {
    return unreadable('no policies');
  }
  const contact = root.text('contact-info', 320);
  const submitter = contact === undefined ? undefined : domainOf(contact);
  if (contact !== undefined && submitter === undefined) {
    notes.add('contact-info: not an address');
  }
  const organization = root.text('organization-name', 200) ?? submitter ?? '';
  // What is the same is the same report, then.
  const reportId =
    root.text('report-id', 500) ?? `sha256:${createHash('sha256').update(json).digest('hex')}`;
  return {
    kind: 'report',
    report: {
      organization,
      ...(contact !== undefined && { contact }),
      ...(submitter !== undefined && { submitter }),
      reportId,
      ...range,
      policies,
    },
    deviations: notes.list(),
  };
}

function readRange(root: Reader): Pick<ReceivedReport, 'startMs' | 'endMs' | 'day'> | undefined {
  const range = root.object('date-range');
  const startMs = range?.time('start-datetime');
  if (range === undefined || startMs === undefined) {
    return undefined;
  }
  const endMs = range.time('end-datetime') ?? startMs + dayMs - 1_000;
  if (endMs < startMs) {
    range.note('end-datetime', 'before the beginning');
  }
  // Senders whose day is not UTC's, and ranges that end where the next begins: the middle tells which day is meant.
  const day = utcDay(startMs + Math.max(0, Math.min(endMs - startMs, dayMs)) / 2);
  return { startMs, endMs: Math.max(startMs, endMs), day };
}

function readPolicies(
  root: Reader,
  hints: ReportHints,
  notes: Notes,
): readonly ReceivedPolicy[] | undefined {
  const entries = root.list('policies', policiesMax);
  if (entries === undefined) {
    return undefined;
  }
  let detailsLeft = detailsMax;
  const policies: ReceivedPolicy[] = [];
  for (const entry of entries) {
    const policy = readPolicy(entry, hints, detailsLeft);
    if (policy === undefined) {
      entry.note('', 'no policy-domain, left out');
    } else {
      detailsLeft -= policy.details.length;
      policies.push(policy);
    }
  }
  // An entry of which nothing is left must not look like a day without sessions.
  if (entries.length > 0 && policies.length === 0) {
    return undefined;
  }
  if (entries.length === 0) {
    notes.add('policies: empty');
  }
  return policies;
}

function readPolicy(
  entry: Reader,
  hints: ReportHints,
  detailsLeft: number,
): ReceivedPolicy | undefined {
  // What describes the policy may stand beside the summary.
  const policy = entry.object('policy') ?? entry;
  const domain = policy.domain('policy-domain') ?? hints.policyDomain;
  if (domain === undefined) {
    return undefined;
  }
  const summary = entry.object('summary');
  const details = (entry.list('failure-details', detailsLeft, { optional: true }) ?? []).map(
    readFailure,
  );
  const detailed = details.reduce((sum, { sessions }) => sum + sessions, 0);
  const failures = summary?.count('total-failure-session-count') ?? detailed;
  if (failures !== detailed) {
    // RFC 8460 §4: types of failure overlap; and details are not always given.
    entry.note('failure-details', `${detailed} sessions, the summary has ${failures}`);
  }
  const type = policy.text('policy-type', 50) ?? 'no-policy-found';
  return {
    type,
    domain,
    strings: policy.lines('policy-string', 1_000, { optional: type !== 'sts' && type !== 'tlsa' }),
    mxHosts: policy.lines('mx-host', 300, { optional: true }),
    successes: summary?.count('total-successful-session-count') ?? 0,
    failures,
    details,
  };
}

function readFailure(detail: Reader): ReceivedFailure {
  const optional = (name: string): string | undefined => detail.text(name, 200, { optional: true });
  const sendingMtaIp = optional('sending-mta-ip');
  const receivingMxHostname = optional('receiving-mx-hostname')?.toLowerCase().replace(/\.$/, '');
  const receivingMxHelo = optional('receiving-mx-helo');
  const receivingIp = optional('receiving-ip');
  const additionalInformation = detail.text('additional-information', 500, { optional: true });
  const failureReasonCode = optional('failure-reason-code');
  return {
    resultType: detail.text('result-type', 100) ?? 'unspecified',
    // An entry is there because of one session at least.
    sessions: detail.count('failed-session-count') ?? 1,
    ...(sendingMtaIp !== undefined && { sendingMtaIp }),
    ...(receivingMxHostname !== undefined && { receivingMxHostname }),
    ...(receivingMxHelo !== undefined && { receivingMxHelo }),
    ...(receivingIp !== undefined && { receivingIp }),
    ...(additionalInformation !== undefined && { additionalInformation }),
    ...(failureReasonCode !== undefined && { failureReasonCode }),
  };
}

/** RFC 7493 §2.1: UTF-8; a byte order mark is none of JSON's (RFC 8259 §8.1). */
function decodeText(json: Uint8Array, notes: Notes): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(json);
  if (text.includes('\ufffd')) {
    notes.add('not UTF-8 throughout');
  }
  if (!text.startsWith('\ufeff')) {
    return text;
  }
  notes.add('begins with a byte order mark');
  return text.slice(1);
}

function domainOf(address: string): string | undefined {
  const at = address.lastIndexOf('@');
  return at > 0 ? toDomain(address.slice(at + 1).replace(/>$/, '')) : undefined;
}

function unreadable(reason: string): ReadReport {
  return { kind: 'unreadable', reason };
}
