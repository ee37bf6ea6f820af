/**
 * DKIM signatures: relaxed/relaxed, over the whole body (no `l=`, RFC 6376 §8.2), with RSA or Ed25519.
 *
 * What is signed must be what goes out, octet by octet but for white space: nothing may be changed behind the signature
 * other than fields put in front of it.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6376.html#section-3 RFC 6376 §3 and §5}
 * @see {@link https://www.rfc-editor.org/rfc/rfc8463.html RFC 8463}
 * @see {@link https://www.rfc-editor.org/rfc/rfc8301.html RFC 8301}
 */
import { createHash, type KeyObject, sign } from 'node:crypto';
import {
  fieldsNamed,
  formatField,
  type MessageParts,
  type RawField,
} from '../message/message-parts.ts';
import { createBodyHash, relaxField } from './relaxed.ts';
import { oversignedFields, signedFields } from './signed-fields.ts';

/** A key and where its public half is: at `<selector>._domainkey.<domain>`. */
export interface DkimKey {
  /** Lower-case A-labels; d= of the signature. */
  readonly domain: string;
  readonly selector: string;
  /** RSA of 1024 bits at least, or Ed25519 (see {@link keyFault}). */
  readonly privateKey: KeyObject;
}

export interface SignOptions {
  /** Epoch milliseconds; t= of the signature. */
  readonly nowMs: number;
  /** Names of fields to sign beside the usual ones. */
  readonly also?: readonly string[];
  /** Names of fields to leave out of the usual ones, such as those that a later system replaces. Never From. */
  readonly except?: readonly string[];
}

/** Chars in a line of base64; the line with its fold stays below the 78 of RFC 5322 §2.1.1. */
const foldChars = 72;

/**
 * Signs a message with each key: the DKIM-Signature fields, in the order of the keys. The body is hashed once.
 *
 * RSA and Ed25519 signatures are deterministic: the same message, keys and time give the same fields.
 *
 * @throws {TypeError} a message without From, or a key of another kind (bugs of the caller's).
 */
export function signMessage(
  message: MessageParts,
  keys: readonly DkimKey[],
  options: SignOptions,
): readonly RawField[] {
  const covered = coverFields(message.fields, options);
  const bodyHash = createBodyHash();
  bodyHash.update(message.body);
  const bh = bodyHash.finish().toString('base64');
  return keys.map((key) => {
    const head = [
      `v=1; a=${algorithmOf(key.privateKey)}; c=relaxed/relaxed;`,
      `d=${key.domain};`,
      `s=${key.selector}; t=${Math.floor(options.nowMs / 1_000)};`,
      ...foldNames(covered.names),
      `bh=${bh};`,
    ];
    // RFC 6376 §3.7: the field itself is signed last, with an empty b= and without its CRLF.
    const unsigned = relaxField(formatField(fieldName, ...head, 'b=').raw).slice(0, -2);
    const b = createSignature(covered.canonical + unsigned, key.privateKey).toString('base64');
    return formatField(fieldName, ...head, ...fold(`b=${b}`));
  });
}

/** Why a key cannot sign; undefined for one that can. */
export function keyFault(key: KeyObject): string | undefined {
  if (key.type !== 'private') {
    return 'not a private key';
  }
  if (key.asymmetricKeyType === 'ed25519') {
    return undefined;
  }
  if (key.asymmetricKeyType !== 'rsa') {
    return `a key of type ${key.asymmetricKeyType}: RSA and Ed25519 sign mail (RFC 6376 §3.3, RFC 8463 §3)`;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  // RFC 8301 §3.2: signers MUST use 1024 bits at least; verifiers take up to 4096.
  return bits < 1_024 || bits > 4_096
    ? `an RSA key of ${bits} bits: 2048 are the rule, 1024 to 4096 are taken (RFC 8301 §3.2)`
    : undefined;
}

const fieldName = 'DKIM-Signature';

function algorithmOf({ asymmetricKeyType }: KeyObject): 'rsa-sha256' | 'ed25519-sha256' {
  switch (asymmetricKeyType) {
    case 'rsa':
      return 'rsa-sha256';
    case 'ed25519':
      return 'ed25519-sha256';
    default:
      throw new TypeError(`a DKIM key of type ${asymmetricKeyType}`);
  }
}

/** RFC 8463 §3: Ed25519 signs the hash of what RSA would sign. */
function createSignature(canonical: string, key: KeyObject): Buffer {
  const octets = Buffer.from(canonical, 'latin1');
  return key.asymmetricKeyType === 'rsa'
    ? sign('sha256', octets, key)
    : sign(null, createHash('sha256').update(octets).digest(), key);
}

interface CoveredFields {
  /** h=, in order. */
  readonly names: readonly string[];
  /** The fields in relaxed form, in that order. */
  readonly canonical: string;
}

function coverFields(fields: readonly RawField[], options: SignOptions): CoveredFields {
  const { also = [], except = [] } = options;
  const left = new Set(except.map((name) => name.toLowerCase()));
  const oversigned = new Set(oversignedFields.map((name) => name.toLowerCase()));
  const names: string[] = [];
  let canonical = '';
  for (const name of new Set([...signedFields, ...also].map((each) => each.toLowerCase()))) {
    // RFC 6376 §5.4.2: a name that occurs n times stands for its last n fields, from the bottom up.
    const present = fieldsNamed(fields, name).toReversed();
    if (name === 'from' && present.length === 0) {
      throw new TypeError('RFC 6376 §5.4: From is signed always, and this message has none');
    }
    if (name !== 'from' && left.has(name)) {
      continue;
    }
    canonical += present.map(({ raw }) => relaxField(raw)).join('');
    names.push(...present.map(() => name));
    if (oversigned.has(name)) {
      names.push(name);
    }
  }
  return { names, canonical };
}

/** RFC 6376 §3.5: white space may stand around the colons of h=. */
function foldNames(names: readonly string[]): string[] {
  const lines: string[] = [];
  let line = 'h=';
  for (const [index, name] of names.entries()) {
    const item = `${name}${index === names.length - 1 ? ';' : ':'}`;
    if (line.length + item.length > foldChars) {
      lines.push(line);
      line = '';
    }
    line += item;
  }
  return [...lines, line];
}

/** RFC 6376 §3.5: white space within b= is ignored. */
function fold(text: string): string[] {
  const lines: string[] = [];
  for (let start = 0; start < text.length; start += foldChars) {
    lines.push(text.slice(start, start + foldChars));
  }
  return lines;
}
