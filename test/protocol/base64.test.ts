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
