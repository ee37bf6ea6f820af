/**
 * Certificates octet by octet, so that each field can be as wrong as a test wants it. Keys follow from names; the clock is
 * that of `now`.
 */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { deriveKey } from '../../../bin/world/keys.ts';

export const dayMs = 86_400_000;
/** 2026-06-01T00:00:00Z, for all that is made here. */
export const nowMs: number = Date.UTC(2026, 5, 1);

type Octets = Uint8Array;

/** One DER element. */
export function der(tag: number, ...parts: readonly Octets[]): Octets {
  const contents = Buffer.concat(parts);
  const length = contents.length;
  const digits =
    length < 0x80 ? [length] : [...Buffer.from(length.toString(16).padStart(6, '0'), 'hex')];
  if (length >= 0x80) {
    while (digits[0] === 0) {
      digits.shift();
    }
    digits.unshift(0x80 + digits.length);
  }
  return Buffer.concat([Uint8Array.of(tag, ...digits), contents]);
}

export function sequence(...parts: readonly Octets[]): Octets {
  return der(0x30, ...parts);
}

export function bool(value: boolean): Octets {
  return der(0x01, Uint8Array.of(value ? 0xff : 0));
}

export function integer(value: number): Octets {
  const hex = value.toString(16);
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return der(0x02, (octets[0] ?? 0) >= 0x80 ? Buffer.concat([Uint8Array.of(0), octets]) : octets);
}

export function bits(...octets: readonly number[]): Octets {
  return der(0x03, Uint8Array.of(0, ...octets));
}

export function oid(dotted: string): Octets {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const arcs = [first * 40 + second, ...rest].map((arc) => {
    const octets = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) {
      octets.unshift(0x80 | (left & 0x7f));
    }
    return Uint8Array.from(octets);
  });
  return der(0x06, ...arcs);
}

export function text(value: string, tag = 0x0c): Octets {
  return der(tag, Buffer.from(value, 'latin1'));
}

/** A Name of one CN, or of none where it is ''. */
export function name(commonName: string, tag = 0x0c): Octets {
  return commonName === ''
    ? sequence()
    : sequence(der(0x31, sequence(oid('2.5.4.3'), text(commonName, tag))));
}

/** UTCTime, or GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
export function time(ms: number): Octets {
  const full = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return full >= '2050' ? text(full, 0x18) : text(full.slice(2), 0x17);
}

export interface ExtensionOctets {
  readonly id: string;
  readonly critical?: boolean;
  readonly value: Octets;
}

export function basicConstraints(ca: boolean, pathLength?: number): ExtensionOctets {
  const parts = [
    ...(ca ? [bool(true)] : []),
    ...(pathLength === undefined ? [] : [integer(pathLength)]),
  ];
  return { id: '2.5.29.19', critical: true, value: sequence(...parts) };
}

/** The first octet of keyUsage: 0x80 digitalSignature, 0x20 keyEncipherment, 0x08 keyAgreement, 0x04 keyCertSign. */
export function keyUsage(octet: number): ExtensionOctets {
  return { id: '2.5.29.15', critical: true, value: bits(octet) };
}

export function extendedKeyUsage(...ids: readonly string[]): ExtensionOctets {
  return { id: '2.5.29.37', value: sequence(...ids.map(oid)) };
}

/** A GeneralName: a DNS name, or octets of an address. */
export function generalName(value: string | Octets): Octets {
  return typeof value === 'string' ? text(value, 0x82) : der(0x87, value);
}

export function alternativeNames(...names: readonly Octets[]): ExtensionOctets {
  return { id: '2.5.29.17', value: sequence(...names) };
}

export function nameConstraints(
  permitted: readonly Octets[],
  excluded: readonly Octets[],
): ExtensionOctets {
  const trees = (tag: number, bases: readonly Octets[]): Octets[] =>
    bases.length === 0 ? [] : [der(tag, ...bases.map((base) => sequence(base)))];
  return {
    id: '2.5.29.30',
    critical: true,
    value: sequence(...trees(0xa0, permitted), ...trees(0xa1, excluded)),
  };
}

