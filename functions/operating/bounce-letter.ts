/**
 * A dead letter that is given up. Its message may be whole or a part, unread or begun: whatever of it was delivered
 * meanwhile stays so.
 */
import { once } from '../delivery/once.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import type { ReadControls } from '../submission/ports.ts';
import { type HandedIn, prepareMessage } from '../submission/prepare.ts';
import {
  isPrepared,
  type PreparedMessage,
  type QueueMessage,
} from '../submission/queue-message.ts';
import { takeContentApart } from '../submission/read-content.ts';
import { fitsDelivery } from '../submission/recipients-limit.ts';
import { cancelQueueMessage } from './cancel-delivery.ts';
import type { Actor } from './delivery-actions.ts';
import type { DeadLetter, QueueContext } from './ports.ts';

/** What giving a letter up reaches for. */
export interface BounceContext extends QueueContext {
  readonly readControls: ReadControls;
}

/**
 * Gives up whoever is still pending of the message in a letter, and tells its sender. `busy`: an attempt of some of it is
 * under way; the rest is done, and may be asked for again.
 *
 * @throws {TransportSecurityError} `store-unavailable`, `store-damaged`
 */
export async function bounceLetter(
  letter: DeadLetter,
  message: QueueMessage,
  { actor, context }: { readonly actor: Actor; readonly context: BounceContext },
): Promise<'done' | 'busy'> {
  // Once for all of its parts: the first that is settled may be the last that needs the body, which then goes.
  const content = once(() => context.ports.contents.read(message.content));
  const parts = await partsOf(message, content, context);
  let fate: 'done' | 'busy' = 'done';
  for (const part of parts.flatMap((each) => splitRecipients(each, letter))) {
    const cancellation = { ...actor, bounce: true };
    let outcome = await cancelQueueMessage(part, cancellation, content, context);
    if (outcome === 'conflict') {
      // Its id is another message's, which goes its own way: this one is given up under a name of its own.
      const renamed = { ...part, id: ownId(letter) };
      outcome = await cancelQueueMessage(renamed, cancellation, content, context);
    }
    if (typeof outcome === 'object' && outcome.kind === 'busy') {
      fate = 'busy';
    }
  }
  return fate;
}

/** An id that no message has. */
function ownId({ messageId }: DeadLetter): string {
  return `letter-${messageId}`;
}

/** With the ids that splitting gives, so that a part that was delivered meanwhile is not told to have failed. */
async function partsOf(
  message: QueueMessage,
  content: () => Promise<Uint8Array>,
  { settings, readControls, ports }: BounceContext,
): Promise<readonly PreparedMessage[]> {
  if (isPrepared(message)) {
    return [message];
  }
  const rules = { settings, controls: await readControls(), nowMs: ports.now() };
  const handedIn = await readHandedIn(content);
  if (handedIn !== undefined) {
    return prepareMessage(message, handedIn, rules);
  }
  // Doubt never lowers protection: what its header and the rules ask for can no longer be known.
  const demandReason = 'its content cannot be read, and may have asked for REQUIRETLS';
  return prepareMessage(message, { fields: [], sizeBytes: 0 }, rules).map((part) => ({
    ...part,
    prepared: { ...part.prepared, demand: 'require', demandReason },
  }));
}

/** As acceptance reads it; undefined where it is the content that was wrong. */
async function readHandedIn(content: () => Promise<Uint8Array>): Promise<HandedIn | undefined> {
  try {
    const octets = await content();
    return { fields: takeContentApart(octets).fields, sizeBytes: octets.length };
  } catch (error) {
    const isUnreadable =
      error instanceof TransportSecurityError &&
      (error.code === 'content-missing' || error.code === 'content-invalid');
    if (!isUnreadable) {
      throw error;
    }
    return undefined;
  }
}

/** More recipients than a row has room for are why no attempt of it ever began: they are given up in several rows. */
function splitRecipients(part: PreparedMessage, letter: DeadLetter): readonly PreparedMessage[] {
  return fitsDelivery(part)
    ? [part]
    : halve(part).map((each, index) => ({ ...each, id: `${ownId(letter)}-${index}` }));
}

/** Halves of halves, until each fits; a single recipient always does. */
function halve(part: PreparedMessage): PreparedMessage[] {
  if (fitsDelivery(part)) {
    return [part];
  }
  const middle = Math.ceil(part.rcptTo.length / 2);
  return [part.rcptTo.slice(0, middle), part.rcptTo.slice(middle)].flatMap((rcptTo) =>
    halve({ ...part, rcptTo }),
  );
}
