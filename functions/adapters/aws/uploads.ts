/**
 * Uploads of messages that are too large for a request: presigned PUTs into the message bucket, below `uploads/`
 * (its lifecycle takes them away after a day).
 *
 * The signature covers the length, the type and the checksum where there is one, so that nobody puts anything else there.
 */
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { OpenUpload } from '../../submission/open-upload.ts';

/** Time to begin the upload in. */
export const uploadUrlSeconds = 900;

const contentType = 'message/rfc822';

export interface UploadsOptions {
  /** With `requestChecksumCalculation: 'WHEN_REQUIRED'`: else it signs the checksum of an empty body into the URL. */
  readonly client: S3Client;
  readonly bucket: string;
}

/** Makes the signer; nothing is asked of S3. */
export function createUploads({ client, bucket }: UploadsOptions): OpenUpload {
  return async ({ key, bytes, sha256 }) => {
    const checksum =
      sha256 === undefined ? undefined : Buffer.from(sha256, 'hex').toString('base64');
    const command = new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      ContentLength: bytes,
      ContentType: contentType,
      ...(checksum !== undefined && { ChecksumSHA256: checksum }),
    });
    const url = await getSignedUrl(client, command, {
      expiresIn: uploadUrlSeconds,
      // Without being asked the signer leaves the type out, and moves the checksum into the query, where S3 ignores it.
      signableHeaders: new Set(['host', 'content-length', 'content-type']),
      unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
    });
    return {
      url,
      headers: {
        'content-length': String(bytes),
        'content-type': contentType,
        ...(checksum !== undefined && { 'x-amz-checksum-sha256': checksum }),
      },
      expiresInSeconds: uploadUrlSeconds,
    };
  };
}
