/** Removes the body of a message that nobody needs any more. */
import type { ContentReference } from '../submission/queue-message.ts';
import type { ClaimedMessage } from './attempt.ts';
import type { SettlingContext } from './context.ts';

/**
 * Removes the bodies of a delivery that is finished, as far as they are in the bucket, are ours, and no other delivery
 * of the message needs them. Never rejects: the mail is settled, and the bucket's lifecycle removes what is left.
 */
export async function freeContent(
  { message }: Pick<ClaimedMessage, 'message'>,
  { ports }: SettlingContext,
): Promise<void> {
  const { content, redacted, prepared } = message;
  for (const body of redacted === undefined ? [content] : [content, redacted]) {
    try {
      if ('bucket' in body && (await isLastReader(body, prepared.part, ports.messages))) {
        await ports.contents.remove(body);
      }
    } catch (error) {
      ports.observe({ kind: 'content-left', id: message.id, error });
    }
  }
}

/** A body without a part's number is this delivery's alone. */
async function isLastReader(
  content: ContentReference,
  part: number | undefined,
  messages: SettlingContext['ports']['messages'],
): Promise<boolean> {
  return part === undefined || messages.leaveContent(content, part);
}
