/**
 * The names that a certificate presents, and whether a host has one of them.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5280.html#section-4.2.1.6 RFC 5280 §4.2.1.6} (subjectAltName)
 * @see {@link https://www.rfc-editor.org/rfc/rfc6125.html#section-6.4 RFC 6125 §6.4} (matching)
 */
import type { Certificate } from './certificate.ts';
import {
  atEnd,
  contextTag,
  type DerElement,
  decodeObjectIdentifier,
  derTag,
  expectEnd,
  malformed,
  readAll,
  readAny,
  readElement,
  readerOf,
  readOnly,
} from './der.ts';
import { extensionId } from './extensions.ts';

/** The tags of GeneralName (RFC 5280 §4.2.1.6) that are told apart. */
export const generalNameTag: Readonly<Record<'dns' | 'directory' | 'address', number>> = {
  dns: contextTag(2, 'primitive'),
  directory: contextTag(4, 'constructed'),
  address: contextTag(7, 'primitive'),
};

const commonNameId = '2.5.4.3';

/** The string types whose octets are those of ASCII where the text is ASCII. No other holds a name that could match. */
const asciiCompatible: ReadonlySet<number> = new Set([
  derTag.utf8String,
  derTag.printableString,
  derTag.ia5String,
]);

/** A DNS name, or `*.` and one: lower-case, the wildcard a whole label and the left-most (RFC 7672 §3.2.3). */
const presentedName =
  /^(?=.{1,253}$)(?:\*\.)?(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/;

/** Reads subjectAltName; absent: no names. @throws {TransportSecurityError} `certificate-malformed` */
export function readAlternativeNames(certificate: Certificate): readonly DerElement[] {
  const value = certificate.extensions.get(extensionId.subjectAltName)?.value;
  if (value === undefined) {
    return [];
  }
  const reader = readerOf(readOnly(value, derTag.sequence, 'subjectAltName').contents);
  const names: DerElement[] = [];
  while (!atEnd(reader)) {
    names.push(readAny(reader, 'subjectAltName'));
  }
  return names;
}

/**
 * Reads the names by which a certificate's holder may be known: its DNS-IDs or, only where it has none, its CN-IDs (RFC
 * 7672 §3.2.3). Lower case. What is no DNS name and no whole-label wildcard is left out, and its presence counts.
 *
 * @throws {TransportSecurityError} `certificate-malformed`
 * @example
 * readPresentedNames(certificate); // ['mx1.example.com', '*.example.net']
 */
export function readPresentedNames(certificate: Certificate): readonly string[] {
  const dnsIds = readAlternativeNames(certificate).filter(({ tag }) => tag === generalNameTag.dns);
  const names = dnsIds.length > 0 ? dnsIds : readCommonNames(certificate);
  return names.map(decodeText).filter((name) => presentedName.test(name));
}

/** Decodes ASCII in lower case; other octets come as characters that no DNS name has. */
export function decodeText({ contents }: DerElement): string {
  return Buffer.from(contents)
    .toString('latin1')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function readCommonNames(certificate: Certificate): readonly DerElement[] {
  const values: DerElement[] = [];
  for (const relativeName of readRelativeNames(certificate.subject)) {
    for (const { contents } of readAll(relativeName.contents, derTag.sequence, 'subject')) {
      const reader = readerOf(contents);
      const id = decodeObjectIdentifier(readElement(reader, derTag.objectIdentifier, 'subject'));
      const value = readAny(reader, 'subject');
      expectEnd(reader, 'subject');
      if (id === commonNameId && asciiCompatible.has(value.tag)) {
        values.push(value);
      }
    }
  }
  return values;
}

/** The relative distinguished names of a Name in DER, from the root down. @throws {TransportSecurityError} `certificate-malformed` */
export function readRelativeNames(name: Uint8Array): readonly DerElement[] {
  const { contents } = readOnly(name, derTag.sequence, 'name');
  const relativeNames = readAll(contents, derTag.set, 'name');
  if (relativeNames.some((relativeName) => relativeName.contents.length === 0)) {
    throw malformed('an empty part of a name');
  }
  return relativeNames;
}

/**
 * Reports whether a presented name is that of a host. Both are lower-case A-labels without a trailing dot.
 *
 * A wildcard stands for exactly one label, the left-most one, and the others are compared verbatim (RFC 7672 §3.2.3).
 *
 * @example
 * isNameOf('*.example.com', 'mx1.example.com'); // true
 * isNameOf('*.example.com', 'a.mx1.example.com'); // false
 */
export function isNameOf(presented: string, host: string): boolean {
  if (!presented.startsWith('*.')) {
    return presented === host;
  }
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot + 1) === presented.slice(2);
}
