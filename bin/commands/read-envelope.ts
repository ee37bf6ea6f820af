/** The envelope of a message that a command line hands in. */
import { isMailbox } from '../../functions/protocol/smtp/mailbox.ts';
import type { QueueMessage } from '../../functions/submission/queue-message.ts';
import { UsageError } from './usage.ts';

/** For `parseArgs`. */
export const envelopeOptions = {
  from: { type: 'string' },
  to: { type: 'string', multiple: true },
  'require-tls': { type: 'boolean' },
} as const;

/** What `parseArgs` makes of {@link envelopeOptions}. */
export interface EnvelopeValues {
  readonly from?: string | undefined;
  readonly to?: readonly string[] | undefined;
  readonly 'require-tls'?: boolean | undefined;
}

/** Reads it. @throws {UsageError} */
export function readEnvelope(
  values: EnvelopeValues,
): Required<Pick<QueueMessage, 'mailFrom' | 'rcptTo' | 'requireTls'>> {
  const { from: mailFrom, to = [], 'require-tls': requireTls = false } = values;
  if (mailFrom === undefined || (mailFrom !== '' && !isMailbox(mailFrom))) {
    throw new UsageError('--from takes the sender address, or "" for the null reverse-path');
  }
  const bad = to.find((address) => !isMailbox(address));
  if (to.length === 0 || bad !== undefined) {
    throw new UsageError(
      `--to takes a recipient address${bad === undefined ? '' : `, not ${bad}`}`,
    );
  }
  return { mailFrom, rcptTo: to.map((address) => ({ address })), requireTls };
}
