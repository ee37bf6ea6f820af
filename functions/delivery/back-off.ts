/**
 * Domain back-off, as delivery sees it: while no host of a domain can be connected to, one message at a time tries
 * whether one can, and the rest wait.
 *
 * It saves connections and attempts, and nothing depends on it: where its store fails, mail is tried as ever.
 */
import { type FailureCode, TransportSecurityError } from '../protocol/errors.ts';
import type { DeliveryContext } from './context.ts';
import type { HostLog } from './host-log.ts';
import type { Backoff, BackoffStore } from './ports.ts';
import { nextAttemptAt } from './retry-schedule.ts';

/** How long a probe's lease outlives the invocation's deadline: clocks differ. */
const leaseMarginMs = 60_000;

/** For how long a domain that was seen not to back off is not asked about again. */
const absenceMs = 30_000;

/** Domains that are remembered at a time. */
const absencesMax = 10_000;

/** What a group of messages for one domain has to do with its back-off. */
export interface DomainBackOff {
  /** The domain is known to be out of reach, and whether it still is others try, or will when it is time. */
  readonly isWaiting: boolean;
  /** A host answered: what waits for the domain may go. */
  reached(): Promise<void>;
  /** No host can be connected to: the domain backs off, or goes on to. */
  unreachable(): Promise<void>;
}

/** Looks whether the domain backs off, and takes the probe that is due. Rejects for bugs only. */
export async function enterBackOff(
  domain: string,
  context: DeliveryContext,
): Promise<DomainBackOff> {
  const { ports, settings, deadlineMs } = context;
  const { backoffs } = ports;
  const read = (): Promise<Backoff | undefined> =>
    orTryAsEver(context, () => backoffs.read(domain));
  let known = await read();
  let isProbing = false;
  const nowMs = ports.now();
  if (known !== undefined && known.nextProbeAtMs <= nowMs) {
    const taken = await orTryAsEver(context, () =>
      backoffs.takeProbe(domain, deadlineMs + leaseMarginMs, nowMs),
    );
    isProbing = taken !== false;
    // Somebody else has the probe; or had it, and the hosts have answered meanwhile.
    known = isProbing ? known : await read();
  }
  let told: Promise<void> | undefined;
  // Several lanes meet the same hosts; what the first one met is told, once.
  const tell = (write: () => Promise<void>): Promise<void> => {
    told ??= orTryAsEver(context, write);
    return told;
  };
  return {
    isWaiting: known !== undefined && !isProbing,
    reached: async () => {
      if (known !== undefined) {
        await tell(() => backoffs.recover(domain));
      }
    },
    unreachable: () =>
      tell(() => {
        const endMs = ports.now();
        const nextProbeAtMs = nextAttemptAt({
          attempt: (known?.failures ?? 0) + 1,
          nowMs: endMs,
          id: domain,
          waitsMinutes: settings.retryWaitsMinutes,
        });
        return backoffs.prolong(domain, nextProbeAtMs, endMs);
      }),
  };
}

/** What the store says; undefined where it cannot be asked. */
async function orTryAsEver<T>(
  { ports }: DeliveryContext,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof TransportSecurityError)) {
      throw error;
    }
    ports.observe({ kind: 'fault', error });
    return undefined;
  }
}

/** Before a host has said that it is one: what comes later is an answer, whatever it is. */
const connectFailures: ReadonlySet<FailureCode> = new Set([
  'connect-failed',
  'connection-lost',
  'smtp-timeout',
]);

/** Hosts that there is nothing to connect to. */
const withoutAddress: ReadonlySet<FailureCode> = new Set(['no-mail-host', 'address-private']);

/** What tells nothing of the hosts: whether they answer is not known. */
const unknowing: ReadonlySet<FailureCode> = new Set([
  'dns-malformed',
  'dns-timeout',
  'dns-server-failure',
  'dns-bogus',
  'time-too-short',
]);

/**
 * What a plan's hosts have shown. A policy that was not met and an SMTP reply are answers; for `unreachable` every host
 * that has an address must have failed to answer.
 */
export function judgeReach(
  log: Pick<HostLog, 'hasOpened' | 'failures'>,
): 'reached' | 'unreachable' | 'unknown' {
  const codes = log
    .failures()
    .flatMap(({ failures }) => failures.map(({ code }) => code))
    .filter((code) => !withoutAddress.has(code));
  if (log.hasOpened || codes.some((code) => !connectFailures.has(code) && !unknowing.has(code))) {
    return 'reached';
  }
  return codes.length > 0 && codes.every((code) => connectFailures.has(code))
    ? 'unreachable'
    : 'unknown';
}

/**
 * A store that is not asked again within half a minute about a domain that does not back off, which is nearly all of
 * them. What this process finds out meanwhile is not missed.
 */
export function rememberAbsence(store: BackoffStore, now: () => number): BackoffStore {
  const absentUntilMs = new Map<string, number>();
  return {
    ...store,
    read: async (domain) => {
      if ((absentUntilMs.get(domain) ?? 0) > now()) {
        return undefined;
      }
      absentUntilMs.delete(domain);
      const known = await store.read(domain);
      if (known === undefined) {
        if (absentUntilMs.size >= absencesMax) {
          absentUntilMs.clear();
        }
        absentUntilMs.set(domain, now() + absenceMs);
      }
      return known;
    },
    prolong: (domain, nextProbeAtMs, nowMs) => {
      absentUntilMs.delete(domain);
      return store.prolong(domain, nextProbeAtMs, nowMs);
    },
  };
}
