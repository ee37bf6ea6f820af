/**
 * Looks after the domains that cannot be reached; runs once a minute.
 *
 * Where the next probe is due and nobody is at it, one of the messages that wait is sent. Where the hosts answered
 * again, what waits is let go, so many a minute, the oldest first: a host that just came back is not run down.
 */
import type { BackoffList, BackoffState } from './requeue-ports.ts';
import { deadLetterDamaged, type RequeuePorts, sendEntries } from './send-entries.ts';
import { type WorkDone, workFromBothEnds } from './work-until.ts';

/** Messages of one recovered domain that one run lets go. */
export const freedMax = 200;

/** Domains that are looked after at one time. */
const concurrency = 4;

/** How many domains may fail in a row, from either end, until a run leaves the rest to the next: it is an outage then. */
const failuresMax = 16;

export interface WaitingPorts extends RequeuePorts {
  readonly backoffs: BackoffList;
  /** Uniform in [0, 1): which of the domains that recovered come first where not all have their turn. */
  readonly random: () => number;
}

export interface WaitingSummary {
  readonly sent: number;
  /** Domains that cannot be reached. */
  readonly backoffs: number;
}

/** Probes and lets go until `deadlineMs`. A domain that fails does not stop the others; rejects when none can be read. */
export async function requeueWaiting(
  ports: WaitingPorts,
  deadlineMs: number,
): Promise<WaitingSummary> {
  const { now, observe } = ports;
  const states = await ports.backoffs.list();
  let sent = 0;
  const lookAfter = async (state: BackoffState): Promise<WorkDone<BackoffState>> => {
    try {
      const count = await sendWaiting(state, state.recovered ? freedMax : 1, ports);
      sent += count;
      return { outcome: count > 0 ? 'done' : 'idle' };
    } catch (error) {
      observe({ kind: 'fault', error });
      return { outcome: 'failed' };
    }
  };
  const bounds = { concurrency, failuresMax, mayGoOn: () => now() < deadlineMs };
  await workFromBothEnds(inTurn(states, ports), bounds, lookAfter);
  return { sent, backoffs: states.filter(({ recovered }) => !recovered).length };
}

/** Those with something to do: probes, which are one message each, by their time; then what recovered, by lot. */
function inTurn(
  states: readonly BackoffState[],
  { now, random }: WaitingPorts,
): readonly BackoffState[] {
  const nowMs = now();
  const probes = states
    .filter(
      ({ recovered, nextProbeAtMs, probeUntilMs }) =>
        !recovered && nextProbeAtMs <= nowMs && probeUntilMs <= nowMs,
    )
    .sort((one, other) => one.nextProbeAtMs - other.nextProbeAtMs);
  const recovered = states
    .filter((state) => state.recovered)
    .map((state) => ({ state, lot: random() }))
    .sort((one, other) => one.lot - other.lot)
    .map(({ state }) => state);
  return [...probes, ...recovered];
}

/**
 * Sends up to `limit` of the messages that wait. Without any the back-off ends: there is nobody to probe, and nobody to
 * let go. The next message for the domain is tried as ever, and begins another where it must.
 */
async function sendWaiting(
  state: BackoffState,
  limit: number,
  ports: WaitingPorts,
): Promise<number> {
  const { entries, damaged, stale } = await ports.reader.readWaiting(state.domain, limit);
  if (entries.length === 0 && damaged.length === 0 && stale.length === 0) {
    await ports.backoffs.forget(state);
    return 0;
  }
  await ports.reader.remove(stale);
  await deadLetterDamaged(damaged, ports);
  return sendEntries(entries, ports);
}
