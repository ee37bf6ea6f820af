import { describe, expect, test } from 'vitest';
import type { TaggingRule } from '../../functions/environment.ts';
import { parseMessage } from '../../functions/protocol/message/message-parts.ts';
import { findRule, type RuledMessage } from '../../functions/submission/match-rules.ts';

const message = (header = '', over: Partial<RuledMessage> = {}): RuledMessage => ({
  mailFrom: 'alice@sender.example',
  recipients: ['bob@x.example', 'carol@y.example'],
  fields: parseMessage(Buffer.from(`${header}\r\n`)).fields,
  sizeBytes: 1_000,
  ...over,
});
const rule = (
  match: TaggingRule['match'],
  action: TaggingRule['action'] = 'require',
  name = 'r',
): TaggingRule => ({ name, match, action });

describe('what a rule asks for', () => {
  const subject = (value: TaggingRule['match']['header']): TaggingRule['match'] =>
    value === undefined ? {} : { header: value };

  test.each<[TaggingRule['match'], RuledMessage, boolean, string]>([
    [{}, message(), true, 'nothing: it matches all'],
    [{ sender: { equals: 'alice@sender.example' } }, message(), true, 'the sender'],
    [{ sender: { equals: '' } }, message('', { mailFrom: '' }), true, 'the null reverse-path'],
    [{ sender: { equals: '' } }, message(), false, 'another sender'],
    [{ recipient: { glob: '*@y.example' } }, message(), true, 'one recipient speaks for all'],
    [{ recipient: { glob: '*@z.example' } }, message(), false, 'none does'],
    [{ recipient: { glob: '*' } }, message('', { recipients: [] }), false, 'nobody to speak'],
    [
      subject({ field: 'subject', value: { glob: '*[secure]*' } }),
      message('Subject: Re:\r\n [Secure] x\r\n'),
      true,
      'a header field, unfolded',
    ],
    [
      subject({ field: 'subject', value: { glob: '*' } }),
      message(),
      false,
      'a field that is not there',
    ],
    [
      subject({ field: 'X', value: { equals: 'b' } }),
      message('X: a\r\nx: b\r\n'),
      true,
      'one of several',
    ],
    [subject({ field: 'X', value: { equals: 'Ä' } }), message('X: ä\r\n'), true, 'RFC 6532: UTF-8'],
    [{ bytesMin: 1_000, bytesMax: 1_000 }, message(), true, 'the size, both ends included'],
    [{ bytesMin: 1_001 }, message(), false, 'too small'],
    [{ bytesMax: 999 }, message(), false, 'too large'],
    [{ sender: { glob: '*' }, bytesMax: 1 }, message(), false, 'all must hold'],
  ])('%j (%#)', (match, given, matches) => {
    expect(findRule([rule(match)], given) !== undefined).toBe(matches);
  });
});

describe('a domain is the same however it is written', () => {
  const nfd = 'bu\u0308cher';
  const spellings = [
    'bücher.рф',
    'xn--bcher-kva.xn--p1ai',
    'bücher.xn--p1ai',
    'BÜCHER.РФ',
    `${nfd}.рф`,
  ];
  const patterns = [
    ...spellings.flatMap((domain) => [{ equals: `a@${domain}` }, { glob: `*@${domain}` }]),
    { glob: '*@*.рф' },
    { glob: '*bücher.рф' },
    { glob: `*@${nfd}.*` },
    { glob: '*@xn--bcher-*.рф' },
    { regex: '.*@bücher\\.рф' },
    { regex: '.*@xn--bcher-kva\\.xn--p1ai' },
    { regex: `.*@${nfd}\\..*` },
  ];

  test.each(patterns)('%j meets all spellings, of sender and recipient', (pattern) => {
    for (const domain of spellings) {
      const address = `a@${domain}`;
      const sent = message('', { mailFrom: address });
      const received = message('', { recipients: [address] });
      expect(findRule([rule({ sender: pattern })], sent), domain).toBeDefined();
      expect(findRule([rule({ recipient: pattern })], received), domain).toBeDefined();
    }
  });

  test.each([
    [{ equals: 'a@bucher.example' }, 'another name'],
    [{ glob: '*@*.bücher.example' }, 'one label more'],
    [{ equals: 'xn--bcher-kva@bücher.example' }, 'a local part is not converted'],
  ])('%j does not match (%s)', (pattern, _why) => {
    const given = message('', { mailFrom: 'bücher@bücher.example' });
    expect(findRule([rule({ sender: pattern })], given)).toBeUndefined();
  });

  test('a header field in NFC and one that is not are the same', () => {
    const match = { header: { field: 'X', value: { equals: nfd } } };
    expect(findRule([rule(match)], message('X: bücher\r\n'))).toBeDefined();
    expect(findRule([rule(match)], message(`X: ${nfd}\r\n`))).toBeDefined();
  });
});

test('the first that matches decides', () => {
  const rules = [
    rule({ bytesMax: 1 }, 'optional', 'small'),
    rule({}, 'leave', 'second'),
    rule({}, 'require', 'third'),
  ];
  expect(findRule(rules, message())?.name).toBe('second');
});

describe('doubt never lowers the protection', () => {
  const match: TaggingRule['match'] = { header: { field: 'X', value: { equals: 'y' } } };
  const long = `X: ${'a'.repeat(5_000)}\r\n`;
  const many = 'X: a\r\n'.repeat(51);

  test.each<[TaggingRule[], string, string | undefined, string]>([
    [[rule(match)], long, 'r', 'too long to be compared: it requires'],
    [[rule(match)], many, 'r', 'too many to be compared'],
    [[rule(match)], 'X: a\r\n'.repeat(50), undefined, 'as many as are compared'],
    [[rule(match, 'optional')], long, undefined, 'it does not lower'],
    [
      [rule(match, 'leave'), rule({}, 'require', 'all')],
      long,
      'all',
      'nor keep others from asking',
    ],
    [[rule(match, 'leave'), rule({}, 'optional', 'all')], long, undefined, 'none behind it lowers'],
    [[rule(match, 'optional')], `X: y\r\n${long}`, 'r', 'where one matches nothing is in doubt'],
    [[rule({ ...match, bytesMin: 9_999 })], long, undefined, 'what does not hold decides'],
  ])('%#: %j (%s)', (rules, header, name) => {
    expect(findRule(rules, message(header))?.name).toBe(name);
  });
});
