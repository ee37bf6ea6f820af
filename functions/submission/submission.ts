/**
 * A submission: a message as somebody hands it in over HTTP, before it has an id. One schema for both forms, the JSON of
 * a queue message and the raw message with its envelope beside it.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { isMailbox } from '../protocol/smtp/mailbox.ts';
import { expiryDaysMax } from './limits.ts';
import {
  envelopeId,
  mailbox,
  originalRecipient,
  type QueueMessage,
  type QueueRecipient,
  recipientsMax,
} from './queue-message.ts';

/** Where uploads lie in the message bucket; nothing else there may be named by a submission. */
export const uploadPrefix = 'uploads/';

/** An upload's name: 24 random octets in base64url. */
export const uploadIdPattern: RegExp = /^[A-Za-z0-9_-]{32}$/;

/**
 * A message that came within the request, octets. In base64, and within the event that carries the request, it stays
 * below the 6 MB that Lambda takes.
 */
export const inlineBytesMax: number = 4 * 1_024 * 1_024;

/** An envelope as handed in: what a queue message has of it. */
export type SubmittedEnvelope = Pick<
  QueueMessage,
  'mailFrom' | 'rcptTo' | 'requireTls' | 'ret' | 'envid' | 'smtpUtf8'
> & { readonly expiresAt?: string };

/** The message itself, or the key of an upload that is it. */
export type SubmittedContent =
  | { readonly kind: 'octets'; readonly octets: Uint8Array }
  | { readonly kind: 'upload'; readonly key: string };

export interface Submission {
  readonly envelope: SubmittedEnvelope;
  readonly content: SubmittedContent;
}

const notify = z
  .array(
    z.enum(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'], {
      error: 'use NEVER, or any of SUCCESS, FAILURE, DELAY (RFC 3461 §4.1)',
    }),
  )
  .min(1)
  .max(3)
  .refine((kinds) => kinds.length === 1 || !kinds.includes('NEVER'), {
    error: 'NEVER stands alone (RFC 3461 §4.1)',
  });

const recipientSchema: z.ZodType<QueueRecipient> = z.strictObject({
  address: mailbox,
  notify: notify.exactOptional(),
  orcpt: originalRecipient.exactOptional(),
});

/** The fields of an envelope, for the schemas of both forms. */
const envelopeShape = {
  mailFrom: z.string().refine((text) => text === '' || isMailbox(text), {
    error:
      'not a mailbox (RFC 5321 §4.1.2): use local-part@domain, or nothing for the null reverse-path',
  }),
  rcptTo: z
    .array(recipientSchema)
    .min(1, { error: 'name one recipient at least' })
    .max(recipientsMax, {
      error: `more than ${recipientsMax} recipients: send several messages`,
    }),
  requireTls: z.boolean().exactOptional(),
  ret: z.enum(['FULL', 'HDRS'], { error: 'use FULL or HDRS (RFC 3461 §4.3)' }).exactOptional(),
  envid: envelopeId.exactOptional(),
  smtpUtf8: z.boolean().exactOptional(),
  expiresAt: z.iso
    .datetime({ offset: true, error: 'not a date-time (RFC 3339): use 2027-03-01T00:00:00Z' })
    .exactOptional(),
};

/** What may stand in a submission, in the order in which an error names it. */
export const envelopeFields: readonly string[] = Object.keys(envelopeShape);

export const envelopeSchema: z.ZodType<SubmittedEnvelope> = z.strictObject(envelopeShape);

/** As a queue message, without what only queue messages have. The content is judged by hand: it is large. */
export const jsonSubmissionSchema: z.ZodType<
  SubmittedEnvelope & { readonly version?: 1; readonly content: unknown }
> = z.strictObject({
  version: z.literal(1).exactOptional(),
  ...envelopeShape,
  content: z.unknown(),
});

/** What is wrong with when an envelope expires; undefined where nothing is. */
export function expiryFault({ expiresAt }: SubmittedEnvelope, nowMs: number): string | undefined {
  if (expiresAt === undefined) {
    return undefined;
  }
  const days = (Date.parse(expiresAt) - nowMs) / 86_400_000;
  return days > 0 && days <= expiryDaysMax
    ? undefined
    : `not within the next ${expiryDaysMax} days: correct it or leave it out`;
}

/** Of all that is asked for: a submission under a used key with another fingerprint is another message. */
export function fingerprintOf({ envelope, content }: Submission): string {
  const { mailFrom, rcptTo, requireTls, ret, envid, smtpUtf8, expiresAt } = envelope;
  const canonical = JSON.stringify([
    mailFrom,
    rcptTo.map(({ address, notify: kinds, orcpt }) => [address, kinds ?? null, orcpt ?? null]),
    [requireTls, ret, envid, smtpUtf8, expiresAt].map((value) => value ?? null),
    content.kind === 'octets' ? ['octets', sha256(content.octets)] : ['upload', content.key],
  ]);
  return sha256(canonical);
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
