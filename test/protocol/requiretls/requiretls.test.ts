import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readHeaderFields } from '../../../functions/protocol/message/header.ts';
import { readAddressTag } from '../../../functions/protocol/requiretls/address-tag.ts';
import { asksForTlsOptional } from '../../../functions/protocol/requiretls/tls-required-field.ts';

describe('TLS-Required (RFC 8689 §3)', () => {
  test.each([
    ['TLS-Required: No', true, 'the form of RFC 8689'],
    ['TLS-Required:No', true, 'FWS is optional'],
    ['tls-required: NO', true, 'names and literals are compared without case'],
    ['TLS-Required:\r\n No', true, 'FWS may fold'],
    ['TLS-Required: No\r\nTLS-Required: No', false, 'more than one MUST NOT appear: no say'],
    ['TLS-Required: Yes', false, 'no such parameter'],
    ['TLS-Required: No, really', false, 'trailing text'],
    ['TLS-Required:', false, 'the parameter is REQUIRED'],
    ['X-TLS-Required: No', false, 'another field'],
    ['Subject: TLS-Required: No', false, 'text of another field'],
  ])('%j: %s (%s)', (header, expected) => {
    expect(asksForTlsOptional(readHeaderFields(Buffer.from(`${header}\r\n\r\n`)))).toBe(expected);
  });

  test('the body has no say', () => {
    const fields = readHeaderFields(Buffer.from('Subject: x\r\n\r\nTLS-Required: No\r\n'));
    expect(asksForTlsOptional(fields)).toBe(false);
  });
});

describe('the address tag', () => {
  test.each([
    ['arvel+requiretls@mdaemon.com', 'arvel@mdaemon.com', 'the form of the product page'],
    ['arvel+RequireTLS@mdaemon.com', 'arvel@mdaemon.com', 'case-insensitive'],
    ['a+b+requiretls@x.example', 'a+b@x.example', "the recipient's own sub-address stays"],
    ['a+requiretls+requiretls@x.example', 'a+requiretls@x.example', 'one tag is taken off'],
    ['a+requiretls+b@x.example', undefined, 'only the last tag counts'],
    ['requiretls@x.example', undefined, 'no tag'],
    ['+requiretls@x.example', undefined, 'nothing would be left'],
    ['a-requiretls@x.example', undefined, 'another separator'],
    ['a@requiretls.example', undefined, 'in the domain'],
    ['"a+requiretls"@x.example', undefined, 'quoted text'],
  ])('%s: %s (%s)', (given, untagged, _why) => {
    expect(readAddressTag(given)).toEqual({
      tagged: untagged !== undefined,
      address: untagged ?? given,
    });
  });

  test('what is tagged and untagged again is what it was', () => {
    fc.assert(
      fc.property(fc.emailAddress(), (address) => {
        const at = address.lastIndexOf('@');
        const tagged = `${address.slice(0, at)}+requiretls${address.slice(at)}`;
        expect(readAddressTag(tagged)).toEqual({ tagged: true, address });
      }),
    );
  });
});
