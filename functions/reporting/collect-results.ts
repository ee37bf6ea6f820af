/**
 * Takes in the results of other mail servers, so that an organization sends one report of all of its sessions
 * (RFC 8460 §4).
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { TransportSecurityError } from '../protocol/errors.ts';
import { dayRange, utcDay } from '../protocol/tlsrpt/report.ts';
import type { LookUpRecord, ResultStore } from './ports.ts';
import { type DatagramSession, readDatagram } from './read-datagram.ts';
import { type RecordedTally, writeTallies } from './record-sessions.ts';

/** Datagrams of one batch. */
export const batchResultsMax = 500;

/** The day's reports are planned half an hour after its end; what comes so late may miss them. */
const lateAfterMs = 20 * 60_000;

/** By how much the clock of a mail server may be ahead of ours. */
const aheadMsMax = 5 * 60_000;

const batchSchema = z.strictObject({
  /** Of the sender's choosing; a batch that is sent again under the same id counts once. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  results: z
    .array(
      z.strictObject({
        /** When the mail server told of the session. */
        at: z.iso.datetime({ offset: true }),
        datagram: z.unknown(),
      }),
    )
    .min(1)
    .max(batchResultsMax),
});

type ParsedBatch = z.infer<typeof batchSchema>;

/** What became of a batch. */
export interface CollectedBatch {
  /** Datagrams that count. */
  readonly counted: number;
  /** Those that do not: they came after their day's report was made, or are none. */
  readonly refused: readonly { readonly index: number; readonly reason: string }[];
}

export interface CollectPorts {
  readonly store: ResultStore;
  readonly lookUpRecord: LookUpRecord;
  readonly now: () => number;
}

/**
 * Counts a batch. What is wrong with one datagram is no fault of the others.
 *
 * Rejects with `tlsrpt-invalid` where it is no batch, and with `store-unavailable`; sent again then, it counts once.
 */
export async function collectResults(
  value: unknown,
  ports: CollectPorts,
  deadlineMs: number,
): Promise<CollectedBatch> {
  const { id, results } = readBatch(value);
  const records = new Map<string, string>();
  const tallies: RecordedTally[] = [];
  const refused: { index: number; reason: string }[] = [];
  for (const [index, { at, datagram }] of results.entries()) {
    try {
      const startedAtMs = readTime(at, ports.now());
      const session = readDatagram(datagram);
      records.set(session.domain, session.record);
      tallies.push(...toTallies(session, startedAtMs));
    } catch (error) {
      if (!(error instanceof TransportSecurityError)) {
        throw error;
      }
      refused.push({ index, reason: error.message });
    }
  }
  await writeTallies(
    tallies,
    {
      store: ports.store,
      // The mail server has asked for it already; of a TLSA base domain it has not.
      lookUpRecord: async (domain, untilMs) => {
        const text = records.get(domain);
        return text === undefined ? ports.lookUpRecord(domain, untilMs) : { kind: 'record', text };
      },
      idOf: (day, domain) =>
        createHash('sha256').update(`${id} ${day} ${domain}`).digest('base64url'),
    },
    deadlineMs,
  );
  return { counted: results.length - refused.length, refused };
}

function readBatch(value: unknown): ParsedBatch {
  const parsed = batchSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') || '(body)';
    throw new TransportSecurityError('tlsrpt-invalid', `${field}: ${issue?.message}`);
  }
  return parsed.data;
}

function readTime(at: string, nowMs: number): number {
  const atMs = Date.parse(at);
  if (atMs > nowMs + aheadMsMax) {
    throw new TransportSecurityError('tlsrpt-invalid', `${at} is to come: set the clock right`);
  }
  if (nowMs >= dayRange(utcDay(atMs)).endMs + lateAfterMs) {
    throw new TransportSecurityError(
      'tlsrpt-invalid',
      `${at} is of a day that is reported already`,
    );
  }
  return atMs;
}

function toTallies(
  { domain, tallies }: DatagramSession,
  startedAtMs: number,
): readonly RecordedTally[] {
  return tallies.map((tally) => ({ domain, startedAtMs, tally }));
}
