/**
 * Building the day's report of a domain, once: what is frozen is sent, however often.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.4 RFC 8460 §4.4}
 */
import { gzipSync } from 'node:zlib';
import type { ReportSettings } from '../environment.ts';
import { normalizeDestination, selectTlsrptRecord } from '../protocol/tlsrpt/record.ts';
import {
  buildReport,
  type ReportFacts,
  type ReportJson,
  submitterOf,
} from '../protocol/tlsrpt/report.ts';
import { createTally } from '../protocol/tlsrpt/tally.ts';
import type {
  DestinationState,
  FrozenPart,
  FrozenReport,
  LookUpRecord,
  RecordLookup,
  ReportJob,
  ResultReader,
} from './ports.ts';

/** RFC 8460 §5.2: a limit of ten megabytes is common among receivers; they unpack what they get. */
const jsonBytesMax = 10_000_000;

/** Destinations of all records of a day: one with a TTL of seconds may be another each time, with ten of its own. */
const destinationsMax = 20;

export interface FreezePorts {
  readonly results: Pick<ResultReader, 'resultsOf'>;
  readonly lookUpRecord: LookUpRecord;
  readonly suppressed: ReadonlySet<string>;
  readonly settings: ReportSettings;
  /** Letters, digits and hyphens, never the same twice: an organization may have several installations. */
  readonly newId: () => string;
}

/**
 * The report to freeze. `unwanted`: nobody asks for it, or there is nothing to tell; `unknown`: whether somebody does
 * cannot be found out now.
 */
export type BuiltReport =
  | { readonly kind: 'report'; readonly report: FrozenReport }
  | { readonly kind: 'unwanted' | 'unknown'; readonly reason: string };

/** Sums a domain's results of a day and builds its report. Rejects with `store-unavailable`. */
export async function buildDomainReport(
  job: ReportJob,
  ports: FreezePorts,
  { nowMs, deadlineMs }: { readonly nowMs: number; readonly deadlineMs: number },
): Promise<BuiltReport> {
  const { policies, wishes } = await sumResults(job, ports);
  if (policies.length === 0) {
    return { kind: 'unwanted', reason: 'no session' };
  }
  if (ports.settings.onlyFailures && policies.every(({ failures }) => failures === 0)) {
    return { kind: 'unwanted', reason: 'no failure' };
  }
  const found = await findDestinations(wishes, () => ports.lookUpRecord(job.domain, deadlineMs));
  if ('kind' in found) {
    return found;
  }
  const destinations = distinct(found.map((uri) => placeDestination(uri, ports)));
  const parts = buildParts({ ...job, ...ports.settings, policies, uniqueId: ports.newId() });
  return { kind: 'report', report: { ...job, parts, frozenAtMs: nowMs, destinations } };
}

async function sumResults(
  { day, domain }: ReportJob,
  { results }: FreezePorts,
): Promise<{ policies: ReportFacts['policies']; wishes: Wishes }> {
  const tally = createTally(domain);
  const wishes = createWishes();
  for await (const portion of results.resultsOf(day, domain)) {
    for (const { policies, record } of portion) {
      tally.merge(policies);
      if (record !== undefined) {
        wishes.add(record);
      }
    }
  }
  return { policies: tally.list(), wishes };
}

/** Where the records of a day want reports to go: one that changed at noon wants the morning as well. */
interface Wishes {
  add(record: string): void;
  /** Whether there was a record, of whatever kind. */
  known(): boolean;
  destinations(): readonly string[];
}

/** Records are not kept, only what of them is obeyed: a stranger may have another one for each session. */
function createWishes(): Wishes {
  const byPlace = new Map<string, string>();
  let last: string | undefined;
  return {
    add: (record) => {
      if (record === last || byPlace.size >= destinationsMax) {
        return;
      }
      last = record;
      // Other mail servers pass records on as they are (collect-results.ts): one that is none loses itself only.
      const selection = selectTlsrptRecord([record]);
      const wanted = selection.kind === 'record' ? selection.record.destinations : [];
      for (const { uri } of wanted) {
        const place = normalizeDestination(uri);
        byPlace.set(place, byPlace.get(place) ?? uri);
      }
    },
    known: () => last !== undefined,
    destinations: () => [...byPlace.values()],
  };
}

