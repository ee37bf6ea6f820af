import { describe, expect, test } from 'vitest';
import type { PolicyException, TaggingRule } from '../../functions/environment.ts';
import { parseMessage } from '../../functions/protocol/message/message-parts.ts';
import type { Controls } from '../../functions/submission/ports.ts';
import {
  type HandedIn,
  type PrepareRules,
  prepareMessage,
} from '../../functions/submission/prepare.ts';
import {
  type PreparedMessage,
  parseQueueMessage,
  type QueueMessage,
} from '../../functions/submission/queue-message.ts';

const settings = { requireTls: true, keepAddressTag: false, rules: [], exceptions: [] };
const nowMs = Date.UTC(2025, 5, 1);
const noControls: Controls = { rules: [], exceptions: [] };
const plain = 'Subject: x\r\n\r\nhi\r\n';

const message = (over: object = {}): QueueMessage =>
  parseQueueMessage(
    JSON.stringify({
      id: 'm1',
      mailFrom: 'alice@sender.example',
      rcptTo: [{ address: 'bob@rcpt.example' }],
      content: { data: '' },
      ...over,
    }),
    { sqsMessageId: 'sqs', sentAtMs: 0, expiryDays: 5 },
  );
const to = (...addresses: string[]): object => ({
  rcptTo: addresses.map((address) => ({ address })),
});
type Settings = PrepareRules['settings'];

const handIn = (header: string): HandedIn => ({
  ...parseMessage(Buffer.from(header)),
  sizeBytes: header.length,
});
const prepare = (
  over: object,
  header = plain,
  options: Settings = settings,
  controls: Controls = noControls,
): PreparedMessage[] =>
  prepareMessage(message(over), handIn(header), { settings: options, controls, nowMs });

const notification = {
  mailFrom: '',
  notificationOf: { id: 'm-0', domain: 'y.example', attempt: 1 },
} as const;

describe('the demand', () => {
  const optional = `TLS-Required: No\r\n${plain}`;
  test.each([
    [{}, plain, 'default', 'nothing special'],
    [{ requireTls: true }, plain, 'require', 'asked for'],
    [{}, optional, 'optional', 'the header field'],
    [{ requireTls: true }, optional, 'require', 'REQUIRETLS goes before the field, RFC 8689 §4.1'],
    [to('a+requiretls@x.example'), optional, 'require', 'so does the tag'],
    [to('a@x.example', 'b+requiretls@x.example'), plain, 'require', 'one tag speaks for all'],
    [{ requireTls: false }, plain, 'default', 'not asked for'],
    [
      { ...notification, ...to('a+requiretls@x.example') },
      plain,
      'default',
      'a notification: the tag is part of a return path that somebody wrote',
    ],
    [{ ...notification, requireTls: true }, plain, 'require', 'but it may ask for it'],
    [
      { mailFrom: '', ...to('a+requiretls@x.example') },
      plain,
      'require',
      'an empty return path alone makes no notification',
    ],
    [
      { ...notification, mailFrom: 'a@sender.example', ...to('a+requiretls@x.example') },
      plain,
      'require',
      'nor does a reference alone',
    ],
  ])('%#: %j gives %s (%s)', (over, header, expected, _why) => {
    expect(prepare(over, header)[0]?.prepared.demand).toBe(expected);
  });

  test('a message that asks by itself is marked, one that is tagged is not', () => {
    expect(prepare({ requireTls: true })[0]?.prepared.explicit).toBe(true);
    expect(prepare(to('a+requiretls@x.example'))[0]?.prepared.explicit).toBe(false);
  });
});

