/**
 * The queue message: one mail to be sent, as JSON in SQS. Anybody with `sqs:SendMessage` may send the minimal form
 * (`mailFrom`, `rcptTo`, `content`); what is left out is filled in by {@link parseQueueMessage}.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { type FailureCode, failures, TransportSecurityError } from '../protocol/errors.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import { isMailbox } from '../protocol/smtp/mailbox.ts';
import { formatEnvid, formatOrcpt } from '../protocol/smtp/xtext.ts';
import { attemptsMax, expiryDaysMax } from './limits.ts';

const dayMs = 86_400_000;

/** SQS takes 1 MiB a message; base64 and the envelope leave this much for an inline body. */
const inlineBase64CharsMax = 1_048_576;

/** Recipients of one message. RFC 5321 §4.5.3.1.8 asks for 100 at least. */
export const recipientsMax = 2_000;

/** A mailbox as it stands in an envelope. */
export const mailbox: z.ZodString = z.string().refine(isMailbox, {
  error: 'not a mailbox (RFC 5321 §4.1.2): use local-part@domain, 64 + 255 octets at most',
});

/** An envelope id, not xtext. */
export const envelopeId: z.ZodString = z
  .string()
  .max(100, { error: 'longer than 100 octets (RFC 3461 §5.4)' })
  .regex(/^[\x20-\x7e]+$/, { error: 'only printable ASCII (RFC 3461 §4.4), and some of it' })
  .refine((text) => formatEnvid(text) !== undefined, {
    error: 'ENVID= and this, in xtext, are longer than 100 octets (RFC 3461 §5.4)',
  });

/** An original recipient, not xtext. Its length is judged as it goes over the wire; that is never shorter. */
export const originalRecipient: z.ZodString = z
  .string()
  .max(500, { error: 'longer than 500 octets (RFC 3461 §5.4)' })
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), {
    error: 'only printable characters (RFC 3461 §4.2)',
  })
  .refine((text) => formatOrcpt(text) !== undefined, {
    error:
      'use addr-type;address, with rfc822 or utf-8 for an address beyond ASCII, 500 octets at most as encoded (RFC 3461 §4.2, §5.4, RFC 6533 §3)',
  });

/** A recipient with its DSN parameters (RFC 3461). */
export interface QueueRecipient {
  readonly address: string;
  readonly notify?: ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  /** `addr-type;address`, not xtext. */
  readonly orcpt?: string;
}