async function findDestinations(
  wishes: Wishes,
  lookUpRecord: () => Promise<RecordLookup>,
): Promise<readonly string[] | Exclude<BuiltReport, { kind: 'report' }>> {
  if (!wishes.known()) {
    const lookup = await lookUpRecord();
    if (lookup.kind === 'failed') {
      return { kind: 'unknown', reason: lookup.reason };
    }
    if (lookup.kind === 'none') {
      return { kind: 'unwanted', reason: lookup.reason };
    }
    wishes.add(lookup.text);
  }
  const destinations = wishes.destinations();
  return destinations.length > 0
    ? destinations
    : { kind: 'unwanted', reason: 'no record that can be used' };
}

/** Each once, however often and however it is spelt; as many as a stranger may make us send to. */
function distinct(destinations: readonly DestinationState[]): DestinationState[] {
  const byPlace = Map.groupBy(destinations, ({ uri }) => normalizeDestination(uri));
  return [...byPlace.values()].flatMap((group) => group.slice(0, 1)).slice(0, destinationsMax);
}

function placeDestination(uri: string, { settings, suppressed }: FreezePorts): DestinationState {
  const mapped = settings.destinations.find(
    ({ from }) => normalizeDestination(from) === normalizeDestination(uri),
  );
  if (mapped !== undefined && mapped.to === undefined) {
    return { uri, state: 'discarded', attempts: 0, detail: 'discarded by the config' };
  }
  const place = mapped?.to ?? uri;
  return suppressed.has(normalizeDestination(place))
    ? { uri: place, state: 'suppressed', attempts: 0, detail: 'on the suppression list' }
    : { uri: place, state: 'pending', attempts: 0 };
}

type PartFacts = Omit<ReportFacts, 'reportId'> & { readonly uniqueId: string };

/** One part, or as many as keep each below the limit; a part has at least one policy. */
function buildParts(facts: PartFacts): FrozenPart[] {
  const parts: FrozenPart[] = [];
  let rest = facts.policies;
  while (rest.length > 0) {
    let count = rest.length;
    let json = toJson(facts, rest, parts.length);
    while (json.length > jsonBytesMax && count > 1) {
      count = Math.ceil(count / 2);
      json = toJson(facts, rest.slice(0, count), parts.length);
    }
    parts.push({ reportId: reportIdOf(facts, parts.length), gzip: gzipSync(json) });
    rest = rest.slice(count);
  }
  return parts;
}

function toJson(facts: PartFacts, policies: ReportFacts['policies'], index: number): Buffer {
  const report = buildReport({ ...facts, policies, reportId: reportIdOf(facts, index) });
  return Buffer.from(JSON.stringify(report));
}

/** RFC 8460 §4.4: unique, so that nobody takes the reports of two installations for one. Freezing keeps it. */
function reportIdOf({ day, uniqueId, contactInfo }: PartFacts, index: number): string {
  return `${day}.${uniqueId}${index === 0 ? '' : `.${index}`}@${submitterOf(contactInfo)}`;
}

/** One report for each policy, for a destination that does not take the whole; ids derived from its own. */
export function splitPart({ reportId, gzip }: FrozenPart, report: ReportJson): FrozenPart[] {
  if (report.policies.length <= 1) {
    return [{ reportId, gzip }];
  }
  const at = reportId.lastIndexOf('@');
  return report.policies.map((policy, index) => {
    const id = `${reportId.slice(0, at)}.p${index}${reportId.slice(at)}`;
    const json = JSON.stringify({ ...report, 'report-id': id, policies: [policy] });
    return { reportId: id, gzip: gzipSync(json) };
  });
}