describe('rules', () => {
  const rule = (action: TaggingRule['action'], over: Partial<TaggingRule> = {}): TaggingRule => ({
    name: `${action}-all`,
    match: {},
    action,
    ...over,
  });
  const tagged = to('a+requiretls@x.example');
  const optional = `TLS-Required: No\r\n${plain}`;

  test.each<[TaggingRule[], object, string, string, string, string]>([
    [[rule('require')], {}, plain, 'require', 'rule require-all requires TLS', 'a rule'],
    [[rule('optional')], {}, plain, 'optional', 'rule optional-all makes TLS optional', 'another'],
    [
      [rule('leave'), rule('require')],
      {},
      plain,
      'default',
      'asks for nothing',
      'asked no further',
    ],
    [[rule('leave')], {}, optional, 'optional', 'the header says', 'leave leaves the field alone'],
    [[rule('require')], {}, optional, 'require', 'rule require-all', 'RFC 8689 §4.1'],
    [
      [rule('optional')],
      { requireTls: true },
      plain,
      'require',
      'submitted',
      'its own word counts',
    ],
    [[rule('optional')], tagged, plain, 'require', 'the tag', 'the tag too'],
    [[rule('leave')], tagged, plain, 'require', 'the tag', 'and here'],
  ])('%#: %j, %j: %s gives %s, %s (%s)', (rules, over, header, demand, reason, _why) => {
    const [part] = prepare(over, header, { ...settings, rules });
    expect(part?.prepared).toMatchObject({
      demand,
      demandReason: expect.stringContaining(reason),
      explicit: 'requireTls' in over,
    });
  });

  test('those made at run time come first', () => {
    const controls = { ...noControls, rules: [rule('leave')] };
    const [part] = prepare({}, plain, { ...settings, rules: [rule('require')] }, controls);
    expect(part?.prepared.demand).toBe('default');
  });

  test('requireTls: false switches them off', () => {
    const off = { ...settings, requireTls: false, rules: [rule('require')] };
    expect(prepare({}, plain, off)[0]?.prepared.demand).toBe('default');
  });

  test('a recipient is matched without the tag, and under both names of a domain', () => {
    const match = (glob: string): TaggingRule =>
      rule('optional', { match: { recipient: { glob } } });
    const demandOf = (glob: string): string | undefined =>
      prepare({ ...to('a@bücher.example'), smtpUtf8: true }, plain, {
        ...settings,
        rules: [match(glob)],
      })[0]?.prepared.demand;
    expect(demandOf('a@bücher.example')).toBe('optional');
    expect(demandOf('*@xn--bcher-kva.example')).toBe('optional');
    expect(demandOf('*@bucher.example')).toBe('default');
  });
});

describe('an exception from tagging', () => {
  const exception: PolicyException = {
    domain: 'x.example',
    policy: 'tagging',
    reason: 'r',
    expires: '2026-01-01T00:00:00Z',
  };
  const require: TaggingRule = { name: 'all', match: {}, action: 'require' };
  const demands = (over: object, options: Settings, controls?: Controls): string[] =>
    prepare(over, plain, options, controls).map(({ prepared }) => prepared.demand);

  test('of its domain: rules do not reach it, and its tags speak for nobody', () => {
    const excepted = { ...settings, rules: [require], exceptions: [exception] };
    expect(demands(to('a@x.example', 'b@y.example'), excepted)).toEqual(['default', 'require']);
    const tags = to('a+requiretls@x.example', 'b@y.example');
    expect(demands(tags, { ...excepted, rules: [] })).toEqual(['default', 'default']);
  });

  test('takes the tag off all the same', () => {
    const [part] = prepare(to('a+requiretls@x.example'), plain, {
      ...settings,
      exceptions: [exception],
    });
    expect(part?.rcptTo[0]?.address).toBe('a@x.example');
  });

  test('leaves what the message itself asks for', () => {
    const excepted = { ...settings, exceptions: [exception] };
    expect(demands({ ...to('a@x.example'), requireTls: true }, excepted)).toEqual(['require']);
  });

  test.each<[Partial<PolicyException>, string, string]>([
    [{}, 'default', 'made at run time'],
    [{ expires: '2025-06-01T00:00:01Z' }, 'default', 'not over yet'],
    [{ expires: '2025-06-01T00:00:00Z' }, 'require', 'over, though the message says it is of 1970'],
    [{ expires: 'soon' }, 'require', 'no time'],
    [{ domain: 'y.example' }, 'require', 'of another domain'],
    [{ policy: 'dane' }, 'require', 'of another policy; delivery judges that'],
  ])('%j gives %s (%s)', (over, demand, _why) => {
    const controls = { rules: [], exceptions: [{ ...exception, ...over }] };
    const options = { ...settings, rules: [require] };
    expect(demands(to('a@x.example'), options, controls)).toEqual([demand]);
  });
});

