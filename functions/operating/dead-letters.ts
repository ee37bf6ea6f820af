/**
 * The dead-letter queue: what delivery could not work with, and what SQS took away after too many faults of ours. It can
 * be looked at, sent to the delivery queue again, or told to its sender. A record is removed last of all.
 */
import { TransportSecurityError } from '../protocol/errors.ts';
import { parseQueueMessage, type QueueMessage } from '../submission/queue-message.ts';
import { type BounceContext, bounceLetter } from './bounce-letter.ts';
import type { Actor } from './delivery-actions.ts';
import type { DeadLetter, DeadLetterQueue } from './ports.ts';

/** What actions on dead letters reach for. */
export interface DeadLetterContext extends BounceContext {
  readonly deadLetters: DeadLetterQueue;
}

/** A dead letter, as far as it is shown: nothing of its content. */
export interface ListedDeadLetter {
  readonly messageId: string;
  /** RFC 3339. */
  readonly sentAt: string;
  readonly bytes: number;
  /** Absent where SQS put it there, after too many faults. */
  readonly reason?: string;
  /** Of the queue message; absent where it cannot be read. */
  readonly message?: {
    readonly id: string;
    readonly mailFrom: string;
    readonly recipients: number;
    readonly attempt: number;
    readonly domain?: string;
  };
}

/** Records that are in memory at a time; each may have 1 MiB. */
export const deadLettersMax = 50;

const peekSeconds = 30;

/** As long as the longest page may take. */
const workSeconds = 300;

/** Looks at some dead letters; SQS chooses which, and shows them again at once. */
export async function listDeadLetters(
  limit: number,
  { deadLetters, settings }: Pick<DeadLetterContext, 'deadLetters' | 'settings'>,
): Promise<readonly ListedDeadLetter[]> {
  const letters = await deadLetters.receive(limit, peekSeconds);
  await deadLetters.putBack(letters);
  return letters.map((letter) => describeLetter(letter, settings.expiryDays));
}

function describeLetter(letter: DeadLetter, expiryDays: number): ListedDeadLetter {
  const { messageId, sentAtMs, body, reason } = letter;
  const message = readLetter(letter, expiryDays);
  const domain = message?.prepared?.domain;
  return {
    messageId,
    sentAt: new Date(sentAtMs).toISOString(),
    bytes: Buffer.byteLength(body),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && {
      message: {
        id: message.id,
        mailFrom: message.mailFrom,
        recipients: message.rcptTo.length,
        attempt: message.attempt,
        ...(domain !== undefined && { domain }),
      },
    }),
  };
}

/** The SQS id and time stand in for what a sender left out, as they did in delivery: it is the same message. */
function readLetter(
  { messageId, sentAtMs, body }: DeadLetter,
  expiryDays: number,
): QueueMessage | undefined {
  try {
    return parseQueueMessage(body, { sqsMessageId: messageId, sentAtMs, expiryDays });
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}

/** Which dead letters: those named, or whichever SQS hands out. */
export interface DeadLetterRequest {
  readonly messageIds?: readonly string[];
  /** At most {@link deadLettersMax}. */
  readonly limit: number;
}

/**
 * Why a letter stays. `unreadable`: nobody can be told of it; `busy`: an attempt is under way; `failed`: a fault, of this
 * letter or ours; `not-found`: among those that were seen.
 */
export interface SkippedLetter {
  readonly messageId: string;
  readonly reason: 'unreadable' | 'busy' | 'failed' | 'not-found';
  /** With `failed`: what happened. */
  readonly detail?: string;
}

export interface DeadLetterResult {
  readonly done: number;
  readonly skipped: readonly SkippedLetter[];
}

type Fate = 'done' | 'unreadable' | 'busy';

/** Sends dead letters to the delivery queue again. One that cannot be read would only come back, and stays. */
export async function redriveDeadLetters(
  request: DeadLetterRequest,
  context: DeadLetterContext,
): Promise<DeadLetterResult> {
  return forEachLetter(request, context, async (_letter, message) => {
    if (message === undefined) {
      return 'unreadable';
    }
    await context.ports.queue.enqueue([message]);
    return 'done';
  });
}

/**
 * Gives dead letters up: whoever is still pending has failed, and the sender is told. One that cannot be read names no
 * sender; it stays, unless it is to be discarded.
 */
export async function bounceDeadLetters(
  request: DeadLetterRequest & { readonly discardUnreadable: boolean },
  actor: Actor,
  context: DeadLetterContext,
): Promise<DeadLetterResult> {
  return forEachLetter(request, context, async (letter, message) => {
    if (message === undefined) {
      return request.discardUnreadable ? 'done' : 'unreadable';
    }
    return bounceLetter(letter, message, { actor, context });
  });
}

type Work = (letter: DeadLetter, message: QueueMessage | undefined) => Promise<Fate>;

/** What is wrong with one letter stops none of the others. */
async function forEachLetter(
  { messageIds, limit }: DeadLetterRequest,
  { deadLetters, settings, ports }: DeadLetterContext,
  work: Work,
): Promise<DeadLetterResult> {
  const named = messageIds && new Set(messageIds);
  const letters = await deadLetters.receive(named ? deadLettersMax : limit, workSeconds);
  const left = new Set(letters);
  const skipped: SkippedLetter[] = [];
  let outage: TransportSecurityError | undefined;
  try {
    for (const letter of letters.filter(({ messageId }) => named?.has(messageId) ?? true)) {
      const { messageId } = letter;
      named?.delete(messageId);
      try {
        const fate = await work(letter, readLetter(letter, settings.expiryDays));
        if (fate === 'done') {
          await deadLetters.remove(letter);
          left.delete(letter);
        } else {
          skipped.push({ messageId, reason: fate });
        }
      } catch (error) {
        ports.observe({ kind: 'fault', error });
        outage ??= asOutage(error);
        const detail = error instanceof Error ? error.message : String(error);
        skipped.push({ messageId, reason: 'failed', detail });
      }
    }
  } finally {
    await deadLetters.putBack([...left]);
  }
  const done = letters.length - left.size;
  if (outage !== undefined && done === 0) {
    // Not of any letter's making, as it seems: whoever asks should ask again.
    throw outage;
  }
  const missing = [...(named ?? [])].map((messageId) => ({
    messageId,
    reason: 'not-found' as const,
  }));
  return { done, skipped: [...skipped, ...missing] };
}

function asOutage(error: unknown): TransportSecurityError | undefined {
  return error instanceof TransportSecurityError && error.code === 'store-unavailable'
    ? error
    : undefined;
}
