/** `_smtp._tls` records: the RFC's examples first, then what its grammar allows and forbids. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransportSecurityError } from '../../../functions/protocol/errors.ts';
import {
  normalizeDestination,
  parseTlsrptRecord,
  selectTlsrptRecord,
  tlsrptRecordName,
} from '../../../functions/protocol/tlsrpt/record.ts';

const uris = (text: string): string[] => parseTlsrptRecord(text).destinations.map(({ uri }) => uri);

test('the record of example.com is at _smtp._tls.example.com (RFC 8460 §3)', () => {
  expect(tlsrptRecordName('example.com')).toBe('_smtp._tls.example.com');
});

describe('records that ask for reports', () => {
  test.each<[string, string[], string]>([
    [
      'v=TLSRPTv1;rua=mailto:reports@example.com',
      ['mailto:reports@example.com'],
      'RFC 8460 §3.1.1',
    ],
    [
      'v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt',
      ['https://reporting.example.com/v1/tlsrpt'],
      'RFC 8460 §3.1.2',
    ],
    [
      'v=TLSRPTv1; rua=mailto:a@example.com,https://example.com/x',
      ['mailto:a@example.com', 'https://example.com/x'],
      'a list',
    ],
    [
      'v=TLSRPTv1 \t;\t rua=mailto:a@example.com \t,\t mailto:b@example.com ; ',
      ['mailto:a@example.com', 'mailto:b@example.com'],
      'white space around every delimiter, and one that ends the record',
    ],
    [
      'v=TLSRPTv1; ext=1; rua=mailto:a@example.com; more.ext_-1=x:y',
      ['mailto:a@example.com'],
      'unknown fields on either side (a reader in use wants rua second)',
    ],
    [
      'v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com',
      ['mailto:a@example.com'],
      'of two rua the first counts',
    ],
    [
      'v=TLSRPTv1; rua=mailto:a@example.com,ftp://example.com/,b@example.com',
      ['mailto:a@example.com'],
      'a malformed destination loses itself only (a reader in use crashed on one without mailto:)',
    ],
    [
      'v=TLSRPTv1; rua=mailto:a@example.com,mailto:a@example.com',
      ['mailto:a@example.com'],
      'the same twice is sent to once',
    ],
    [
      'v=TLSRPTv1; rua=MAILTO:a@example.com',
      ['MAILTO:a@example.com'],
      'schemes have no case (RFC 3986 §3.1)',
    ],
    [
      'v=TLSRPTv1; rua=https://example.com/a%2Cb%3Bc%21?q=1',
      ['https://example.com/a%2Cb%3Bc%21?q=1'],
      'commas, semicolons and exclamation points as the RFC wants them',
    ],
  ])('%s', (text, expected, _reason) => {
    expect(uris(text)).toEqual(expected);
  });

  test.each<[string, string, string]>([
    ['mailto:reports%2Ctls@example.com', 'refused', 'a comma is no atext'],
    ['mailto:a%2Bb@example.com', 'a+b@example.com', 'percent-encoding is undone (RFC 6068 §2)'],
    ['mailto:a@example.com?subject=x', 'a@example.com', 'header fields of the URI are not obeyed'],
  ])('%s is %s', (uri, address, _reason) => {
    const text = `v=TLSRPTv1; rua=mailto:z@example.com,${uri}`;
    const found = parseTlsrptRecord(text).destinations.map((each) =>
      each.scheme === 'mailto' ? each.address : '',
    );
    expect(found).toEqual(['z@example.com', ...(address === 'refused' ? [] : [address])]);
  });
});

describe('records that ask for nothing', () => {
  test.each<[string, string]>([
    ['', 'empty'],
    ['v=TLSRPTv1', 'no field'],
    ['v=TLSRPTv1;', 'no field'],
    ['v=tlsrptv1; rua=mailto:a@example.com', 'the version has its case'],
    ['v=TLSRPTv2; rua=mailto:a@example.com', 'another version'],
    [' v=TLSRPTv1; rua=mailto:a@example.com', 'white space before it'],
    ['v=TLSRPTv1; RUA=mailto:a@example.com', 'the name has its case; without it there is no rua'],
    ['v=TLSRPTv1; rua=', 'an empty rua'],
    ['v=TLSRPTv1; rua=http://example.com/', 'neither scheme'],
    ['v=TLSRPTv1; rua=https://user:pw@example.com/', 'credentials are never sent'],
    ['v=TLSRPTv1; rua=mailto:a@example.com!10m', 'an exclamation point must be encoded'],
    ['v=TLSRPTv1; rua=mailto:%zz@example.com', 'no percent-encoding'],
    ['v=TLSRPTv1; rua=mailto:a@[127.0.0.1]', 'an address literal'],
    ['v=TLSRPTv1; nonsense; rua=mailto:a@example.com', 'a part that is no field'],
    ['v=TLSRPTv1;; rua=mailto:a@example.com', 'an empty field'],
    ['v=TLSRPTv1; rua=mailto:a@example.com;;', 'two delimiters at the end'],
  ])('%j', (text, _reason) => {
    expect(() => parseTlsrptRecord(text)).toThrow(
      expect.objectContaining({ code: 'tlsrpt-invalid' }),
    );
    expect(selectTlsrptRecord([text]).kind).toBe('none');
  });
});

test.each<[string[], string | undefined, string]>([
  [[], undefined, 'none'],
  [
    ['v=spf1 -all', 'v=TLSRPTv1; rua=mailto:a@example.com'],
    'v=TLSRPTv1; rua=mailto:a@example.com',
    'records of other kinds are discarded',
  ],
  [
    ['v=TLSRPTv1; rua=mailto:a@example.com', 'v=TLSRPTv1; rua=mailto:b@example.com'],
    undefined,
    'two are as good as none',
  ],
])('among %j', (texts, expected, _reason) => {
  const selection = selectTlsrptRecord(texts);
  expect(selection.kind === 'record' ? selection.text : undefined).toBe(expected);
});

test.each([
  ['mailto:tls@example.com', 'mailto:tls@example.com', 'as it is'],
  ['MAILTO:a%62c@Example.COM?subject=x', 'mailto:abc@example.com', 'RFC 6068 §2'],
  ['mailto:TLS@example.com', 'mailto:TLS@example.com', 'local parts have their case'],
  [
    'mailto:a@b%C3%BCcher.example',
    'mailto:a@xn--bcher-kva.example',
    'as SES tells of it when a report comes back',
  ],
  ['HTTPS://Example.com:443/a%7E', 'https://example.com/a%7E', 'RFC 3986 §6.2'],
  ['ftp://example.com', 'ftp://example.com', 'no destination'],
])('%s is compared as %s: %s', (uri, normal, _reason) => {
  expect(normalizeDestination(uri)).toBe(normal);
});

test('any text gives a record with usable destinations, or tlsrpt-invalid', () => {
  const piece = fc.constantFrom(
    'v=TLSRPTv1',
    ';',
    'rua=',
    'mailto:',
    'a@b.example',
    ',',
    ' ',
    '\t',
    'https://',
    '%',
    'x=1',
    '!',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((parts) => `v=TLSRPTv1;${parts.join('')}`),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      try {
        const { destinations } = parseTlsrptRecord(candidate);
        expect(destinations.length).toBeGreaterThan(0);
        expect(destinations.length).toBeLessThanOrEqual(10);
      } catch (error) {
        expect(error).toBeInstanceOf(TransportSecurityError);
      }
    }),
  );
});
