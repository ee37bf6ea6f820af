/**
 * Takes a submission in: accepted, kept as a whole, enqueued, in this order, so that what was answered with an id is in
 * the queue.
 *
 * Whoever gives a key may hand the same message in again until there is an answer: the id follows from caller and key, the
 * time from the first try that was written down, and everything else from these. So each step done again does nothing
 * new, and a record that is in the queue twice is delivered once (claimed by its row, functions/delivery/ports.ts).
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type FailureCode, TransportSecurityError } from '../protocol/errors.ts';
import { fieldProblem, type Problem } from '../protocol/problem.ts';
import { type AcceptContext, acceptMessage } from './accept-message.ts';
import type { ContentReference, PreparedMessage, QueueMessage } from './queue-message.ts';
import { fitsDelivery } from './recipients-limit.ts';
import { fingerprintOf, type Submission } from './submission.ts';
import { describeWhole, type WholeMessage, type WholeMessageStore } from './whole-message.ts';

const dayMs = 86_400_000;

/** What taking messages in needs. */
export interface SubmitContext {
  readonly accept: Omit<AcceptContext, 'way'>;
  /** The message bucket, which uploads are in. */
  readonly bucket: string;
  readonly expiryDays: number;
  /** Days for which a finished delivery can be looked up. */
  readonly historyDays: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** An id that nobody else has or guesses. */
  readonly newId: () => string;
  readonly wholes: WholeMessageStore;
  /** Rejects if one of them could not be sent. */
  readonly enqueue: (messages: readonly PreparedMessage[]) => Promise<void>;
}

/** A submission and who makes it. */
export interface SubmitRequest {
  readonly submission: Submission;
  /** The same at every try. */
  readonly principal: string;
  /** Of the header field `Idempotency-Key`. */
  readonly key?: string;
}

/** The message as taken in, or why it was not; then nothing of it is in the queue that was not there before. */
export type SubmitResult = { readonly whole: WholeMessage } | { readonly problem: Problem };

/**
 * Takes a submission in, or tells what became of it when it was handed in before under its key.
 *
 * @throws {TransportSecurityError} as `acceptMessage` does by HTTP, and `store-unavailable`: then a key may be used again.
 */
export async function submitMessage(
  request: SubmitRequest,
  context: SubmitContext,
): Promise<SubmitResult> {
  const id = request.key === undefined ? context.newId() : deriveId(request.principal, request.key);
  const known = request.key === undefined ? undefined : await context.wholes.read(id);
  if (known !== undefined) {
    return repeat(request, known, context);
  }
  const submittedAtMs = context.now();
  const expiresAt =
    request.submission.envelope.expiresAt ??
    new Date(submittedAtMs + context.expiryDays * dayMs).toISOString();
  const times = { id, submittedAt: new Date(submittedAtMs).toISOString(), expiresAt };
  const accepted = await accept(request, times, context);
  if ('problem' in accepted) {
    return accepted;
  }
  const kept = await context.wholes.keep(accepted.whole);
  if (!isDeepStrictEqual(kept, accepted.whole)) {
    // Two tries at once, and the other was first: the time of the message is now what it wrote.
    return repeat(request, kept, context);
  }
  return enqueue(request, accepted, context);
}

/** Ends what another try with the same key began. */
async function repeat(
  request: SubmitRequest,
  known: WholeMessage,
  context: SubmitContext,
): Promise<SubmitResult> {
  if (known.fingerprint !== fingerprintOf(request.submission)) {
    return { problem: keyReused };
  }
  if (known.queued) {
    return { whole: known };
  }
  // Rows of what the first try may have enqueued are still there: sending again will not deliver again.
  if (context.now() >= Date.parse(known.submittedAt) + context.historyDays * dayMs) {
    return { problem: interrupted };
  }
  const accepted = await acceptAgain(request, known, context);
  // A rule, a setting or an exception changed meanwhile: the parts might now be other messages than those sent before.
  return accepted !== undefined && isDeepStrictEqual(accepted.whole, known)
    ? enqueue(request, accepted, context)
    : { problem: interrupted };
}

