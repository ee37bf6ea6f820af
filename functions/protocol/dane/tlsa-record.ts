/**
 * TLSA records: which of them can be used for SMTP, and which of those count.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6698.html#section-2.1 RFC 6698 §2.1, §4.1}
 * @see {@link https://www.rfc-editor.org/rfc/rfc7671.html#section-9 RFC 7671 §9} (digest algorithm agility)
 * @see {@link https://www.rfc-editor.org/rfc/rfc7672.html#section-3.1 RFC 7672 §3.1}
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { TlsaData } from '../dns/answer.ts';
import { TransportSecurityError } from '../errors.ts';
import { expectPublicKeyInfo } from '../x509/certificate.ts';
import { malformed } from '../x509/der.ts';
import {
  type PathCertificate,
  readPathCertificate,
  readPublicKey,
} from '../x509/path-certificate.ts';

/**
 * A TLSA record's data as it came, any octet in the three parameters. Usages: 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE;
 * selectors: 0 the certificate, 1 its SubjectPublicKeyInfo; matching types: 0 the octets themselves, 1 SHA2-256, 2 SHA2-512
 * (RFC 7218 §2).
 */
export type TlsaRecord = TlsaData;

/** Certificate usages (RFC 7218 §2.1). */
export const tlsaUsage = { daneTa: 2, daneEe: 3 } as const;

/** Selectors (RFC 7218 §2.2). */
export const tlsaSelector = { certificate: 0, publicKey: 1 } as const;

/** The matching type without a digest (RFC 7218 §2.3). */
export const fullMatch = 0;

/** A matching type that is a digest. */
export interface DigestAlgorithm {
  readonly matchingType: number;
  /** As `node:crypto` names it. */
  readonly name: string;
  readonly octets: number;
}

/**
 * The digests that are understood, the strongest first.
 *
 * Deviation: RFC 7671 §9 would have the order configurable. Of two sound digests there is nothing to choose, and a new one
 * comes with a row here.
 */
export const digestAlgorithms: readonly DigestAlgorithm[] = [
  { matchingType: 2, name: 'sha512', octets: 64 },
  { matchingType: 1, name: 'sha256', octets: 32 },
];

/** A record that authenticates nobody, and why. */
export interface UnusableRecord {
  readonly record: TlsaRecord;
  readonly reason: string;
}

/** An RRset, sorted out. */
export interface TlsaSelection {
  /** The records that a certificate may match. Where there are none, TLS is still promised (RFC 7672 §2.2). */
  readonly usable: readonly TlsaRecord[];
  readonly unusable: readonly UnusableRecord[];
  /** Usable ones that do not count beside a stronger digest. */
  readonly outranked: readonly TlsaRecord[];
}

/** Sorts an RRset out. What that takes is bounded by the one DNS message that the RRset came in. */
export function selectTlsaRecords(records: readonly TlsaRecord[]): TlsaSelection {
  const unusable: UnusableRecord[] = [];
  const candidates: TlsaRecord[] = [];
  for (const record of records) {
    const reason = findDefect(record);
    if (reason === undefined) {
      candidates.push(record);
    } else {
      unusable.push({ record, reason });
    }
  }
  const usable = candidates.filter((record) => isStrongest(record, candidates));
  return { usable, unusable, outranked: candidates.filter((record) => !usable.includes(record)) };
}

/** Why a record is unusable (RFC 6698 §4.1), or undefined where it is not. */
function findDefect({ usage, selector, matchingType, data }: TlsaRecord): string | undefined {
  if (usage === 0 || usage === 1) {
    // RFC 7672 §3.1.3: mail servers agree on no list of authorities, so that these may be taken for unusable.
    return `certificate usage ${usage} is not for SMTP`;
  }
  if (usage !== tlsaUsage.daneTa && usage !== tlsaUsage.daneEe) {
    return `unknown certificate usage ${usage}`;
  }
  if (selector !== tlsaSelector.certificate && selector !== tlsaSelector.publicKey) {
    return `unknown selector ${selector}`;
  }
  if (matchingType === fullMatch) {
    return findMalformedData(selector, data);
  }
  const digest = digestAlgorithms.find((algorithm) => algorithm.matchingType === matchingType);
  if (digest === undefined) {
    return `unknown matching type ${matchingType}`;
  }
  return data.length === digest.octets
    ? undefined
    : `${data.length} octets of data, not the ${digest.octets} of ${digest.name}`;
}

function findMalformedData(selector: number, data: Uint8Array): string | undefined {
  try {
    if (selector === tlsaSelector.publicKey) {
      readAssociatedKey(data);
    } else {
      readAssociatedCertificate(data);
    }
    return undefined;
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return error.message;
    }
    throw error;
  }
}

/** Reads the data of a record with a full certificate. @throws {TransportSecurityError} `certificate-malformed` */
export function readAssociatedCertificate(data: Uint8Array): PathCertificate {
  const certificate = readPathCertificate(data);
  if (readPublicKey(certificate) === undefined) {
    throw malformed('a certificate with a key that cannot be used');
  }
  return certificate;
}

/** Reads the data of a record with a full public key. @throws {TransportSecurityError} `certificate-malformed` */
export function readAssociatedKey(data: Uint8Array): KeyObject {
  expectPublicKeyInfo(data);
  try {
    return createPublicKey({ key: Buffer.from(data), format: 'der', type: 'spki' });
  } catch (cause) {
    throw malformed(`not a public key: ${String(cause)}`);
  }
}

/**
 * RFC 7671 §9: of the records with one usage and selector only those with the strongest digest count, and those without a
 * digest always do.
 */
function isStrongest(record: TlsaRecord, candidates: readonly TlsaRecord[]): boolean {
  const strongest = digestAlgorithms.find((digest) =>
    candidates.some(
      ({ usage, selector, matchingType }) =>
        usage === record.usage &&
        selector === record.selector &&
        matchingType === digest.matchingType,
    ),
  );
  return record.matchingType === fullMatch || record.matchingType === strongest?.matchingType;
}

/**
 * Formats a record as in a zone file (RFC 6698 §2.2), one line, lower-case digits. The text tells records apart, so
 * that those of an RRset, sorted, stand for it in a key.
 *
 * @example
 * formatTlsaRecord(record); // '3 1 1 8a9a70596e869bed…'
 */
export function formatTlsaRecord({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}`;
}
