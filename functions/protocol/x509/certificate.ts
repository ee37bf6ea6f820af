/**
 * X.509 certificates: the fields that `node:crypto` does not tell, or tells only as text.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5280.html#section-4.1 RFC 5280 §4.1}
 */
import {
  atEnd,
  contextTag,
  type DerElement,
  type DerReader,
  decodeBitString,
  decodeBoolean,
  decodeObjectIdentifier,
  decodeSmallInteger,
  derTag,
  expectEnd,
  malformed,
  readAll,
  readAny,
  readElement,
  readerOf,
  readOnly,
  readOptional,
} from './der.ts';

/** A certificate of this many octets or more is not looked at: no TLSA record could hold it either. */
const certificateOctetsMax = 65_535;

/** A certificate, as far as paths and names need it. The octets are views of `der`. */
export interface Certificate {
  readonly der: Uint8Array;
  /** 1 to 3; extensions come with 3. */
  readonly version: 1 | 2 | 3;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  /** A Name (RFC 5280 §4.1.2.4), DER. */
  readonly issuer: Uint8Array;
  /** A Name, DER. */
  readonly subject: Uint8Array;
  /** Epoch milliseconds; both ends belong to the period. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo, DER: what TLSA selector 1 is about. */
  readonly publicKeyInfo: Uint8Array;
  /** By object identifier. */
  readonly extensions: ReadonlyMap<string, Extension>;
}

/** RFC 5280 §4.1.1.2. */
export interface AlgorithmIdentifier {
  readonly algorithm: string;
  /** The element after the identifier, if any. */
  readonly parameters: DerElement | undefined;
}

/** RFC 5280 §4.2. `value` is DER that nobody has looked at yet. */
export interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Reads one DER certificate, with nothing behind it. @throws {TransportSecurityError} `certificate-malformed` */
export function readCertificate(der: Uint8Array): Certificate {
  const fields = readFields(der);
  const version = readVersion(fields.version);
  const [notBeforeMs, notAfterMs] = readValidity(fields.validity);
  return {
    der,
    version,
    signatureAlgorithm: readAlgorithmIdentifier(fields.signatureAlgorithm),
    issuer: fields.issuer.octets,
    subject: fields.subject.octets,
    notBeforeMs,
    notAfterMs,
    publicKeyInfo: fields.publicKeyInfo.octets,
    extensions: readTail(fields.tail, version),
  };
}

/**
 * Reads only the SubjectPublicKeyInfo of a DER certificate, so that a key can be matched whatever else is odd in the
 * certificate (RFC 7672 §3.1.1). @throws {TransportSecurityError} `certificate-malformed`
 */
export function readPublicKeyInfo(der: Uint8Array): Uint8Array {
  return readFields(der).publicKeyInfo.octets;
}

/**
 * Asserts that octets are one SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7). Whether there is a key in it is for
 * OpenSSL to say. @throws {TransportSecurityError} `certificate-malformed`
 */
export function expectPublicKeyInfo(der: Uint8Array): void {
  const reader = readerOf(readOnly(der, derTag.sequence, 'public key').contents);
  readAlgorithmIdentifier(readElement(reader, derTag.sequence, 'algorithm of the public key'));
  decodeBitString(readElement(reader, derTag.bitString, 'public key'));
  expectEnd(reader, 'public key');
}

/** Reads an AlgorithmIdentifier. @throws {TransportSecurityError} `certificate-malformed` */
export function readAlgorithmIdentifier(element: DerElement): AlgorithmIdentifier {
  const reader = readerOf(element.contents);
  const algorithm = decodeObjectIdentifier(
    readElement(reader, derTag.objectIdentifier, 'algorithm'),
  );
  const parameters = atEnd(reader) ? undefined : readAny(reader, 'algorithm parameters');
  expectEnd(reader, 'algorithm');
  return { algorithm, parameters };
}

interface Fields {
  readonly version: DerElement | undefined;
  readonly signatureAlgorithm: DerElement;
  readonly issuer: DerElement;
  readonly validity: DerElement;
  readonly subject: DerElement;
  readonly publicKeyInfo: DerElement;
  /** Unique identifiers and extensions. */
  readonly tail: DerReader;
}