/** Undefined where it would be refused now: the answer must not say that of what may be under way. */
async function acceptAgain(
  request: SubmitRequest,
  known: WholeMessage,
  context: SubmitContext,
): Promise<Accepted | undefined> {
  try {
    const accepted = await accept(request, known, context);
    return 'problem' in accepted ? undefined : accepted;
  } catch (error) {
    if (error instanceof TransportSecurityError && refusals.has(error.code)) {
      return undefined;
    }
    throw error;
  }
}

/** What acceptance throws of the message itself, and not of what it needs. */
const refusals: ReadonlySet<FailureCode> = new Set([
  'content-invalid',
  'content-missing',
  'mail-loop',
  'queue-message-invalid',
  'requiretls-disabled',
]);

interface Accepted {
  readonly whole: WholeMessage;
  readonly parts: readonly PreparedMessage[];
}

async function enqueue(
  { key }: SubmitRequest,
  { whole, parts }: Accepted,
  { enqueue: send, wholes }: SubmitContext,
): Promise<SubmitResult> {
  await send(parts);
  if (key === undefined) {
    return { whole };
  }
  await wholes.markQueued(whole.id);
  return { whole: { ...whole, queued: true } };
}

/** The same for the same times: nothing is written but the body, under a name that follows from it. */
async function accept(
  { submission, principal }: SubmitRequest,
  times: Pick<QueueMessage, 'id' | 'submittedAt' | 'expiresAt'>,
  context: SubmitContext,
): Promise<Accepted | { readonly problem: Problem }> {
  const read = await readContent(submission, context);
  if ('problem' in read) {
    return read;
  }
  const { id, submittedAt, expiresAt } = times;
  const message: QueueMessage = {
    version: 1,
    ...submission.envelope,
    id,
    content: read.reference,
    attempt: 1,
    submittedAt,
    expiresAt,
  };
  const parts = await acceptMessage(message, read.octets, { ...context.accept, way: 'http' });
  const oversize = parts.find((part) => !fitsDelivery(part));
  if (oversize !== undefined) {
    const fault = `too many recipients at ${oversize.prepared.domain}: send several messages`;
    return { problem: fieldProblem([{ field: 'rcptTo', fault }]) };
  }
  const whole = describeWhole(message, parts, {
    bytes: read.octets.length,
    via: 'http',
    by: principal,
    fingerprint: fingerprintOf(submission),
  });
  return { whole, parts };
}

async function readContent(
  { content }: Submission,
  { bucket, accept: { ports } }: SubmitContext,
): Promise<
  | { readonly octets: Uint8Array; readonly reference: ContentReference }
  | { readonly problem: Problem }
> {
  if (content.kind === 'octets') {
    const { octets } = content;
    return { octets, reference: { data: Buffer.from(octets).toString('base64') } };
  }
  const reference = { bucket, key: content.key };
  try {
    return { octets: await ports.contents.read(reference), reference };
  } catch (error) {
    if (error instanceof TransportSecurityError && error.code === 'content-missing') {
      const fault = 'no such upload: it was not sent, or its day is over; upload the message again';
      return { problem: fieldProblem([{ field: 'content', fault }]) };
    }
    throw error;
  }
}

/** NUL is in neither: a principal comes from API Gateway, a key is printable. */
function deriveId(principal: string, key: string): string {
  return `key-${createHash('sha256').update(`${principal}\0${key}`).digest('base64url')}`;
}

const keyReused: Problem = {
  status: 422,
  code: 'key-reused',
  detail:
    'Idempotency-Key: another message was submitted under this key. Use a new key for each message.',
  fields: [{ field: 'Idempotency-Key', fault: 'used for another message: use a new key' }],
};

const interrupted: Problem = {
  status: 409,
  code: 'submission-interrupted',
  detail:
    'An earlier try with this key was interrupted, and what it began can no longer be ended in the same way: rules or settings changed, or it is too long ago. Look the message up, and if nothing became of it submit it under a new key.',
};
