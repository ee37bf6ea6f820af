/**
 * The certificate extensions that say what a key may be used for.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5280.html#section-4.2.1 RFC 5280 §4.2.1}
 */
import type { Certificate } from './certificate.ts';
import {
  decodeBitString,
  decodeBoolean,
  decodeObjectIdentifier,
  decodeSmallInteger,
  derTag,
  expectEnd,
  malformed,
  readAll,
  readerOf,
  readOnly,
  readOptional,
} from './der.ts';

/** Object identifiers of extensions. */
export const extensionId = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
} as const;

/**
 * What a path is checked against here. Of the extensions on policies, those that no path can fail by are among them:
 * any policy is welcome and none is demanded (RFC 5280 §6.1.1 (c) and (e)). policyConstraints may demand one, so it is not.
 */
const processed: ReadonlySet<string> = new Set(Object.values(extensionId));

/** RFC 5280 §4.2.1.9. */
export interface BasicConstraints {
  readonly ca: boolean;
  /** How many certificates of authorities may come between this one and the leaf; absent: any number. */
  readonly pathLength?: number;
}

/** The uses of a key that matter for TLS and for paths (RFC 5280 §4.2.1.3), with their bits. */
const keyUsages = {
  digitalSignature: 0,
  keyEncipherment: 2,
  keyAgreement: 4,
  keyCertSign: 5,
} as const;

export type KeyUsage = keyof typeof keyUsages;

/** RFC 5280 §4.2.1.12. */
export const extendedKeyUsageId = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** Reads basicConstraints; absent: undefined. @throws {TransportSecurityError} `certificate-malformed` */
export function readBasicConstraints(certificate: Certificate): BasicConstraints | undefined {
  const value = certificate.extensions.get(extensionId.basicConstraints)?.value;
  if (value === undefined) {
    return undefined;
  }
  const reader = readerOf(readOnly(value, derTag.sequence, 'basicConstraints').contents);
  const ca = readOptional(reader, derTag.boolean, 'cA');
  const pathLength = readOptional(reader, derTag.integer, 'pathLenConstraint');
  expectEnd(reader, 'basicConstraints');
  return {
    ca: ca !== undefined && decodeBoolean(ca),
    ...(pathLength === undefined ? {} : { pathLength: decodeSmallInteger(pathLength) }),
  };
}

/** Reads keyUsage; absent: undefined, and any use is allowed. @throws {TransportSecurityError} `certificate-malformed` */
export function readKeyUsage(certificate: Certificate): ReadonlySet<KeyUsage> | undefined {
  const value = certificate.extensions.get(extensionId.keyUsage)?.value;
  if (value === undefined) {
    return undefined;
  }
  const { octets } = decodeBitString(readOnly(value, derTag.bitString, 'keyUsage'));
  const names = Object.keys(keyUsages) as KeyUsage[];
  // Bit 0 is the most significant one of the first octet (X.690 §8.6.2); all that matter are in that octet.
  return new Set(names.filter((name) => ((octets[0] ?? 0) & (0x80 >> keyUsages[name])) !== 0));
}

/** Reads extKeyUsage, object identifiers; absent: undefined. @throws {TransportSecurityError} `certificate-malformed` */
export function readExtendedKeyUsage(certificate: Certificate): ReadonlySet<string> | undefined {
  const value = certificate.extensions.get(extensionId.extendedKeyUsage)?.value;
  if (value === undefined) {
    return undefined;
  }
  const { contents } = readOnly(value, derTag.sequence, 'extKeyUsage');
  const ids = readAll(contents, derTag.objectIdentifier, 'extKeyUsage').map(decodeObjectIdentifier);
  if (ids.length === 0) {
    throw malformed('an extKeyUsage without a use');
  }
  return new Set(ids);
}

/** The identifier of a critical extension that is not processed, by which a path fails (RFC 5280 §6.1.4 (o), §6.1.5 (f)). */
export function findUnknownCritical(certificate: Certificate): string | undefined {
  for (const [id, { critical }] of certificate.extensions) {
    if (critical && !processed.has(id)) {
      return id;
    }
  }
  return undefined;
}