function readFields(der: Uint8Array): Fields {
  if (der.length > certificateOctetsMax) {
    throw malformed(`a certificate over ${certificateOctetsMax} octets`);
  }
  const outer = readerOf(readOnly(der, derTag.sequence, 'certificate').contents);
  const tail = readerOf(readElement(outer, derTag.sequence, 'to-be-signed part').contents);
  readElement(outer, derTag.sequence, 'signature algorithm');
  readElement(outer, derTag.bitString, 'signature');
  expectEnd(outer, 'certificate');
  const version = readOptional(tail, contextTag(0, 'constructed'), 'version');
  readElement(tail, derTag.integer, 'serial number');
  // A signature is only accepted where this one and the outer one agree, which OpenSSL sees to.
  const signatureAlgorithm = readElement(tail, derTag.sequence, 'signature algorithm');
  const issuer = readElement(tail, derTag.sequence, 'issuer');
  const validity = readElement(tail, derTag.sequence, 'validity');
  const subject = readElement(tail, derTag.sequence, 'subject');
  const publicKeyInfo = readElement(tail, derTag.sequence, 'public key');
  return { version, signatureAlgorithm, issuer, validity, subject, publicKeyInfo, tail };
}

function readVersion(element: DerElement | undefined): 1 | 2 | 3 {
  if (element === undefined) {
    return 1;
  }
  switch (decodeSmallInteger(readOnly(element.contents, derTag.integer, 'version'))) {
    case 0:
      return 1;
    case 1:
      return 2;
    case 2:
      return 3;
    default:
      throw malformed('an unknown version of certificates');
  }
}

function readValidity(validity: DerElement): readonly [number, number] {
  const reader = readerOf(validity.contents);
  const notBeforeMs = decodeTime(readAny(reader, 'notBefore'));
  const notAfterMs = decodeTime(readAny(reader, 'notAfter'));
  expectEnd(reader, 'validity');
  return [notBeforeMs, notAfterMs];
}

/** RFC 5280 §4.1.2.5: to the second and in UTC; two digits of a year are 1950 to 2049. */
function decodeTime({ tag, contents }: DerElement): number {
  const text = Buffer.from(contents).toString('latin1');
  const digits = tag === derTag.utcTime ? 2 : 4;
  const known = tag === derTag.utcTime || tag === derTag.generalizedTime;
  const parts = new RegExp(`^(\\d{${digits}})(\\d\\d)(\\d\\d)(\\d\\d)(\\d\\d)(\\d\\d)Z$`).exec(
    text,
  );
  if (!known || parts === null) {
    throw malformed('a time that is not in UTC and to the second');
  }
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = parts
    .slice(1)
    .map(Number);
  const fullYear = digits === 4 ? year : year + (year < 50 ? 2000 : 1900);
  // Date.UTC takes years below 100 for those of the last century, and days that a month has not for the next one's.
  const time = new Date(0);
  time.setUTCFullYear(fullYear, month - 1, day);
  time.setUTCHours(hours, minutes, seconds);
  const isReal = time.getUTCMonth() === month - 1 && time.getUTCDate() === day;
  if (!isReal || hours > 23 || minutes > 59 || seconds > 59) {
    throw malformed('a time that does not exist');
  }
  return time.getTime();
}

function readTail(tail: DerReader, version: number): ReadonlyMap<string, Extension> {
  readOptional(tail, contextTag(1, 'primitive'), 'unique identifier of the issuer');
  readOptional(tail, contextTag(2, 'primitive'), 'unique identifier of the subject');
  const wrapped = readOptional(tail, contextTag(3, 'constructed'), 'extensions');
  expectEnd(tail, 'to-be-signed part');
  if (wrapped === undefined) {
    return new Map();
  }
  if (version !== 3) {
    throw malformed(`extensions in a certificate of version ${version}`);
  }
  return readExtensions(readOnly(wrapped.contents, derTag.sequence, 'extensions').contents);
}

function readExtensions(octets: Uint8Array): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>();
  for (const { contents } of readAll(octets, derTag.sequence, 'extension')) {
    const reader = readerOf(contents);
    const id = decodeObjectIdentifier(readElement(reader, derTag.objectIdentifier, 'extension'));
    // FALSE is the default and should be left out (X.690 §11.5); many issuers write it all the same.
    const critical = readOptional(reader, derTag.boolean, 'critical');
    const value = readElement(reader, derTag.octetString, 'value of an extension').contents;
    expectEnd(reader, 'extension');
    if (extensions.has(id)) {
      // RFC 5280 §4.2: two of a kind would let two readers see two certificates.
      throw malformed(`two extensions ${id}`);
    }
    extensions.set(id, { critical: critical !== undefined && decodeBoolean(critical), value });
  }
  return extensions;
}
