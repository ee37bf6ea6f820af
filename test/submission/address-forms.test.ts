import { expect, test } from 'vitest';
import { addressForms, addressPatternForms } from '../../functions/submission/address-forms.ts';

const nfd = 'bu\u0308cher';

test.each<[string, readonly string[], string]>([
  ['', [''], 'the null reverse-path'],
  ['Bob@X.example', ['Bob@X.example'], 'ASCII has one form'],
  ['a@bücher.example', ['a@bücher.example', 'a@xn--bcher-kva.example'], 'U-labels'],
  ['a@xn--bcher-kva.example', ['a@xn--bcher-kva.example', 'a@bücher.example'], 'A-labels'],
  [
    'a@XN--BCHER-KVA.Example',
    ['a@XN--BCHER-KVA.Example', 'a@bücher.example'],
    'A-labels in capitals',
  ],
  [
    'a@bücher.xn--p1ai',
    ['a@bücher.xn--p1ai', 'a@xn--bcher-kva.xn--p1ai', 'a@bücher.рф'],
    'both in one name',
  ],
  [`a@${nfd}.example`, ['a@bücher.example', 'a@xn--bcher-kva.example'], 'not in NFC'],
  ['jo\u0308rg@x.example', ['jörg@x.example'], 'a local part that is not in NFC'],
  [
    'a@ＢÜCHER.example',
    ['a@ＢÜCHER.example', 'a@xn--bcher-kva.example', 'a@bücher.example'],
    'what IDNA maps',
  ],
  ['"a@b"@bücher.example', ['"a@b"@bücher.example', '"a@b"@xn--bcher-kva.example'], 'two at signs'],
  ['a@-x-.example', ['a@-x-.example'], 'no host name'],
  ['a@xn--a.example', ['a@xn--a.example'], 'what only looks like an A-label'],
])('%j has the forms %j (%s)', (address, forms, _why) => {
  expect(addressForms(address)).toEqual(forms);
});

test.each<[string, readonly string[], string]>([
  ['*', ['*'], 'no domain'],
  ['*bücher.example', ['*bücher.example'], 'none that is told from a local part'],
  ['*@x.example', ['*@x.example'], 'ASCII'],
  ['*@bücher.example', ['*@bücher.example', '*@xn--bcher-kva.example'], 'U-labels'],
  [
    '*@*.bücher.xn--p1ai',
    ['*@*.bücher.xn--p1ai', '*@*.xn--bcher-kva.xn--p1ai', '*@*.bücher.рф'],
    'both in one pattern',
  ],
  ['*@b?cher.рф', ['*@b?cher.рф', '*@b?cher.xn--p1ai'], 'a wildcard in a label'],
  [`*@${nfd}.example`, ['*@bücher.example', '*@xn--bcher-kva.example'], 'not in NFC'],
])('the pattern %j has the forms %j (%s)', (pattern, forms, _why) => {
  expect(addressPatternForms(pattern)).toEqual(forms);
});
