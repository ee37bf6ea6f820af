/**
 * Connections for undici to addresses that were vetted before, handed over only when the certificate is good for the
 * host, unless whoever asks takes any.
 *
 * undici's own connector would look the name up, and could resume a session, for which no name is checked.
 */
import { X509Certificate } from 'node:crypto';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';
import { describeError, HttpsFailure } from './https-failure.ts';
import { judgeCertificate } from './tls-verdict.ts';

export interface HttpsPeer {
  /** SNI, and the name that the certificate must have; lower-case A-labels. */
  readonly host: string;
  /** Address literals, tried one after the other until TLS is up; at least one. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly secureContext: SecureContext;
  /** What is offered, best first (RFC 7301). */
  readonly alpnProtocols: readonly ('h2' | 'http/1.1')[];
  /** For each address, until the TLS handshake is done. */
  readonly connectTimeoutMs: number;
  /** Gives the connecting up. */
  readonly signal?: AbortSignal;
  /** Where it is given any certificate will do, and this is told what is wrong with one. */
  readonly onCertificateFault?: (reason: string) => void;
}

/** Makes the connector. An address that failed is the last to be tried the next time. Fails with an {@link HttpsFailure}. */
export function httpsConnector(peer: HttpsPeer): buildConnector.connector {
  let preferred = 0;
  const connectToOne = async (): Promise<TLSSocket> => {
    const { addresses, signal } = peer;
    const failures: HttpsFailure[] = [];
    while (failures.length < addresses.length && signal?.aborted !== true) {
      const index = preferred;
      try {
        return await connectTo(addresses[index] ?? '', peer);
      } catch (error) {
        failures.push(expectFailure(error));
        preferred = (index + 1) % addresses.length;
      }
    }
    throw summarize(failures);
  };
  return (_, callback) => {
    connectToOne().then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
}

function expectFailure(error: unknown): HttpsFailure {
  if (error instanceof HttpsFailure) {
    return error;
  }
  throw error;
}

/** One failure for all addresses: a bad certificate says more than a refusal, and that more than silence. */
function summarize(failures: readonly HttpsFailure[]): HttpsFailure {
  const kinds = failures.map(({ kind }) => kind);
  const kind = (['certificate', 'connection'] as const).find((one) => kinds.includes(one));
  const reasons = new Set(failures.map(({ message }) => message));
  const told = reasons.size === 0 ? 'the time is over' : [...reasons].join('; ');
  return new HttpsFailure(kind ?? 'timeout', told, failures.at(-1));
}

function connectTo(address: string, peer: HttpsPeer): Promise<TLSSocket> {
  const { host, port, secureContext, alpnProtocols, connectTimeoutMs, signal, onCertificateFault } =
    peer;
  const socket = connectTls({
    host: address,
    port,
    servername: host,
    secureContext,
    ALPNProtocols: [...alpnProtocols],
    // Said outright: NODE_TLS_REJECT_UNAUTHORIZED=0 turns the default round.
    rejectUnauthorized: onCertificateFault === undefined,
    checkServerIdentity: (_host, { raw }) => checkIdentity(raw, host),
  });
  return new Promise((resolve, reject) => {
    const abandon = (reason: string): void => {
      socket.destroy(new HttpsFailure('timeout', reason));
    };
    const stop = (): void => abandon('the time is over');
    const timer = setTimeout(abandon, connectTimeoutMs, `no TLS session in ${connectTimeoutMs} ms`);
    signal?.addEventListener('abort', stop);
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      socket.off('error', refuse);
    };
    const refuse = (error: Error): void => {
      settle();
      reject(toConnectFailure(error, socket));
    };
    socket.once('error', refuse);
    socket.once('secureConnect', () => {
      settle();
      if (!socket.authorized) {
        onCertificateFault?.(String(socket.authorizationError));
      }
      resolve(socket);
    });
  });
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
    : new HttpsFailure('connection', describeError(error), error);
}
