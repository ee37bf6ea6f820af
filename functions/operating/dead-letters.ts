/**
 * The dead-letter queue: what delivery could not work with, and what SQS took away after too many faults of ours. It can
 * be looked at, sent to the delivery queue again, or told to its sender. A record is removed last of all.
 */
import { TransportSecurityError } from '../protocol/errors.ts';
import { parseMessage } from '../protocol/message/message-parts.ts';
import type { ReadControls } from '../submission/ports.ts';
import { prepareMessage } from '../submission/prepare.ts';
import {
  isPrepared,
  type PreparedMessage,
  parseQueueMessage,
  type QueueMessage,
} from '../submission/queue-message.ts';
import { cancelMessage } from './cancel-delivery.ts';
import type { Actor } from './delivery-actions.ts';
import type { DeadLetter, DeadLetterQueue, QueueContext } from './ports.ts';

/** What actions on dead letters reach for. */
export interface DeadLetterContext extends QueueContext {
  readonly deadLetters: DeadLetterQueue;
  readonly readControls: ReadControls;
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

/** `unreadable`: nobody can be told of it; `busy`: an attempt is under way; `not-found`: among those that were seen. */
export interface DeadLetterResult {
  readonly done: number;
  readonly skipped: readonly {
    readonly messageId: string;
    readonly reason: 'unreadable' | 'busy' | 'not-found';
  }[];
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

async function forEachLetter(
  { messageIds, limit }: DeadLetterRequest,
  { deadLetters, settings }: DeadLetterContext,
  work: (letter: DeadLetter, message: QueueMessage | undefined) => Promise<Fate>,
): Promise<DeadLetterResult> {
  const named = messageIds && new Set(messageIds);
  const letters = await deadLetters.receive(named ? deadLettersMax : limit, workSeconds);
  const left = new Set(letters);
  const skipped: DeadLetterResult['skipped'][number][] = [];
  let done = 0;
  try {
    for (const letter of letters.filter(({ messageId }) => named?.has(messageId) ?? true)) {
      named?.delete(letter.messageId);
      const reason = await work(letter, readLetter(letter, settings.expiryDays));
      if (reason === 'done') {
        await deadLetters.remove(letter);
        left.delete(letter);
        done += 1;
      } else {
        skipped.push({ messageId: letter.messageId, reason });
      }
    }
  } finally {
    await deadLetters.putBack([...left]);
  }
  const missing = [...(named ?? [])].map((messageId) => ({
    messageId,
    reason: 'not-found' as const,
  }));
  return { done, skipped: [...skipped, ...missing] };
}

interface Bouncing {
  readonly actor: Actor;
  readonly context: DeadLetterContext;
}

async function bounceLetter(
  letter: DeadLetter,
  message: QueueMessage,
  { actor, context }: Bouncing,
): Promise<Fate> {
  const octets = await readContent(message, context);
  const parts = await partsOf(message, octets, context);
  let fate: Fate = 'done';
  for (const part of parts) {
    const cancellation = { ...actor, bounce: true, content: async () => octets };
    let outcome = await cancelMessage(part, cancellation, context);
    if (outcome === 'conflict') {
      // Its id is another message's, which goes its own way: this one is given up under a name of its own.
      const renamed = { ...part, id: `letter-${letter.messageId}` };
      outcome = await cancelMessage(renamed, cancellation, context);
    }
    if (typeof outcome === 'object' && outcome.kind === 'busy') {
      fate = 'busy';
    }
  }
  return fate;
}

/** With the ids that splitting gives, so that a part that was delivered meanwhile is not told to have failed. */
async function partsOf(
  message: QueueMessage,
  octets: Uint8Array,
  { settings, readControls, ports }: DeadLetterContext,
): Promise<readonly PreparedMessage[]> {
  if (isPrepared(message)) {
    return [message];
  }
  const { fields } = parseMessage(Buffer.from(octets));
  return prepareMessage(
    message,
    { fields, sizeBytes: octets.length },
    { settings, controls: await readControls(), nowMs: ports.now() },
  );
}

/** The content, for what goes back of it; empty where it is what was wrong. */
async function readContent(
  { content }: QueueMessage,
  { ports }: DeadLetterContext,
): Promise<Uint8Array> {
  try {
    return await ports.contents.read(content);
  } catch (error) {
    const isGone =
      error instanceof TransportSecurityError &&
      (error.code === 'content-missing' || error.code === 'content-invalid');
    if (isGone) {
      return new Uint8Array(0);
    }
    throw error;
  }
}
