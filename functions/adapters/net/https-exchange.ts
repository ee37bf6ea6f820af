/**
 * One exchange over HTTPS with addresses that were vetted before: HTTP/1.1, no redirect followed, nothing decompressed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-5.4 RFC 8460 §5.4}
 */
import type { Dispatcher } from 'undici';
import { type HttpsPeer, httpsConnector } from './https-connector.ts';
import { toHttpsFailure } from './https-failure.ts';

/** The request, and how much of an answer is taken. */
export interface HttpsRequest extends Omit<HttpsPeer, 'alpnProtocols' | 'signal'> {
  readonly method: 'GET' | 'POST';
  /** With the query, if any. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Ends the exchange, wherever it is. */
  readonly signal: AbortSignal;
  /** Octets of the body that are taken; 0: it is not read. */
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
export async function exchangeOverHttps(request: HttpsRequest): Promise<HttpsAnswer> {
  const { method, path, headers, body, signal, bodyBytesMax } = request;
  // Loaded when first needed: most deliveries find their policy in the cache, and it is large.
  const { Client } = await import('undici');
  const client = new Client(`https://${request.host}:${request.port}`, {
    connect: httpsConnector({ ...request, alpnProtocols: ['http/1.1'] }),
    allowH2: false,
    ...(bodyBytesMax > 0 && { maxResponseSize: bodyBytesMax }),
    // The signal bounds the whole exchange, so these two need not.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const response = await client.request({
      method,
      path,
      // No coding: 64 KiB could unfold to gigabytes, and nothing here decompresses.
      headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'Sealpost' },
      ...(body !== undefined && { body }),
      signal,
      reset: true,
    });
    return await readAnswer(response, bodyBytesMax);
  } catch (error) {
    throw toHttpsFailure(error, signal);
  } finally {
    await client.destroy();
  }
}

async function readAnswer(
  response: Dispatcher.ResponseData,
  bodyBytesMax: number,
): Promise<HttpsAnswer> {
  const { statusCode: status, headers } = response;
  const isRead = status === 200 && bodyBytesMax > 0;
  return {
    status,
    contentType: fieldValue(headers['content-type']),
    contentEncoding: fieldValue(headers['content-encoding']),
    body: isRead ? await response.body.bytes() : await ignore(response),
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
