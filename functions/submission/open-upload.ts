/** Opens an upload for a message that is too large for a request. */
import * as z from 'zod';
import { fieldProblem, type Problem } from '../protocol/problem.ts';
import { contentBytesMax } from './limits.ts';
import { schemaFaults } from './schema-faults.ts';
import { uploadPrefix } from './submission.ts';

/** What is to be uploaded, and where. */
export interface UploadRequest {
  /** The key of the object. */
  readonly key: string;
  /** Exactly; S3 takes neither more nor less. */
  readonly bytes: number;
  /** In hexadecimal; S3 then takes no other octets. */
  readonly sha256?: string;
}

/** How to upload: one PUT with exactly these header fields. */
export interface UploadTicket {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresInSeconds: number;
}

/** Rejects where the credentials for signing could not be had. */
export type OpenUpload = (request: UploadRequest) => Promise<UploadTicket>;

const uploadSchema = z.strictObject({
  bytes: z
    .int()
    .min(1)
    .max(contentBytesMax, { error: `a message has at most ${contentBytesMax} octets` }),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, { error: 'not 64 hexadecimal digits in lower case' })
    .exactOptional(),
});

/** Reads what somebody wants to upload; `value` may be anything. */
export function readUploadRequest(
  value: unknown,
  id: string,
): { readonly request: UploadRequest } | { readonly problem: Problem } {
  const parsed = uploadSchema.safeParse(value);
  return parsed.success
    ? { request: { key: `${uploadPrefix}${id}`, ...parsed.data } }
    : { problem: fieldProblem(schemaFaults(parsed.error, ['bytes', 'sha256'])) };
}
