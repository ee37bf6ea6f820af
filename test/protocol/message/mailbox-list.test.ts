import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressDomains } from '../../../functions/protocol/message/mailbox-list.ts';

test.each([
  ['John Doe <jdoe@machine.example>', ['machine.example'], 'RFC 5322 A.1.1'],
  ['"Joe Q. Public" <john.q.public@example.com>', ['example.com'], 'A.1.2'],
  [
    'Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>',
    ['x.test', 'example.org', 'y.test'],
    'A.1.2',
  ],
  ['A Group:Ed Jones <joe@where.test>,John <jdoe@one.test>;', ['where.test', 'one.test'], 'A.1.3'],
  ['Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>', ['silly.test'], 'A.5'],
  ['Undisclosed recipients:;', [], 'RFC 6854: an empty group'],
  ['jdoe@test  . example', ['test.example'], 'A.6.3: obsolete white space'],
  ['<@hop.example,@b.example:joe@where.test>', ['where.test'], 'A.6.1: an obsolete route'],
  ['"victim@bank.example" <eve@x.example>', ['x.example'], 'a name that looks like an address'],
  ['bank@bank.example <eve@x.example>', ['x.example'], 'and without quotes'],
  ['"a\\"@b" <c@d.example>', ['d.example'], 'RFC 5322 §3.2.1: a quoted pair'],
  ['"a, b"@x.example', ['x.example'], 'a quoted local part'],
  ['(a@b.example) c@d.example', ['d.example'], 'a comment is no address'],
  ['((a)b@c.example) d@e.example', ['e.example'], 'comments within comments'],
  ['a@x.example, b@x.example', ['x.example'], 'each once'],
  ['alice', [], 'no domain'],
  ['@x.example', [], 'no local part'],
  ['a@', [], 'an empty domain'],
  ['', [], 'nothing'],
  ['<a@x.example', ['x.example'], 'a bracket that stays open'],
])('%j: %j (%s)', (value, domains, _why) => {
  expect(addressDomains(value)).toEqual(domains);
});

test('any text: no error, and domains without separators', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '@', '<', '>', '"', '(', ')', ',', ';', ':', '\\', ' '),
  });
  fc.assert(
    fc.property(text, (value) => {
      expect(addressDomains(value).every((domain) => !/[ ,"()]/.test(domain))).toBe(true);
    }),
  );
});

test.each(['(', '<', '"', 'a@b,', '\\', '(a'])('linear time over 256 KB of %j', (unit) => {
  const startedAtMs = performance.now();
  addressDomains(unit.repeat(Math.ceil(262_144 / unit.length)));
  expect(performance.now() - startedAtMs).toBeLessThan(3_000);
});
