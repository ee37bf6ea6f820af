/**
 * Name constraints: which names an authority may certify, and everybody below it.
 *
 * DNS names and addresses are judged in full. Other forms matter to no mail server: a constraint on one is taken as broken
 * where it cannot be told for sure that it is kept (RFC 5280 §4.2.1.10: process it "or reject the certificate").
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5280.html#section-4.2.1.10 RFC 5280 §4.2.1.10}
 */
import type { Certificate } from './certificate.ts';
import {
  decodeText,
  generalNameTag,
  isNameOf,
  readAlternativeNames,
  readPresentedNames,
  readRelativeNames,
} from './certificate-names.ts';
import {
  contextTag,
  type DerElement,
  derTag,
  expectEnd,
  malformed,
  readAll,
  readAny,
  readerOf,
  readOnly,
  readOptional,
} from './der.ts';
import { extensionId } from './extensions.ts';

/** Comparisons of one certificate's names with one authority's subtrees; both may have thousands. */
const comparisonsMax = 65_536;

/** What an authority may certify. Each subtree is a GeneralName. */
export interface NameConstraints {
  readonly permitted: readonly DerElement[];
  readonly excluded: readonly DerElement[];
}

/** Reads nameConstraints; absent: undefined. @throws {TransportSecurityError} `certificate-malformed` */
export function readNameConstraints(certificate: Certificate): NameConstraints | undefined {
  const value = certificate.extensions.get(extensionId.nameConstraints)?.value;
  if (value === undefined) {
    return undefined;
  }
  const reader = readerOf(readOnly(value, derTag.sequence, 'nameConstraints').contents);
  const permitted = readOptional(reader, contextTag(0, 'constructed'), 'permittedSubtrees');
  const excluded = readOptional(reader, contextTag(1, 'constructed'), 'excludedSubtrees');
  expectEnd(reader, 'nameConstraints');
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

function readSubtrees(subtrees: DerElement | undefined): readonly DerElement[] {
  const elements = readAll(subtrees?.contents ?? new Uint8Array(), derTag.sequence, 'subtree');
  return elements.map(({ contents }) => {
    const reader = readerOf(contents);
    const base = readAny(reader, 'base of a subtree');
    // RFC 5280 §4.2.1.10: minimum is zero, which is not written, and there is no maximum.
    expectEnd(reader, 'subtree');
    return base;
  });
}

/**
 * Finds out whether a certificate has a name that an authority above it must not certify; returns what is wrong, or undefined.
 * `isLeaf`: a host name would be taken from its CN if it has no DNS-ID, so the constraints hold for that CN too.
 *
 * @throws {TransportSecurityError} `certificate-malformed`
 */
export function findForbiddenName(
  certificate: Certificate,
  { permitted, excluded }: NameConstraints,
  isLeaf: boolean,
): string | undefined {
  const names = readConstrainedNames(certificate, isLeaf);
  if (names.length * (permitted.length + excluded.length) > comparisonsMax) {
    return 'more names and name constraints than can be compared';
  }
  for (const name of names) {
    const sameForm = permitted.filter(({ tag }) => tag === name.tag);
    if (sameForm.length > 0 && !sameForm.some((base) => relate(name, base) === 'inside')) {
      return `${show(name)} is outside of what its issuers may certify`;
    }
    if (excluded.some((base) => base.tag === name.tag && relate(name, base) !== 'outside')) {
      return `${show(name)} is within what its issuers must not certify`;
    }
  }
  return undefined;
}

/**
 * RFC 5280 §6.1.3 (b): the subject, unless it is empty, and every alternative name. Mail addresses in the subject are left
 * alone: they identify no server.
 */
function readConstrainedNames(certificate: Certificate, isLeaf: boolean): readonly DerElement[] {
  const { subject } = certificate;
  const alternatives = readAlternativeNames(certificate);
  const usesCommonName = isLeaf && !alternatives.some(({ tag }) => tag === generalNameTag.dns);
  return [
    ...(readRelativeNames(subject).length === 0 ? [] : [nameOf('directory', subject)]),
    ...alternatives,
    ...(usesCommonName ? readPresentedNames(certificate).map((name) => nameOf('dns', name)) : []),
  ];
}

function nameOf(form: keyof typeof generalNameTag, value: Uint8Array | string): DerElement {
  const contents = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return { tag: generalNameTag[form], contents, octets: contents };
}

/** Where a name stands to a subtree of its own form; `unclear` counts as not permitted and as excluded. */
type Relation = 'inside' | 'outside' | 'unclear';

function relate(name: DerElement, base: DerElement): Relation {
  switch (name.tag) {
    case generalNameTag.dns:
      return relateDnsName(decodeText(name), decodeText(base));
    case generalNameTag.address:
      return relateAddress(name.contents, base.contents);
    case generalNameTag.directory:
      return relateDirectoryName(name.contents, base.contents);
    default:
      return 'unclear';
  }
}

function relateDnsName(name: string, base: string): Relation {
  // A leading dot is not in RFC 5280 and is in use: names below the base, not the base itself.
  const suffix = base === '' || base.startsWith('.') ? base : `.${base}`;
  if (name.endsWith(suffix) || name === base) {
    return 'inside';
  }
  // `*.example.com` also stands for `mail.example.com`, which may be the one that is excluded.
  return name.startsWith('*.') && isNameOf(name, base) ? 'unclear' : 'outside';
}

/** The base is an address and a mask of its length. */
function relateAddress(address: Uint8Array, base: Uint8Array): Relation {
  const { length } = address;
  if (base.length !== 8 && base.length !== 32) {
    throw malformed('an address constraint that is no address and mask');
  }
  if (base.length !== 2 * length) {
    return 'outside';
  }
  const differs = address.some(
    (octet, at) => ((octet ^ (base[at] ?? 0)) & (base[length + at] ?? 0)) !== 0,
  );
  return differs ? 'outside' : 'inside';
}

/**
 * Compared octet by octet. RFC 5280 §7.1 also takes names for equal that differ in case, white space or string type, so
 * being different octets proves nothing.
 */
function relateDirectoryName(name: Uint8Array, base: Uint8Array): Relation {
  const parts = readRelativeNames(name);
  const isPrefix = readRelativeNames(base).every(({ octets }, index) => {
    const part = parts[index];
    return part !== undefined && Buffer.compare(part.octets, octets) === 0;
  });
  return isPrefix ? 'inside' : 'unclear';
}

function show({ tag, contents }: DerElement): string {
  return tag === generalNameTag.dns
    ? JSON.stringify(Buffer.from(contents).toString('latin1').slice(0, 80))
    : 'a name';
}
