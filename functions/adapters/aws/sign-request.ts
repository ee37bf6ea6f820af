/** Requests signed for AWS by the credentials of this process (Signature Version 4), where no SDK client makes them. */
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { cloudFormationClient } from './aws-clients.ts';

export interface RequestToSign {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The header fields to send it with. */
export type SignRequest = (request: RequestToSign) => Promise<Readonly<Record<string, string>>>;

/** Makes the signer of a service, like `execute-api`. Credentials are found as every SDK client finds them. */
export function createRequestSigner(service: string): SignRequest {
  const { credentials, region } = cloudFormationClient().config;
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
  return async ({ method, url, headers, body }) => {
    const signed = await signer.sign({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { host: url.host, ...headers },
      body,
    });
    return signed.headers;
  };
}

/** What the signer takes for SHA-256: a hash, or with a secret its HMAC. */
class Sha256 {
  readonly #hash: ReturnType<typeof createHash>;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined
        ? createHash('sha256')
        : (createHmac('sha256', toOctets(secret)) as unknown as ReturnType<typeof createHash>);
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(toOctets(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new TypeError('a hash is used once');
  }
}

function toOctets(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') {
    return Buffer.from(data);
  }
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
