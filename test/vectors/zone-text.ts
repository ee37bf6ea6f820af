/** Reads records as RFCs print them (RFC 1035 §5.1), for vectors and for recorded conversations. */
import { readFileSync } from 'node:fs';
import type { SignedAnswer, WireRecord } from '../../bin/world/dnssec-answers.ts';
import {
  concat,
  encodeBitmap,
  encodeName,
  encodeRdata,
  u8,
  u16,
  u32,
} from '../../bin/world/dnssec-wire.ts';
import { parseType } from '../../functions/protocol/dns/record-type.ts';

/** The text of a vector file beside this one. */
export function readVector(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8');
}

/** The records of a zone file. A record without an owner or a TTL has those of the one before. */
export function parseZoneText(text: string): readonly WireRecord[] {
  let name = '';
  let ttlSeconds = 0;
  return splitRecords(text).map(({ tokens, owned }) => {
    const rest = [...tokens];
    if (owned) {
      name = absolute(rest.shift() ?? '');
    }
    while (/^\d+$/.test(rest[0] ?? '') || rest[0] === 'IN') {
      const token = rest.shift();
      ttlSeconds = token === 'IN' ? ttlSeconds : Number(token);
    }
    const type = typeNumber(rest.shift() ?? '');
    return { name, type, ttlSeconds, rdata: parseRdata(type, rest) };
  });
}

/** One of a file of responses: a section of an RFC with its question and what it says. */
export interface PrintedResponse {
  readonly title: string;
  readonly question: { readonly name: string; readonly type: number };
  readonly answer: SignedAnswer;
}

/** Reads responses in the form of RFC 4035 Appendix B. */
export function parseResponses(text: string): readonly PrintedResponse[] {
  return text
    .split(/^;; (?=B\.)/m)
    .slice(1)
    .map((part) => {
      const section = (name: string): string =>
        new RegExp(
          `^;; ${name}$([^]*?)(?=^;; (?:Question|Answer|Authority|Additional)$|$(?![^]))`,
          'm',
        )
          .exec(part)?.[1]
          ?.replace(/^;;.*$/gm, '') ?? '';
      const [name = '', , type = ''] = section('Question').trim().split(/\s+/);
      return {
        title: part.split('\n', 1)[0] ?? '',
        question: { name: absolute(name), type: typeNumber(type) },
        answer: {
          rcode: Number(/RCODE=(\d)/.exec(part)?.[1]),
          answers: parseZoneText(section('Answer')),
          authorities: parseZoneText(section('Authority')),
        },
      };
    });
}

function splitRecords(
  text: string,
): readonly { readonly tokens: readonly string[]; readonly owned: boolean }[] {
  const records: { tokens: string[]; owned: boolean }[] = [];
  let depth = 0;
  for (const line of text.split('\n')) {
    const tokens = line.replace(/;.*/, '').match(/"[^"]*"|[()]|[^\s()]+/g) ?? [];
    if (depth === 0 && tokens.length > 0) {
      records.push({ tokens: [], owned: /^\S/.test(line) });
    }
    for (const token of tokens) {
      depth += token === '(' ? 1 : token === ')' ? -1 : 0;
      if (token !== '(' && token !== ')') {
        records.at(-1)?.tokens.push(token);
      }
    }
  }
  return records;
}

function absolute(text: string): string {
  return text.replace(/\.$/, '');
}

function typeNumber(text: string): number {
  const others: Readonly<Record<string, number>> = { HINFO: 13, NULL: 10 };
  const type = parseType(text) ?? others[text];
  if (type === undefined) {
    throw new RangeError(`no type: ${text}`);
  }
  return type;
}

const numbers = (fields: readonly string[]): readonly number[] => fields.map(Number);
const hex = (fields: readonly string[]): Uint8Array => Buffer.from(fields.join(''), 'hex');
const base64 = (fields: readonly string[]): Uint8Array => Buffer.from(fields.join(''), 'base64');
const types = (fields: readonly string[]): Uint8Array => encodeBitmap(fields.map(typeNumber));

function parseRdata(type: number, fields: readonly string[]): Uint8Array {
  const [first = '', second = '', , fourth = '', fifth = ''] = fields;
  const [one = 0, two = 0, three = 0, four = 0] = numbers(fields);
  switch (type) {
    case 1:
      return encodeRdata({ name: '', type: 'A', data: first });
    case 28:
      return encodeRdata({ name: '', type: 'AAAA', data: first });
    case 2:
    case 5:
    case 12:
    case 39:
      return encodeName(absolute(first));
    case 6:
      return concat(
        encodeName(absolute(first)),
        encodeName(absolute(second)),
        ...numbers(fields.slice(2)).map(u32),
      );
    case 13:
    case 16:
      return concat(
        ...fields.map((field) => {
          const octets = Buffer.from(field.replace(/^"|"$/g, ''), 'latin1');
          return concat(u8(octets.length), octets);
        }),
      );
    case 15:
      return concat(u16(one), encodeName(absolute(second)));
    case 33:
      return concat(u16(one), u16(two), u16(three), encodeName(absolute(fourth)));
    case 43:
      return concat(u16(one), u8(two), u8(three), hex(fields.slice(3)));
    case 46:
      return concat(
        u16(typeNumber(first)),
        u8(two),
        u8(three),
        u32(four),
        u32(parseTime(fifth)),
        u32(parseTime(fields[5] ?? '')),
        u16(Number(fields[6])),
        encodeName(absolute(fields[7] ?? '')),
        base64(fields.slice(8)),
      );
    case 47:
      return concat(encodeName(absolute(first)), types(fields.slice(1)));
    case 48:
      return concat(u16(one), u8(two), u8(three), base64(fields.slice(3)));
    case 50:
      return concat(
        parseNsec3Param(fields),
        u8(20),
        decodeBase32Hex(fifth),
        types(fields.slice(5)),
      );
    case 51:
      return parseNsec3Param(fields);
    default:
      throw new RangeError(`type ${type} is not read`);
  }
}

function parseNsec3Param([algorithm, flags, iterations, salt = '']: readonly string[]): Uint8Array {
  const octets = salt === '-' ? new Uint8Array(0) : hex([salt]);
  return concat(
    u8(Number(algorithm)),
    u8(Number(flags)),
    u16(Number(iterations)),
    u8(octets.length),
    octets,
  );
}

/** Seconds, or YYYYMMDDHHmmSS (RFC 4034 §3.2). */
export function parseTime(text: string): number {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text) ?? [];
  if (parts.length === 0) {
    return Number(text);
  }
  const [year = 0, month = 1, day, hour, minute, second] = parts.map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1_000;
}

export function decodeBase32Hex(text: string): Uint8Array {
  const bits = Array.from(text.toLowerCase(), (char) =>
    Number.parseInt(char, 32).toString(2).padStart(5, '0'),
  ).join('');
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (eight) => Number.parseInt(eight, 2));
}
