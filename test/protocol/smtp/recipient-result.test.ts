import { describe, expect, test } from 'vitest';
import {
  isIntermediate,
  isPositive,
  recipientRefusedBy,
  refusedBy,
} from '../../../functions/protocol/smtp/recipient-result.ts';

describe('reply codes (RFC 5321 §4.2.1)', () => {
  test.each([
    [250, true, false, 'completed'],
    [251, true, false, 'will forward'],
    [252, true, false, 'will try'],
    [299, true, false, 'unknown, but 2yz'],
    [354, false, true, 'go on'],
    [399, false, true, 'unknown, but 3yz'],
    [450, false, false, 'not now'],
    [550, false, false, 'no'],
  ])('%i', (code, positive, intermediate, _why) => {
    expect([isPositive({ code }), isIntermediate({ code })]).toEqual([positive, intermediate]);
  });

  test.each([
    [421, 'deferred', 'deferred-by-peer'],
    [450, 'deferred', 'deferred-by-peer'],
    [499, 'deferred', 'deferred-by-peer'],
    [500, 'failed', 'rejected'],
    [550, 'failed', 'rejected'],
    [599, 'failed', 'rejected'],
  ])('%i is %s', (code, outcome, failureCode) => {
    const reply = { code, lines: ['text'] };
    expect(refusedBy(reply, 'MAIL')).toEqual({
      outcome,
      code: failureCode,
      reason: `MAIL answered by ${code} text`,
      reply,
    });
  });

  test.each<[number, string | undefined, string, string]>([
    [552, undefined, 'deferred', 'too many recipients, to be read as 452 (RFC 5321 §4.5.3.1.10)'],
    [552, '5.5.3', 'deferred', 'too many recipients, said plainly'],
    [552, '5.2.2', 'failed', 'a full mailbox'],
    [550, undefined, 'failed', 'any other refusal'],
    [452, '4.5.3', 'deferred', 'the right code'],
  ])('RCPT answered by %i %s is %s: %s', (code, enhanced, outcome) => {
    const reply = { code, lines: [''], ...(enhanced === undefined ? {} : { enhanced }) };
    expect(recipientRefusedBy(reply)).toMatchObject({ outcome, reply });
  });
});
