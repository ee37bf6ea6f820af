import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBase64 } from '../../functions/protocol/base64.ts';

test.each([
  ['', '', 'nothing'],
  ['Zm9vYmFy', 'foobar', 'RFC 4648 §10'],
  ['Zm9vYmE=', 'fooba', 'RFC 4648 §10, one padding'],
  ['Zm9vYg==', 'foob', 'RFC 4648 §10, two'],
  ['Zm9vYg', undefined, 'no padding'],
  ['Zm9vYh==', undefined, 'bits behind the end (§3.5)'],
  ['Zm9v\r\nYmFy', undefined, 'a line end (§3.1)'],
  ['Zm9v YmFy', undefined, 'a space'],
  ['Zm9v-_==', undefined, 'the other alphabet (§5)'],
  ['Zm9vYg==Zm9v', undefined, 'something behind the padding'],
])('%j: %j (%s)', (text, decoded, _why) => {
  expect(decodeBase64(text)?.toString()).toBe(decoded);
});

test('only what encoding gives is decoded, whatever is done to it', () => {
  const edit = fc.record({
    at: fc.nat(),
    removed: fc.nat(5),
    put: fc.string({
      unit: fc.constantFrom(...'AZaz09+/=-_ \r\n\0\u0141\u00c1\u{1f600}'),
      maxLength: 5,
    }),
  });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.array(edit, { maxLength: 3 }),
      (octets, edits) => {
        const text = edits.reduce((before, { at, removed, put }) => {
          const place = at % (before.length + 1);
          return before.slice(0, place) + put + before.slice(place + removed);
        }, Buffer.from(octets).toString('base64'));
        const decoded = Buffer.from(text, 'base64');
        const isStrict = decoded.toString('base64') === text;
        expect(decodeBase64(text)).toEqual(isStrict ? decoded : undefined);
      },
    ),
    { numRuns: 2_000 },
  );
});
