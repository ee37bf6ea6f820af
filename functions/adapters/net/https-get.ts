/**
 * One GET over HTTPS, to one address that was vetted before: HTTP/1.1, no redirect followed, nothing decompressed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 */
import { X509Certificate } from 'node:crypto';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import type { buildConnector, Dispatcher } from 'undici';
import { judgeCertificate } from './tls-verdict.ts';

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

/** Why there is no answer. `too-large`: there is one, and it goes on beyond `bodyBytesMax`. */
export class HttpsFailure extends Error {
  readonly kind: 'certificate' | 'too-large' | 'connection';

  constructor(kind: HttpsFailure['kind'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'HttpsFailure';
    this.kind = kind;
  }
}

/** Rejects with {@link HttpsFailure} alone. */
export async function getOverHttps(request: HttpsGet): Promise<HttpsAnswer> {
  // Loaded when first needed: most deliveries find their policy in the cache, and it is large.
  const { Client } = await import('undici');
  const client = new Client(`https://${request.host}:${request.port}`, {
    connect: connector(request),
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
    throw translate(error, request.signal);
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

/**
 * Connects to the given address and to no other, and hands the connection over only when the certificate is good for
 * the host. undici's own connector would look the name up, and could resume a session, for which no name is checked.
 */
function connector(request: HttpsGet): buildConnector.connector {
  return (_, callback) => {
    const { host, address, port, secureContext, connectTimeoutMs, signal } = request;
    const socket = connectTls({
      host: address,
      port,
      servername: host,
      secureContext,
      ALPNProtocols: ['http/1.1'],
      // Said outright: NODE_TLS_REJECT_UNAUTHORIZED=0 turns the default round.
      rejectUnauthorized: true,
      checkServerIdentity: (_host, { raw }) => checkIdentity(raw, host),
    });
    const abandon = (reason: string): void => {
      socket.destroy(new HttpsFailure('connection', reason));
    };
    const stop = (): void => abandon('the time is over');
    const timer = setTimeout(abandon, connectTimeoutMs, `no TLS session in ${connectTimeoutMs} ms`);
    signal.addEventListener('abort', stop);
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      socket.off('error', refuse);
    };
    const refuse = (error: Error): void => {
      settle();
      callback(toConnectFailure(error, socket), null);
    };
    socket.once('error', refuse);
    socket.once('secureConnect', () => {
      settle();
      callback(null, socket);
    });
  };
}

/** RFC 8461 §3.3: DNS-IDs only; a wildcard is the whole left-most label. Returns, not throws, as Node wants it. */
function checkIdentity(leaf: Uint8Array, host: string): Error | undefined {
  try {
    const certificate = new X509Certificate(leaf);
    const verdict = judgeCertificate(certificate, { host, chainError: undefined });
    return verdict.verified ? undefined : new HttpsFailure('certificate', verdict.reason);
  } catch (cause) {
    return new HttpsFailure('certificate', 'the certificate cannot be read', cause);
  }
}

function toConnectFailure(error: Error, socket: TLSSocket): HttpsFailure {
  if (error instanceof HttpsFailure) {
    return error;
  }
  // Node sets this for faults of the chain and of the name, and for nothing else that ends a handshake.
  const chainError: unknown = socket.authorizationError;
  return typeof chainError === 'string'
    ? new HttpsFailure('certificate', `the chain: ${chainError}`, error)
    : new HttpsFailure('connection', describe(error), error);
}

function translate(error: unknown, signal: AbortSignal): HttpsFailure {
  if (error instanceof HttpsFailure) {
    return error;
  }
  if (signal.aborted) {
    return new HttpsFailure('connection', 'the time is over', error);
  }
  const tooLarge = error instanceof Error && codeOf(error) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE';
  return new HttpsFailure(tooLarge ? 'too-large' : 'connection', describe(error), error);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = codeOf(error);
  return code === undefined || error.message.includes(code)
    ? error.message
    : `${code}: ${error.message}`;
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