/** Somebody with a name and a key. */
export interface Party {
  readonly name: Octets;
  readonly key: KeyObject;
}

export function party(commonName: string, seed = ''): Party {
  return { name: name(commonName), key: deriveKey(`party ${commonName} ${seed}`) };
}

type AlgorithmName = 'ecdsa-sha256' | 'ecdsa-sha1' | 'rsa-sha256' | 'rsa-sha1';

/** Names of signature algorithms in AlgorithmIdentifier form, with the hash that `sign` wants. */
const algorithms: Readonly<
  Record<AlgorithmName, { readonly hash: string; readonly identifier: Octets }>
> = {
  'ecdsa-sha256': { hash: 'sha256', identifier: sequence(oid('1.2.840.10045.4.3.2')) },
  'ecdsa-sha1': { hash: 'sha1', identifier: sequence(oid('1.2.840.10045.4.1')) },
  'rsa-sha256': { hash: 'sha256', identifier: sequence(oid('1.2.840.113549.1.1.11'), der(0x05)) },
  'rsa-sha1': { hash: 'sha1', identifier: sequence(oid('1.2.840.113549.1.1.5'), der(0x05)) },
};

export interface CertificateOptions {
  readonly version?: 1 | 2 | 3;
  readonly serial?: number;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly algorithm?: AlgorithmName;
  readonly extensions?: readonly ExtensionOctets[];
  /** Octets in place of the validity. */
  readonly validity?: Octets;
  /** An AlgorithmIdentifier in place of the one that is signed with. */
  readonly identifier?: Octets;
}

/** A certificate of `subject`, signed by `issuer`; by default of version 3, valid now, without extensions. */
export function certify(issuer: Party, subject: Party, options: CertificateOptions = {}): Octets {
  const { version = 3, serial = 1, algorithm = 'ecdsa-sha256', extensions = [] } = options;
  const { hash } = algorithms[algorithm];
  const { identifier = algorithms[algorithm].identifier } = options;
  const { notBeforeMs = nowMs - dayMs, notAfterMs = nowMs + dayMs } = options;
  const encoded = extensions.map(({ id, critical = false, value }) =>
    sequence(oid(id), ...(critical ? [bool(true)] : []), der(0x04, value)),
  );
  const toBeSigned = sequence(
    ...(version === 1 ? [] : [der(0xa0, integer(version - 1))]),
    integer(serial),
    identifier,
    issuer.name,
    options.validity ?? sequence(time(notBeforeMs), time(notAfterMs)),
    subject.name,
    publicKeyInfo(subject),
    ...(encoded.length === 0 ? [] : [der(0xa3, sequence(...encoded))]),
  );
  const signature = sign(hash, toBeSigned, issuer.key);
  return sequence(toBeSigned, identifier, bits(...signature));
}

/** A party's SubjectPublicKeyInfo. */
export function publicKeyInfo({ key }: Party): Octets {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

/** A certificate of an authority. */
export function certifyAuthority(
  issuer: Party,
  subject: Party,
  options: CertificateOptions = {},
): Octets {
  return certify(issuer, subject, {
    extensions: [basicConstraints(true), keyUsage(0x06)],
    ...options,
  });
}

/** A certificate of a TLS server with these DNS-IDs. */
export function certifyServer(
  issuer: Party,
  subject: Party,
  names: readonly string[],
  options: CertificateOptions = {},
): Octets {
  const { extensions = [], ...others } = options;
  return certify(issuer, subject, {
    extensions: [
      basicConstraints(false),
      keyUsage(0x80),
      extendedKeyUsage('1.3.6.1.5.5.7.3.1'),
      ...(names.length === 0 ? [] : [alternativeNames(...names.map(generalName))]),
      ...extensions,
    ],
    ...others,
  });
}
