/**
 * Authentication of an SMTP server by its TLSA records.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7672.html#section-3 RFC 7672 §3}
 * @see {@link https://www.rfc-editor.org/rfc/rfc7671.html#section-5 RFC 7671 §5}
 */
import { createHash } from 'node:crypto';
import { type FailureCode, TransportSecurityError } from '../errors.ts';
import { readPublicKeyInfo } from '../x509/certificate.ts';
import { isNameOf, readPresentedNames } from '../x509/certificate-names.ts';
import { type PathCertificate, readPathCertificate } from '../x509/path-certificate.ts';
import { findPathFault } from '../x509/path-validation.ts';
import { isAbout } from './certificate-association.ts';
import type { ReferenceIdentifiers } from './reference-identifiers.ts';
import {
  formatTlsaRecord,
  selectTlsaRecords,
  type TlsaRecord,
  tlsaSelector,
  tlsaUsage,
} from './tlsa-record.ts';
import { type AnchoredPath, type AnchorPlace, findAnchoredPaths } from './trust-anchor-paths.ts';

/** Certificates of a handshake that are looked at. What comes after them is not there, which can only fail. */
const presentedMax = 20;

/** All that the verdict depends on. */
export interface DaneEvidence {
  /** The secure TLSA RRset, whole; never empty. */
  readonly records: readonly TlsaRecord[];
  /** What the server sent, DER, the leaf first, the others in any order. */
  readonly chain: readonly Uint8Array[];
  readonly referenceIdentifiers: ReferenceIdentifiers;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

/** How a record and the server's certificates came together. */
export type DaneMatch =
  | { readonly usage: 'DANE-EE'; readonly selected: 'certificate' | 'public key' }
  | {
      readonly usage: 'DANE-TA';
      readonly anchor: AnchorPlace;
      /** Certificates between the leaf and the anchor. */
      readonly intermediates: number;
      /** The reference identifier that the leaf has. */
      readonly name: string;
    };

/** Whether a server is who its TLSA records say. `reason` is one line for people. */
export type DaneVerdict =
  | {
      readonly kind: 'verified';
      readonly record: TlsaRecord;
      readonly match: DaneMatch;
      readonly reason: string;
    }
  | {
      /** No record can be used: TLS is mandatory and authenticates nobody (RFC 7672 §2.2). */
      readonly kind: 'unusable';
      readonly code: 'tlsa-invalid';
      readonly reason: string;
    }
  | { readonly kind: 'failed'; readonly code: DaneFailureCode; readonly reason: string };

/** No record matches, or one of usage DANE-TA(2) does and its path does not hold. */
export type DaneFailureCode = Extract<FailureCode, 'dane-mismatch' | `certificate-${string}`>;

type Verified = Extract<DaneVerdict, { kind: 'verified' }>;
type Failed = Extract<DaneVerdict, { kind: 'failed' }>;

/**
 * Judges the certificates that a server sent.
 *
 * One record that matches is enough (RFC 6698 §4.1). Under DANE-EE(3) the leaf has to match and nothing else matters: no
 * name, no date, no issuer. Under DANE-TA(2) a valid path has to lead from the leaf to the anchor, and the leaf has to
 * have one of the reference identifiers.
 *
 * @throws {RangeError} without records: where none are published there is nothing to verify
 */
export function verifyDane(evidence: DaneEvidence): DaneVerdict {
  const { records, chain } = evidence;
  if (records.length === 0) {
    throw new RangeError('DANE needs TLSA records');
  }
  const { usable, unusable } = selectTlsaRecords(records);
  if (usable.length === 0) {
    const reason = `no TLSA record can be used: ${unusable[0]?.reason}`;
    return { kind: 'unusable', code: 'tlsa-invalid', reason };
  }
  const [leaf] = chain;
  if (leaf === undefined) {
    return fail('dane-mismatch', 'the server showed no certificate');
  }
  const entities = usable.filter(({ usage }) => usage === tlsaUsage.daneEe);
  const anchors = usable.filter(({ usage }) => usage === tlsaUsage.daneTa);
  const byLeaf = matchLeaf(leaf, entities);
  if (byLeaf !== undefined) {
    return byLeaf;
  }
  const byAnchor = anchors.length > 0 ? verifyAnchors(leaf, anchors, evidence) : undefined;
  return byAnchor ?? mismatch(leaf, usable);
}

function matchLeaf(der: Uint8Array, records: readonly TlsaRecord[]): Verified | undefined {
  const leaf = { der, publicKeyInfo: readLeafKey(der) };
  const record = records.find((candidate) => isAbout(candidate, leaf));
  if (record === undefined) {
    return undefined;
  }
  const selected = record.selector === tlsaSelector.certificate ? 'certificate' : 'public key';
  return {
    kind: 'verified',
    record,
    match: { usage: 'DANE-EE', selected },
    reason: `${show(record)} matches the server's ${selected}`,
  };
}

/** Undefined where the certificate is too odd to find its key. It may still match a record as a whole. */
function readLeafKey(der: Uint8Array): Uint8Array | undefined {
  return readUnlessMalformed(der, readPublicKeyInfo);
}

/** The verdict by the first path that holds, else by the first one that does not; undefined where there is no path. */
function verifyAnchors(
  der: Uint8Array,
  records: readonly TlsaRecord[],
  evidence: DaneEvidence,
): Verified | Failed | undefined {
  const leaf = readUnlessMalformed(der, readPathCertificate);
  if (leaf === undefined) {
    return fail('certificate-malformed', "the server's certificate cannot be read");
  }
  const presented = evidence.chain
    .slice(1, presentedMax)
    .map((certificate) => readUnlessMalformed(certificate, readPathCertificate))
    .filter((certificate) => certificate !== undefined);
  let first: Failed | undefined;
  for (const path of findAnchoredPaths(leaf, presented, records)) {
    const verdict = judgePath(leaf, path, evidence);
    if (verdict.kind === 'verified') {
      return verdict;
    }
    first ??= verdict;
  }
  return first;
}

function judgePath(
  leaf: PathCertificate,
  path: AnchoredPath,
  { referenceIdentifiers, nowMs }: DaneEvidence,
): Verified | Failed {
  const { record, place } = path;
  const fault = findPathFault(path, nowMs);
  if (fault !== undefined) {
    return fail(fault.code, `${show(record)} names the anchor, but ${fault.reason}`);
  }
  const presented = readUnlessMalformed(leaf, readPresentedNames);
  if (presented === undefined) {
    return fail('certificate-malformed', "the names of the server's certificate cannot be read");
  }
  const names = [referenceIdentifiers.base, ...referenceIdentifiers.nextHop];
  const name = names.find((host) => presented.some((candidate) => isNameOf(candidate, host)));
  if (name === undefined) {
    return fail(
      'certificate-host-mismatch',
      `the certificate is for ${list(presented)}, not for ${list(names)}`,
    );
  }
  const intermediates = path.certificates.length - (path.anchorKey === undefined ? 2 : 1);
  return {
    kind: 'verified',
    record,
    match: { usage: 'DANE-TA', anchor: place, intermediates, name },
    reason: `${show(record)} names the anchor (${place}) of a certificate for ${name}`,
  };
}

function readUnlessMalformed<I, O>(input: I, read: (input: I) => O): O | undefined {
  try {
    return read(input);
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      // Among what a server sends there may be anything; what cannot be read authenticates nobody.
      return undefined;
    }
    throw error;
  }
}

function mismatch(leaf: Uint8Array, records: readonly TlsaRecord[]): Failed {
  const key = readLeafKey(leaf);
  const shown = key === undefined ? 'unreadable' : createHash('sha256').update(key).digest('hex');
  return fail(
    'dane-mismatch',
    `no TLSA record matches: ${list(records.map(show))}; SHA-256 of the server's key: ${shown}`,
  );
}

function fail(code: DaneFailureCode, reason: string): Failed {
  return { kind: 'failed', code, reason };
}

/** Parameters and the first octets: enough to find the record in a zone. */
function show(record: TlsaRecord): string {
  const text = formatTlsaRecord(record);
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

function list(items: readonly string[]): string {
  const more = items.length > 4 ? ` and ${items.length - 4} more` : '';
  return items.length === 0 ? 'no host' : items.slice(0, 4).join(', ') + more;
}
