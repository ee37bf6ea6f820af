/**
 * Forwards results in batches. What waits is in memory: a report that lacks some sessions is no harm worth a disk.
 */
import type { Timers } from '../../functions/delivery/timers.ts';

/** Results of one batch; the API takes five times as many. */
const batchResultsMax = 100;

/** Lambda takes six megabytes; a stranger's policy in each of a hundred datagrams would be more. */
const batchOctetsMax = 4_000_000;

/** So long results are gathered before they are forwarded. */
const gatherMs = 5_000;

/** Pauses after failures that may pass: doubled each time. */
const pauseMsMin = 5_000;
const pauseMsMax = 300_000;

/** More than an hour of a busy server; what comes beyond it is counted and dropped. */
const waitingMax = 100_000;
const waitingOctetsMax = 100_000_000;

/** What an attempt to forward came to; `later` may pass. */
export type PostOutcome =
  | { readonly kind: 'taken'; readonly refused: readonly string[] }
  | { readonly kind: 'later' | 'refused'; readonly reason: string };

/** A batch as the API takes it. */
export interface ResultBatch {
  readonly id: string;
  readonly results: readonly { readonly at: string; readonly datagram: unknown }[];
}

export interface ForwarderOptions {
  /** Never rejects. */
  readonly post: (batch: ResultBatch) => Promise<PostOutcome>;
  readonly now: () => number;
  readonly newId: () => string;
  readonly timers: Timers;
  /** What an operator should know, one line each. */
  readonly log: (line: string) => void;
}

export interface Forwarder {
  /** Takes a datagram in; what is none is told and dropped. */
  add(datagram: Buffer): void;
  /** Forwards what waits, each batch once more at the most. */
  finish(): Promise<void>;
}

/** Makes a forwarder. One batch is under way at a time, under one id until it is taken. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { now, timers, log } = options;
  const waiting: WaitingResult[] = [];
  let waitingOctets = 0;
  let dropped = 0;
  let isFinishing = false;
  let callOff: (() => void) | undefined;
  let wake: () => void = () => {};
  const pause = async (waitMs: number): Promise<void> => {
    if (!isFinishing) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      callOff = timers.start(resolve, waitMs);
      await promise;
    }
  };
  const forwardAll = async (): Promise<void> => {
    await pause(gatherMs);
    while (waiting.length > 0) {
      const taken = waiting.splice(0, countOfBatch(waiting));
      waitingOctets -= octetsOf(taken);
      const results = taken.map(({ at, datagram }) => ({ at, datagram }));
      await forwardOne({ id: options.newId(), results });
      tellDropped();
      if (waiting.length < batchResultsMax) {
        await pause(gatherMs);
      }
    }
  };
  const forwardOne = async (batch: ResultBatch): Promise<void> => {
    for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
      const isLast = isFinishing;
      const outcome = await options.post(batch);
      if (outcome.kind === 'taken') {
        for (const reason of outcome.refused) {
          log(`a result was not counted: ${reason}`);
        }
        return;
      }
      if (outcome.kind === 'refused' || isLast) {
        log(`${batch.results.length} results are lost: ${outcome.reason}`);
        return;
      }
      log(`tried again in ${pauseMs / 1_000} s: ${outcome.reason}`);
      await pause(pauseMs);
    }
  };
  const tellDropped = (): void => {
    if (dropped > 0) {
      log(`${dropped} results are lost: too many wait, or too large ones`);
      dropped = 0;
    }
  };
  let running: Promise<void> | undefined;
  const run = (): void => {
    running ??= forwardAll().finally(() => {
      running = undefined;
    });
  };
  return {
    add: (octets) => {
      const datagram = parse(octets);
      if (datagram === undefined) {
        log(`not JSON, and dropped: a datagram of ${octets.length} octets`);
        return;
      }
      if (waiting.length >= waitingMax || waitingOctets + octets.length > waitingOctetsMax) {
        dropped += 1;
        return;
      }
      waiting.push({ at: new Date(now()).toISOString(), datagram, octets: octets.length });
      waitingOctets += octets.length;
      run();
    },
    finish: async () => {
      isFinishing = true;
      callOff?.();
      wake();
      await running;
    },
  };
}

interface WaitingResult {
  readonly at: string;
  readonly datagram: unknown;
  readonly octets: number;
}

function octetsOf(results: readonly WaitingResult[]): number {
  return results.reduce((sum, { octets }) => sum + octets, 0);
}

/** How many of those that wait fit into one batch: one at the least. */
function countOfBatch(waiting: readonly WaitingResult[]): number {
  let count = 1;
  let octets = waiting[0]?.octets ?? 0;
  for (const next of waiting.slice(1, batchResultsMax)) {
    octets += next.octets;
    if (octets > batchOctetsMax) {
      break;
    }
    count += 1;
  }
  return count;
}

function parse(octets: Buffer): unknown {
  try {
    return JSON.parse(octets.toString());
  } catch {
    // It is told without the parser's words, which would quote it.
    return undefined;
  }
}
