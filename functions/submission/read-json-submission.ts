/** Reads a submission in JSON: the fields of a queue message, its content inline in base64, or an upload. */
import * as z from 'zod';
import { decodeBase64 } from '../protocol/base64.ts';
import { type FieldFault, fieldProblem, type Problem } from '../protocol/problem.ts';
import { schemaFaults } from './schema-faults.ts';
import {
  envelopeFields,
  expiryFault,
  inlineBytesMax,
  jsonSubmissionSchema,
  type Submission,
  type SubmittedContent,
  uploadIdPattern,
  uploadPrefix,
} from './submission.ts';

/** A submission, or what is wrong with it. */
export type ReadSubmission = { readonly submission: Submission } | { readonly problem: Problem };

/** A submission's content, or what is wrong with it. */
export type ReadContent = { readonly content: SubmittedContent } | { readonly problem: Problem };

/** Where a submission is read. */
export interface SubmissionPlace {
  /** The message bucket. */
  readonly bucket: string;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

/** Reads a body that was JSON; `value` may be anything. */
export function readJsonSubmission(value: unknown, place: SubmissionPlace): ReadSubmission {
  const parsed = jsonSubmissionSchema.safeParse(value);
  if (!parsed.success) {
    return { problem: fieldProblem(schemaFaults(parsed.error, [...envelopeFields, 'content'])) };
  }
  const { content: given, version: _, ...envelope } = parsed.data;
  const read = readContent(given, place.bucket);
  return 'problem' in read ? read : checkSubmission({ envelope, content: read.content }, place);
}

/** The last rules, which both forms of a submission obey. */
export function checkSubmission(
  submission: Submission,
  { nowMs }: SubmissionPlace,
): ReadSubmission {
  const fault = expiryFault(submission.envelope, nowMs);
  return fault === undefined ? { submission } : refuse('expiresAt', fault);
}

const contentSchema = z.strictObject({
  data: z.string().exactOptional(),
  upload: z
    .string()
    .regex(uploadIdPattern, { error: 'no upload: use the one that POST /v1/uploads gave' })
    .exactOptional(),
  bucket: z.string().exactOptional(),
  key: z.string().max(1_024).exactOptional(),
});

const contentForms = 'use {"data": BASE64}, or {"upload": ID} of POST /v1/uploads';

function readContent(given: unknown, bucket: string): ReadContent {
  const parsed = contentSchema.safeParse(given);
  if (!parsed.success) {
    const faults = schemaFaults(parsed.error).map(({ field, fault }) => ({
      field: field === '(body)' ? 'content' : `content.${field}`,
      fault: `${fault}; ${contentForms}`,
    }));
    return { problem: fieldProblem(faults) };
  }
  const { data, upload, ...reference } = parsed.data;
  const forms = [data, upload, reference.bucket ?? reference.key];
  if (forms.filter((form) => form !== undefined).length !== 1) {
    return refuse('content', `not one form of content: ${contentForms}`);
  }
  if (data !== undefined) {
    return readInline(data);
  }
  return upload === undefined
    ? readReference(reference, bucket)
    : { content: { kind: 'upload', key: `${uploadPrefix}${upload}` } };
}

function readInline(data: string): ReadContent {
  const octets = decodeBase64(data);
  return octets === undefined
    ? refuse('content.data', 'not base64 (RFC 4648 §4): encode the whole message, with padding')
    : checkOctets(octets, 'content.data');
}

/** Bounds a message that came within its request; `field` names it in faults. */
export function checkOctets(octets: Uint8Array, field: string): ReadContent {
  if (octets.length === 0) {
    return refuse(field, 'empty: send a message (RFC 5322)');
  }
  if (octets.length <= inlineBytesMax) {
    return { content: { kind: 'octets', octets } };
  }
  const problem: Problem = {
    status: 413,
    code: 'message-too-large',
    detail: `A message of ${octets.length} octets is more than a request takes (${inlineBytesMax}): upload it by POST /v1/uploads, then submit JSON with {"upload": ID} as its content.`,
  };
  return { problem };
}

/**
 * The message bucket also holds what others sent; whoever could name any of it would have it sent to himself. So only
 * uploads may be named.
 */
function readReference(
  { bucket, key = '' }: { readonly bucket?: string; readonly key?: string },
  ownBucket: string,
): ReadContent {
  const faults: FieldFault[] = [];
  if (bucket !== ownBucket) {
    faults.push({
      field: 'content.bucket',
      fault: 'not the message bucket: name that of the stack, or upload by POST /v1/uploads',
    });
  }
  if (!/^uploads\/./s.test(key)) {
    faults.push({
      field: 'content.key',
      fault: `not below ${uploadPrefix}: put the message there`,
    });
  }
  return faults.length > 0
    ? { problem: fieldProblem(faults) }
    : { content: { kind: 'upload', key } };
}

function refuse(field: string, fault: string): { readonly problem: Problem } {
  return { problem: fieldProblem([{ field, fault }]) };
}
