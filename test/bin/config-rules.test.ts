import { describe, expect, test } from 'vitest';
import { readConfig } from '../../bin/config/load.ts';

const arnIn = (region: string): string =>
  `arn:aws:secretsmanager:${region}:111122223333:secret:dkim-AbCdEf`;
const key = { domain: 'example.com', selector: 's1', secretArn: arnIn('eu-west-1') };
const rule = { name: 'hr', match: {}, action: 'require' };

/** What is wrong with a config that has these delivery settings; '' where nothing is. */
function refusal(delivery: object): string {
  const config = {
    organization: 'Example Ltd',
    region: 'eu-west-1',
    domains: [],
    delivery: { ehloName: 'out.example.com', ...delivery },
    egress: { kind: 'nat' },
  };
  try {
    readConfig(JSON.stringify(config), 'c.json', 0);
    return '';
  } catch (error) {
    return String((error as Error).message);
  }
}

describe('rules', () => {
  test.each([
    [[rule], '', 'one that matches every message'],
    [[{ ...rule, match: { sender: { regex: '(hr|legal)@.*' } } }], '', 'an expression'],
    [[{ ...rule, match: { bytesMin: 5, bytesMax: 5 } }], '', 'one size'],
    [
      [{ ...rule, match: { recipient: { regex: '(a)\\1' } } }],
      /rules\[0\]\.match\.recipient = .*: not an RE2 expression/,
      'what RE2 cannot match in linear time',
    ],
    [
      [rule, { ...rule, name: 'b', match: { header: { field: 'X', value: { regex: '(' } } } }],
      /rules\[1\]\.match\.header\.value = /,
      'in a header',
    ],
    [
      [{ ...rule, match: { sender: { regex: 'x{900}' } } }],
      /rules\[0\]\.match\.sender = .*too large/,
      'an expression that would take too long',
    ],
    [[rule, rule], /rules\[1\]\.name = "hr": a rule above has this name/, 'a name twice'],
    [[{ ...rule, match: { bytesMin: 2, bytesMax: 1 } }], /bytesMax = 1: less/, 'nothing between'],
    [
      [{ ...rule, match: { sender: { like: 'x' } } }],
      /rules\[0\]\.match\.sender = .*not a pattern\. Use one of/,
      'no such kind of pattern',
    ],
    [[{ ...rule, action: 'reject' }], /action = "reject": .*require: REQUIRETLS/, 'no such action'],
  ])('%j: %s (%s)', (rules, line, _why) => {
    expect(refusal({ rules })).toMatch(line === '' ? /^$/ : line);
  });
});

describe('DKIM keys', () => {
  test.each([
    [[key, { ...key, selector: 's2' }], '', 'two keys of a domain'],
    [[key, { ...key, domain: 'example.org' }], '', 'one secret for two domains'],
    [
      [key, key],
      /dkimKeys\[1\]\.selector = "s1": s1\._domainkey\.example\.com is the record of a key above/,
      'two keys in one place',
    ],
    [
      [{ ...key, secretArn: arnIn('us-east-1') }],
      /dkimKeys\[0\]\.secretArn = .*another region/,
      'a secret that the functions do not reach',
    ],
    [[{ ...key, secretArn: 'my-secret' }], /secretArn = "my-secret"/, 'no ARN'],
  ])('%j: %s (%s)', (dkimKeys, line, _why) => {
    expect(refusal({ dkimKeys })).toMatch(line === '' ? /^$/ : line);
  });
});
