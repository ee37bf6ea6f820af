/**
 * One GET over HTTPS, to one address that was vetted before: HTTP/1.1, no redirect followed, nothing decompressed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 */
import type { SecureContext } from 'node:tls';
import type { Dispatcher } from 'undici';
import { httpsConnector } from './https-connector.ts';
import { toHttpsFailure } from './https-failure.ts';

/** The request, and how much of an answer is taken. */
export interface HttpsGet {
  /** SNI, Host and the name that the certificate must have; lower-case A-labels. */
  readonly host: string;
  readonly path: string;
  /** An address literal. */
  readonly address: string;
  readonly port: number;
  readonly secureContext: SecureContext;
  /** Until the TLS handshake is done. */
  readonly connectTimeoutMs: number;
  /** Ends the exchange, wherever it is. */
  readonly signal: AbortSignal;
  readonly bodyBytesMax: number;
}

/** What came back. The body is read for status 200 only. */
export interface HttpsAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly body: Uint8Array;
}

/** Rejects with an {@link HttpsFailure} alone. */
export async function getOverHttps(request: HttpsGet): Promise<HttpsAnswer> {
  // Loaded when first needed: most deliveries find their policy in the cache, and it is large.
  const { Client } = await import('undici');
  const client = new Client(`https://${request.host}:${request.port}`, {
    connect: httpsConnector({
      ...request,
      addresses: [request.address],
      alpnProtocols: ['http/1.1'],
    }),
    allowH2: false,
    maxResponseSize: request.bodyBytesMax,
    // The signal bounds the whole exchange, so these two need not.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    return await readAnswer(
      await client.request({
        method: 'GET',
        path: request.path,
        // No coding: 64 KiB could unfold to gigabytes, and nothing here decompresses.
        headers: { accept: 'text/plain', 'accept-encoding': 'identity', 'user-agent': 'Sealpost' },
        signal: request.signal,
        reset: true,
      }),
    );
  } catch (error) {
    throw toHttpsFailure(error, request.signal);
  } finally {
    await client.destroy();
  }
}

async function readAnswer(response: Dispatcher.ResponseData): Promise<HttpsAnswer> {
  const { statusCode: status, headers } = response;
  return {
    status,
    contentType: fieldValue(headers['content-type']),
    contentEncoding: fieldValue(headers['content-encoding']),
    body: status === 200 ? await response.body.bytes() : await ignore(response),
  };
}

async function ignore({ body }: Dispatcher.ResponseData): Promise<Uint8Array> {
  body.on('error', () => {
    // The body is cut off on purpose.
  });
  body.destroy();
  return new Uint8Array();
}

/** RFC 9110 §5.3: several lines of one field are a list, which no single value is equal to. */
function fieldValue(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
