/**
 * Reading a report that others wrote.
 *
 * Senders deviate in known ways, and a report that is refused tells nobody anything; so what is missing or written
 * otherwise is made up for where its meaning is plain, and each deviation is noted. What a stranger writes is bounded.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.4 RFC 8460 §4.4}
 */
import { createHash } from 'node:crypto';
import { parseDomainName } from '../domain-name.ts';
import { TransportSecurityError } from '../errors.ts';
import { jsonExcess } from './json-scan.ts';
import type { ReceivedFailure, ReceivedPolicy, ReceivedReport } from './received-report.ts';
import { utcDay } from './report.ts';
import { parseReportTime } from './report-time.ts';

/** RFC 8460 §5.2: a limit of ten megabytes is common. */
export const reportBytesMax: number = 10 * 1_024 * 1_024;

/** Far more than a report of the largest providers has: one failure is some ten values. */
const jsonLimits = { valuesMax: 200_000, depthMax: 10 };

/** Entries that are read; what is beyond is not, and a deviation says so. */
const policiesMax = 1_000;
const detailsMax = 10_000;
const linesMax = 200;

const deviationsMax = 50;

/** Sums of this many sessions of this many reports are exact still. */
const sessionsMax = 1_000_000_000_000;

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

/** Deviations, as many as are worth reading. */
interface Notes {
  add(text: string): void;
  list(): readonly string[];
}

function createNotes(): Notes {
  const notes = new Set<string>();
  return {
    add: (text) => {
      if (notes.size < deviationsMax) {
        notes.add(text);
      }
    },
    list: () => [...notes],
  };
}

interface FieldOptions {
  /** Nothing is noted where it is absent. */
  readonly optional?: boolean;
}

/** An object of the report, and where it stands. */
class Reader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #notes: Notes;

  constructor(fields: Readonly<Record<string, unknown>>, path: string, notes: Notes) {
    this.#fields = fields;
    this.#path = path;
    this.#notes = notes;
  }

  note(name: string, fault: string): void {
    const where = [this.#path, name].filter((part) => part !== '').join('.');
    this.#notes.add(`${where}: ${fault}`);
  }

  /** Undefined for what is absent, null or empty. */
  #value(name: string, { optional = false }: FieldOptions = {}): unknown {
    const value = Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
    if (value !== undefined && value !== null && value !== '') {
      return value;
    }
    if (!optional) {
      this.note(name, 'missing');
    }
    return undefined;
  }

  text(name: string, charsMax: number, options?: FieldOptions): string | undefined {
    const value = this.#value(name, options);
    if (value === undefined) {
      return undefined;
    }
    if (typeof value !== 'string') {
      this.note(name, 'not a text');
    }
    if (typeof value === 'object') {
      return undefined;
    }
    const text = String(value).trim();
    if (text.length > charsMax) {
      this.note(name, `${text.length} chars, cut to ${charsMax}`);
    }
    return bound(text, charsMax) || undefined;
  }

  object(name: string): Reader | undefined {
    const value = this.#value(name);
    if (value !== undefined && !isObject(value)) {
      this.note(name, 'not an object');
    }
    return isObject(value) ? new Reader(value, this.#join(name), this.#notes) : undefined;
  }

  /** Objects in an array, or one without it; undefined where nothing in it is one. */
  list(name: string, max: number, options?: FieldOptions): readonly Reader[] | undefined {
    const value = this.#value(name, options);
    if (value === undefined) {
      return undefined;
    }
    if (!Array.isArray(value)) {
      this.note(name, 'not an array');
    }
    const all: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (all.length > max) {
      this.note(name, `${all.length} entries, ${max} are read`);
    }
    const readers = all.slice(0, max).flatMap((each, index) => {
      if (isObject(each)) {
        return [new Reader(each, `${this.#join(name)}[${index}]`, this.#notes)];
      }
      this.note(name, `entry ${index} is not an object`);
      return [];
    });
    return readers.length === 0 && all.length > 0 ? undefined : readers;
  }

  /** Texts in an array; or one text, of one line or several. */
  lines(name: string, charsMax: number, options?: FieldOptions): readonly string[] {
    const value = this.#value(name, options);
    if (value === undefined) {
      return [];
    }
    if (!Array.isArray(value)) {
      this.note(name, 'not an array');
    }
    const single = typeof value === 'string' ? value.split(/[\r\n]+/) : [];
    const all: readonly unknown[] = Array.isArray(value) ? value : single;
    if (all.length > linesMax) {
      this.note(name, `${all.length} entries, ${linesMax} are read`);
    }
    return all
      .slice(0, linesMax)
      .filter((each) => typeof each === 'string')
      .map((each) => bound(each.trim(), charsMax))
      .filter((each) => each !== '');
  }

  /** A count of sessions. */
  count(name: string): number | undefined {
    const value = this.#value(name);
    if (value === undefined) {
      return undefined;
    }
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
    if (typeof value !== 'number') {
      this.note(name, 'not a number');
    }
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) {
      this.note(name, 'not a count');
      return undefined;
    }
    return Math.min(number, sessionsMax);
  }

  time(name: string): number | undefined {
    const value = this.#value(name);
    const time = value === undefined ? undefined : parseReportTime(value);
    if (value !== undefined && time === undefined) {
      this.note(name, 'not a date-time');
    }
    if (time?.deviation !== undefined) {
      this.note(name, time.deviation);
    }
    return time?.ms;
  }

  domain(name: string): string | undefined {
    const text = this.text(name, 500);
    const domain = text === undefined ? undefined : toDomain(text);
    if (text !== undefined && domain !== text) {
      this.note(name, domain === undefined ? 'not a domain name' : 'not in lower-case A-labels');
    }
    return domain;
  }

  #join(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
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

/** A store takes no lone surrogates, which a cut may leave; a control character is six in JSON, and none in a report. */
function bound(text: string, charsMax: number): string {
  return text
    .slice(0, charsMax)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, '\ufffd');
}

function domainOf(address: string): string | undefined {
  const at = address.lastIndexOf('@');
  return at > 0 ? toDomain(address.slice(at + 1).replace(/>$/, '')) : undefined;
}

/** A name in A-labels; undefined for what is none. */
export function toDomain(text: string): string | undefined {
  try {
    return parseDomainName(text);
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(reason: string): ReadReport {
  return { kind: 'unreadable', reason };
}
