/** The reporting room's stores in memory, and a world of destinations that take reports or do not. */
import type { ReportDestination } from '../../functions/protocol/tlsrpt/record.ts';
import type {
  DestinationState,
  FrozenReport,
  OutgoingReport,
  PlanStore,
  RecordedResults,
  ReportJob,
  ReportQueue,
  ReportStore,
  ResultReader,
  ResultStore,
  SendOutcome,
} from '../../functions/reporting/ports.ts';

export interface MemoryReports {
  readonly results: ResultStore & ResultReader;
  readonly plans: PlanStore;
  readonly queue: ReportQueue;
  readonly reports: ReportStore;
  readonly jobs: { readonly job: ReportJob; readonly delaySeconds: number }[];
  /** Until when jobs are hidden, by receipt handle. */
  readonly hidden: ReadonlyMap<string, number>;
  readonly frozen: ReadonlyMap<string, FrozenReport>;
}

/** `portion`: how many items or domains one portion of a reading has. */
export function createMemoryReports(portion = 2): MemoryReports {
  const written = new Map<string, RecordedResults>();
  const planned = new Map<string, number>();
  const frozen = new Map<string, FrozenReport>();
  const leases = new Map<string, number>();
  const hidden = new Map<string, number>();
  const jobs: { readonly job: ReportJob; readonly delaySeconds: number }[] = [];
  const key = (day: string, domain: string): string => `${day} ${domain}`;
  return {
    jobs,
    hidden,
    frozen,
    results: {
      write: async (results) => {
        for (const each of results) {
          written.set(each.id, structuredClone(each));
        }
      },
      async *domainsOf(day) {
        const found = [...written.values()].filter((each) => each.day === day);
        yield* inPortions([...new Set(found.map(({ domain }) => domain))], portion);
      },
      async *resultsOf(day, domain) {
        const found = [...written.values()].filter(
          (each) => each.day === day && each.domain === domain,
        );
        yield* inPortions(found, portion);
      },
    },
    plans: {
      plannedPortion: async (day) => planned.get(day) ?? -1,
      notePlanned: async (day, last) => void planned.set(day, last),
    },
    queue: {
      enqueue: async (more) => void jobs.push(...more),
      hideUntil: async (receiptHandle, untilMs) => void hidden.set(receiptHandle, untilMs),
    },
    reports: {
      read: async (day, domain) => frozen.get(key(day, domain)),
      freeze: async (report) => {
        const kept = frozen.get(key(report.day, report.domain)) ?? report;
        frozen.set(key(report.day, report.domain), kept);
        return kept;
      },
      claim: async (day, domain, leaseEndMs, nowMs) => {
        const isFree = (leases.get(key(day, domain)) ?? 0) <= nowMs;
        if (isFree) {
          leases.set(key(day, domain), leaseEndMs);
        }
        return isFree ? frozen.get(key(day, domain)) : undefined;
      },
      settle: async (day, domain, destinations) => {
        const report = frozen.get(key(day, domain));
        if (report === undefined) {
          throw new TypeError('only what is frozen is settled');
        }
        frozen.set(key(day, domain), { ...report, destinations });
        leases.delete(key(day, domain));
      },
    },
  };
}

/** Destinations by URI, each with the answers it gives in turn; the last for all that follow. Default: taken. */
export interface MemoryDestinations {
  readonly answers: Map<string, SendOutcome['kind'][]>;
  readonly received: { readonly uri: string; readonly report: OutgoingReport }[];
  readonly send: (destination: ReportDestination, report: OutgoingReport) => Promise<SendOutcome>;
}

export function createMemoryDestinations(): MemoryDestinations {
  const answers = new Map<string, SendOutcome['kind'][]>();
  const received: { readonly uri: string; readonly report: OutgoingReport }[] = [];
  return {
    answers,
    received,
    send: async ({ uri }, report) => {
      const list = answers.get(uri) ?? ['delivered'];
      const kind = (list.length > 1 ? list.shift() : list[0]) ?? 'delivered';
      if (kind === 'delivered') {
        received.push({ uri, report });
      }
      return { kind, detail: kind };
    },
  };
}

export function stateOf(
  report: FrozenReport | undefined,
): Record<string, DestinationState['state']> {
  return Object.fromEntries(report?.destinations.map(({ uri, state }) => [uri, state]) ?? []);
}

function* inPortions<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < list.length; start += size) {
    yield list.slice(start, start + size);
  }
}