describe('the address tag', () => {
  test('is taken off, and the original recipient kept for reports', () => {
    expect(prepare(to('arvel+requiretls@x.example'))[0]?.rcptTo).toEqual([
      { address: 'arvel@x.example', orcpt: 'rfc822;arvel+requiretls@x.example' },
    ]);
  });

  test('the original recipient beyond ASCII has its type (RFC 6533 §3)', () => {
    const address = 'jörg+requiretls@bücher.example';
    expect(prepare(to(address))[0]?.rcptTo).toEqual([
      { address: 'jörg@xn--bcher-kva.example', orcpt: `utf-8;${address}` },
    ]);
  });

  test('one that is too long as encoded is left out, and the recipient stays', () => {
    const address = `a+requiretls@${'例'.repeat(30)}.${'例'.repeat(30)}.example`;
    expect(prepare(to(address))[0]?.rcptTo).toEqual([
      { address: expect.stringMatching(/^a@xn--.*\.example$/) },
    ]);
  });

  test('an ORCPT that is there already stays', () => {
    const rcptTo = [{ address: 'a+requiretls@x.example', orcpt: 'rfc822;first@y.example' }];
    expect(prepare({ rcptTo })[0]?.rcptTo[0]?.orcpt).toBe('rfc822;first@y.example');
  });

  test('keepAddressTag: stays on and still counts', () => {
    const [prepared] = prepare(to('a+requiretls@x.example'), plain, {
      ...settings,
      keepAddressTag: true,
    });
    expect(prepared?.rcptTo).toEqual([{ address: 'a+requiretls@x.example' }]);
    expect(prepared?.prepared.demand).toBe('require');
  });

  test('requireTls off: the tag is an ordinary part of the address', () => {
    const [prepared] = prepare(to('a+requiretls@x.example'), plain, {
      ...settings,
      requireTls: false,
    });
    expect(prepared?.rcptTo).toEqual([{ address: 'a+requiretls@x.example' }]);
    expect(prepared?.prepared.demand).toBe('default');
  });
});

describe('the split', () => {
  test('one domain keeps the id', () => {
    const parts = prepare(to('a@x.example', 'b@X.example'));
    expect(parts).toHaveLength(1);
    expect(parts[0]?.id).toBe('m1');
    expect(parts[0]?.rcptTo.map(({ address }) => address)).toEqual(['a@x.example', 'b@x.example']);
  });

  test('several domains: a record each, with ids that are the same at every split', () => {
    const split = (): string[][] =>
      prepare(to('a@x.example', 'b@y.example', 'c@x.example')).map(({ id, prepared, rcptTo }) => [
        id,
        prepared.domain,
        ...rcptTo.map(({ address }) => address),
      ]);
    const parts = split();
    expect(parts.map(([, ...rest]) => rest)).toEqual([
      ['x.example', 'a@x.example', 'c@x.example'],
      ['y.example', 'b@y.example'],
    ]);
    expect(new Set(parts.map(([id]) => id)).size).toBe(2);
    expect(split()).toEqual(parts);
  });

  test('parts name their whole, and what is not split names none', () => {
    const wholes = (...addresses: string[]): (string | undefined)[] =>
      prepare(to(...addresses)).map(({ prepared }) => prepared.wholeId);
    expect(wholes('a@x.example', 'b@y.example')).toEqual(['m1', 'm1']);
    expect(wholes('a@x.example')).toEqual([undefined]);
  });

  test('all parts are tagged alike (RFC 8689 §4.1)', () => {
    const parts = prepare(to('a+requiretls@x.example', 'b@y.example'));
    expect(parts.map(({ prepared }) => prepared.demand)).toEqual(['require', 'require']);
  });

  test('a smart host is the next-hop domain of all (RFC 8461 §3.4)', () => {
    const parts = prepare(to('a@x.example', 'b@y.example'), plain, {
      ...settings,
      smartHost: { host: 'smtp.relay.example', port: 587 },
    });
    expect(parts.map(({ prepared }) => prepared.domain)).toEqual(['smtp.relay.example']);
  });

  test('a U-label domain becomes A-labels', () => {
    const [prepared] = prepare({ ...to('a@bücher.example'), smtpUtf8: true });
    expect(prepared?.prepared.domain).toBe('xn--bcher-kva.example');
    expect(prepared?.rcptTo[0]?.address).toBe('a@xn--bcher-kva.example');
  });

  test('a domain that is no host name is left for delivery to refuse', () => {
    const odd = { ...message(), rcptTo: [{ address: 'b@-Bad-.example' }] };
    const [prepared] = prepareMessage(odd, handIn(plain), {
      settings,
      controls: noControls,
      nowMs,
    });
    expect(prepared?.prepared.domain).toBe('-bad-.example');
  });
});

describe('a notification', () => {
  const all: Settings = {
    ...settings,
    rules: [{ name: 'all', match: { bytesMin: 0 }, action: 'require' }],
  };

  test.each([
    [notification, 'default', 'it is not made to be dropped'],
    [{ mailFrom: '' }, 'require', 'other mail with an empty return path is tagged'],
    [{ ...notification, mailFrom: 'alice@sender.example' }, 'require', 'as is any mail'],
  ])('a rule for all mail, %j: %s (%s)', (over, demand, _why) => {
    expect(prepare(over, plain, all)[0]?.prepared.demand).toBe(demand);
  });

  test('goes to the address as it is written, tag and all', () => {
    const [only] = prepare({ ...notification, ...to('a+requiretls@x.example') });
    expect(only?.rcptTo).toEqual([{ address: 'a+requiretls@x.example' }]);
  });
});
