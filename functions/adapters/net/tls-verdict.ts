/**
 * What a finished handshake proves.
 *
 * Node is told to accept everything and asked afterwards: its own check takes a name from the subject's CN and
 * wildcards for a part of a label (RFC 8461 §4.2 and RFC 6125 §6.4 do not), and is left out altogether when the chain
 * fails or the session is resumed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-4.2 RFC 8461 §4.2}
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { DaneDemand, TlsFacts } from '../../delivery/channel.ts';
import { verifyDane } from '../../protocol/dane/verify-dane.ts';
import type { FailureCode } from '../../protocol/errors.ts';

/** The facts of a full handshake, and until when its certificate holds. */
export interface PeerVerdict {
  readonly facts: TlsFacts;
  readonly notAfterMs: number;
}

/** Certificates of a chain that are read. */
const chainMax = 20;

/**
 * Judges the peer of a full handshake for `host`, the MX name, and by its TLSA records where there are any. To be called
 * once a socket: OpenSSL gives the leaf of the chain away at the first asking.
 */
export function judgePeer(
  socket: TLSSocket,
  demand: {
    readonly host: string;
    readonly dane: DaneDemand | undefined;
    readonly nowMs: number;
  },
): PeerVerdict {
  const { host, dane, nowMs } = demand;
  const certificate = socket.getPeerX509Certificate();
  return {
    facts: {
      ...readSession(socket),
      fingerprint: certificate?.fingerprint256.replaceAll(':', '').toLowerCase() ?? '',
      resumed: false,
      pkix: judgeCertificate(certificate, { host, chainError: readChainError(socket) }),
      ...(dane === undefined ? {} : { dane: judgeByTlsa(certificate, dane, nowMs) }),
    },
    notAfterMs: certificate?.validToDate.getTime() ?? 0,
  };
}

/** RFC 7672 §3: the peer's certificates, as it sent them, against the TLSA RRset. */
function judgeByTlsa(
  leaf: X509Certificate | undefined,
  { records, referenceIdentifiers }: DaneDemand,
  nowMs: number,
): NonNullable<TlsFacts['dane']> {
  const chain: Uint8Array[] = [];
  for (
    let next = leaf;
    next !== undefined && chain.length < chainMax;
    next = next.issuerCertificate
  ) {
    chain.push(next.raw);
  }
  if (chain.length === 0) {
    return { verified: false, code: 'dane-mismatch', reason: 'the peer showed no certificate' };
  }
  const verdict = verifyDane({ records, chain, referenceIdentifiers, nowMs });
  return verdict.kind === 'verified'
    ? { verified: true, reason: verdict.reason }
    : { verified: false, code: verdict.code, reason: verdict.reason };
}

/** The facts of a resumed session, which shows no certificate: those of the session that it resumes. */
export function resumeFacts(socket: TLSSocket, facts: TlsFacts): TlsFacts {
  return { ...facts, ...readSession(socket), resumed: true };
}

/** RFC 8460 §4.3.1 has labels of its own for some; any other fault of the chain is `certificate-not-trusted`. */
const chainFailures: Readonly<Record<string, FailureCode>> = {
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-not-yet-valid',
};

/** Judges a leaf certificate by OpenSSL's verdict on its chain and by the names in it. */
export function judgeCertificate(
  certificate: X509Certificate | undefined,
  evidence: { readonly host: string; readonly chainError: string | undefined },
): TlsFacts['pkix'] {
  const { host, chainError } = evidence;
  if (certificate === undefined) {
    return fail('certificate-not-trusted', 'the peer showed no certificate');
  }
  if (chainError !== undefined) {
    const code = chainFailures[chainError] ?? 'certificate-not-trusted';
    return { ...fail(code, `the chain: ${chainError}`), reasonCode: chainError };
  }
  // RFC 8461 §4.2: a DNS-ID; its wildcard, if any, is the whole left-most label. The CN is not looked at, which is also
  // our reading for REQUIRETLS (`Deviation:` RFC 8689 §4.2.1 would take a CN-ID).
  const matched = certificate.checkHost(host, {
    subject: 'never',
    wildcards: true,
    partialWildcards: false,
    multiLabelWildcards: false,
    singleLabelSubdomains: false,
  });
  return matched === undefined
    ? fail('certificate-host-mismatch', `the certificate is not for ${host}`)
    : { verified: true };
}

function fail(
  code: FailureCode,
  reason: string,
): Extract<TlsFacts['pkix'], { readonly verified: false }> {
  return { verified: false, code, reason };
}

function readSession(socket: TLSSocket): Pick<TlsFacts, 'version' | 'cipher'> {
  return { version: socket.getProtocol() ?? 'unknown', cipher: socket.getCipher().standardName };
}

/** OpenSSL's name for what is wrong with the chain; Node's types say Error, Node gives its code. */
function readChainError(socket: TLSSocket): string | undefined {
  return socket.authorized ? undefined : String(socket.authorizationError);
}