const recipientSchema: z.ZodType<QueueRecipient> = z.strictObject({
  address: mailbox,
  notify: z
    .array(z.enum(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY']))
    .min(1)
    .max(3)
    .exactOptional(),
  orcpt: originalRecipient.exactOptional(),
});

/** Where the message's octets are: inline in base64, or in the message bucket. */
export type ContentReference =
  | { readonly data: string }
  | { readonly bucket: string; readonly key: string };

const bucketSchema: z.ZodType<ContentReference> = z.strictObject({
  bucket: z
    .string()
    .min(3)
    .max(63)
    .regex(/^[a-z0-9.-]+$/),
  key: z.string().min(1).max(1024),
});

const contentSchema: z.ZodType<ContentReference> = z.union([
  z.strictObject({ data: z.base64().max(inlineBase64CharsMax) }),
  bucketSchema,
]);

/** The redacted form stays in the message table as it came, where there is little room beside the recipients. */
export const redactedBase64CharsMax = 16_384;

const redactedSchema: z.ZodType<ContentReference> = z.union([
  z.strictObject({ data: z.base64().max(redactedBase64CharsMax) }),
  bucketSchema,
]);

/** Names an attempt that was settled. */
export interface NotifiedAttempt {
  readonly id: string;
  readonly domain: string;
  readonly attempt: number;
}

/** Added by prepare: the record is for one next-hop domain, its tags are read and taken off. */
export interface PreparedPart {
  /** The next-hop domain. */
  readonly domain: string;
  readonly demand: TlsDemand;
  /** Why the demand is what it is. */
  readonly demandReason: string;
  /** Whether the message itself asks for REQUIRETLS, which no exception or toggle may take away. */
  readonly explicit: boolean;
  /** What {@link demand} was when the message was accepted, where an operator overrode it with another. */
  readonly acceptedDemand?: TlsDemand;
  /** Of envelope and content reference as first accepted. */
  readonly hash: string;
  /** The id of the whole message, where it was split; absent where it was not. */
  readonly wholeId?: string;
  /** Which part of the whole this is, from 0; set where the parts share one body in the bucket. */
  readonly part?: number;
  /** The message carries a TLS report: nobody reports on its session (RFC 8460 §5.3). */
  readonly tlsReport?: true;
  /** Why the message was not taken although its record was: every recipient fails with it. */
  readonly refusal?: { readonly code: FailureCode; readonly reason: string };
}

const messageId = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/);

const tlsDemand = z.enum(['require', 'default', 'optional']);

const preparedSchema: z.ZodType<PreparedPart> = z.strictObject({
  domain: z.string().min(1).max(255),
  demand: tlsDemand,
  demandReason: z.string().max(500),
  explicit: z.boolean(),
  acceptedDemand: tlsDemand.exactOptional(),
  hash: z.string().length(64),
  wholeId: messageId.exactOptional(),
  part: z.int().min(0).max(recipientsMax).exactOptional(),
  tlsReport: z.literal(true).exactOptional(),
  refusal: z
    .strictObject({
      code: z.enum(Object.keys(failures) as FailureCode[]),
      reason: z.string().max(1_000),
    })
    .exactOptional(),
});

const attemptNumber = z.int().min(1).max(attemptsMax);

export const notifiedAttemptSchema: z.ZodType<NotifiedAttempt> = z.strictObject({
  id: messageId,
  domain: z.string().min(1).max(255),
  attempt: attemptNumber,
});

/** A queue message as sent: everything but envelope and content may be left out. */
interface ParsedMessage {
  readonly version: 1;
  readonly id?: string;
  /** '' for the null reverse-path. */
  readonly mailFrom: string;
  readonly rcptTo: QueueRecipient[];
  readonly requireTls?: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
  readonly smtpUtf8?: boolean;
  readonly content: ContentReference;
  /**
   * What goes in its place, by `default`, when every host was tried and none may have it with REQUIRETLS: the redacted
   * form of a notification (RFC 8689 §5). Counts with the null reverse-path only.
   */
  readonly redacted?: ContentReference;
  /**
   * The attempt that this is a delivery status notification about. One that is made again after a crash says the same
   * with another date, and is the same message.
   */
  readonly notificationOf?: NotifiedAttempt;
  /** 1 for the first. */
  readonly attempt: number;
  readonly submittedAt?: string;
  readonly expiresAt?: string;
  readonly prepared?: PreparedPart;
}

const queueMessageSchema: z.ZodType<ParsedMessage> = z.strictObject({
  version: z.literal(1).default(1),
  id: messageId.exactOptional(),
  mailFrom: z.union([z.literal(''), mailbox]),
  rcptTo: z.array(recipientSchema).min(1).max(recipientsMax),
  requireTls: z.boolean().exactOptional(),
  ret: z.enum(['FULL', 'HDRS']).exactOptional(),
  envid: envelopeId.exactOptional(),
  smtpUtf8: z.boolean().exactOptional(),
  content: contentSchema,
  redacted: redactedSchema.exactOptional(),
  notificationOf: notifiedAttemptSchema.exactOptional(),
  attempt: attemptNumber.default(1),
  submittedAt: z.iso.datetime({ offset: true }).exactOptional(),
  expiresAt: z.iso.datetime({ offset: true }).exactOptional(),
  prepared: preparedSchema.exactOptional(),
});

/** A queue message with every default filled in. */
export type QueueMessage = Omit<ParsedMessage, 'id' | 'submittedAt' | 'expiresAt'> & {
  readonly id: string;
  /** RFC 3339. */
  readonly submittedAt: string;
  readonly expiresAt: string;
};

/** A queue message after prepare. */
export type PreparedMessage = QueueMessage & { readonly prepared: PreparedPart };

/** Whether a message is one part for one next-hop domain already. */
export function isPrepared(message: QueueMessage): message is PreparedMessage {
  return message.prepared !== undefined;
}

/** What SQS knows of a record and what the operator set, for the fields that a sender left out. */
export interface QueueMessageDefaults {
  /** The SQS messageId: a redelivery keeps it, so that it is the same message. */
  readonly sqsMessageId: string;
  /** When SQS took the record in, epoch milliseconds; the same at every redelivery. */
  readonly sentAtMs: number;
  readonly expiryDays: number;
}

/**
 * Reads a record's body. Whatever a sender asks for, a message expires no later than {@link expiryDaysMax} after SQS took
 * this record of it in: then its body may be gone.
 *
 * @throws {TransportSecurityError} `queue-message-invalid`, naming each field at fault.
 */
export function parseQueueMessage(body: string, defaults: QueueMessageDefaults): QueueMessage {
  const parsed = queueMessageSchema.safeParse(parseJson(body));
  if (!parsed.success) {
    throw new TransportSecurityError('queue-message-invalid', describeIssues(parsed.error), {
      cause: parsed.error,
    });
  }
  const { id, submittedAt, expiresAt, ...rest } = parsed.data;
  const submittedAtMs = submittedAt === undefined ? defaults.sentAtMs : Date.parse(submittedAt);
  const askedMs =
    expiresAt === undefined ? submittedAtMs + defaults.expiryDays * dayMs : Date.parse(expiresAt);
  const expiresAtMs = Math.min(askedMs, defaults.sentAtMs + expiryDaysMax * dayMs);
  return {
    ...rest,
    id: id ?? `sqs-${defaults.sqsMessageId}`,
    submittedAt: new Date(submittedAtMs).toISOString(),
    expiresAt: new Date(expiresAtMs).toISOString(),
  };
}

/**
 * A fingerprint of envelope and content references: the same id with another fingerprint is another message that
 * somebody gave a used id.
 */
export function hashQueueMessage(message: QueueMessage): string {
  const { mailFrom, rcptTo, requireTls, ret, envid, smtpUtf8 } = message;
  const contents = identifyContent(message);
  const canonical = JSON.stringify([
    mailFrom,
    rcptTo.map(({ address, notify, orcpt }) => [address, notify ?? null, orcpt ?? null]),
    requireTls ?? null,
    ret ?? null,
    envid ?? null,
    smtpUtf8 ?? null,
    ...contents.map((content) => ('data' in content ? content.data.length : content)),
  ]);
  const hash = createHash('sha256').update(canonical);
  // Inline content behind all else: to write it as JSON takes several times as long as to hash it.
  for (const content of contents) {
    if ('data' in content) {
      hash.update(content.data);
    }
  }
  return hash.digest('hex');
}

type ContentIdentity = { readonly data: string } | readonly string[];

function identifyContent({
  content,
  redacted,
  notificationOf,
}: QueueMessage): readonly ContentIdentity[] {
  if (notificationOf !== undefined) {
    const { id, domain, attempt } = notificationOf;
    return [[id, domain, String(attempt)]];
  }
  return [content, ...(redacted === undefined ? [] : [redacted])].map((reference) =>
    'data' in reference ? reference : [reference.bucket, reference.key],
  );
}

/**
 * What a message's content is kept under. A used id with another content has another hash, and so another name: an
 * object that a waiting message refers to is never written over with other octets.
 */
export function contentName(message: QueueMessage): string {
  return `${message.id}/${message.prepared?.hash ?? hashQueueMessage(message)}`;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new TransportSecurityError('queue-message-invalid', 'the body is not JSON', { cause });
  }
}

/** At most five issues, each with its path; values are left out, since they may be of the message. */
function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, 5).map((issue) => {
    const path = issue.path.length === 0 ? '(message)' : issue.path.join('.');
    return `${path}: ${issue.message}`;
  });
  const more = error.issues.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}
