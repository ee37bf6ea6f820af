import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readGreylisting } from '../../../functions/protocol/smtp/greylisting.ts';

describe('a reply', () => {
  test.each<[number, string | undefined, string, number | 'unannounced' | 'none', string]>([
    [450, '4.2.0', '<b@y.test>: Recipient address rejected: Greylisted', 'unannounced', 'postgrey'],
    [451, '4.7.1', 'Greylisting in action, please come back in 00:04:58', 298, 'by the clock'],
    [451, '4.7.1', 'Greylisted for 5 minutes', 300, 'sqlgrey'],
    [450, undefined, 'Greylisted, please try again in 180 seconds', 180, 'no enhanced status'],
    [451, '4.7.1', 'Please try again later', 'unannounced', 'not named, by status and text'],
    [450, '4.2.0', 'Try again after 10 mins', 600, 'not named, announced'],
    [451, undefined, 'grey-listed', 'unannounced', 'with a hyphen'],
    [451, undefined, 'GRAYLISTED; retry in 2m', 120, 'American, short'],
    [451, '4.7.1', 'Greylisted, wait at least 300 s', 300, 'at least'],
    [451, '4.7.1', 'Greylisted, try again in 30 seconds', 'unannounced', 'under a minute'],
    [451, '4.7.1', 'Greylisted, try again in 60 minutes', 3_600, 'an hour is the most'],
    [451, '4.7.1', 'Greylisted, try again in 61 minutes', 'unannounced', 'longer than an hour'],
    [451, '4.7.1', 'Greylisted, come back in 24:00:00', 'unannounced', 'a day'],
    [451, '4.3.0', 'Try again later', 'none', "the server's own trouble"],
    [451, '4.7.1', 'Service unavailable, client host is blocked', 'none', 'a block list'],
    [451, undefined, 'Requested action aborted: local error', 'none', 'RFC 5321 §4.2.3'],
    [450, '4.2.1', 'Mailbox is busy, try again later', 'none', 'a mailbox'],
    [421, '4.7.1', 'Greylisted', 'none', 'the session is at its end'],
    [452, '4.2.2', 'Mailbox full, try again later', 'none', 'no room'],
    [550, '5.7.1', 'Greylisted', 'none', 'for good'],
  ])('%i %s %s: %s (%s)', (code, enhanced, text, expected, _why) => {
    const reply = { code, lines: [text], ...(enhanced === undefined ? {} : { enhanced }) };
    const read = readGreylisting(reply);
    expect(read === undefined ? 'none' : (read.waitSeconds ?? 'unannounced')).toBe(expected);
  });

  test('may say it over several lines', () => {
    const lines = ['4.7.1 Greylisted:', 'come back in 00:05:00'];
    expect(readGreylisting({ code: 451, lines })).toEqual({ waitSeconds: 300 });
  });

  test('of any text is read in time, and never outside of a minute to an hour', () => {
    const text = fc.string({ maxLength: 2_000 });
    fc.assert(
      fc.property(text, fc.constantFrom(450, 451, 421, 550), (line, code) => {
        const { waitSeconds = 60 } = readGreylisting({ code, lines: [line, 'greylisted'] }) ?? {};
        expect(waitSeconds).toBeGreaterThanOrEqual(60);
        expect(waitSeconds).toBeLessThanOrEqual(3_600);
      }),
    );
  });
});
