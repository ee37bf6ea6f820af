import { describe, expect, test } from 'vitest';
import { prepareMessage } from '../../functions/submission/prepare.ts';
import { parseQueueMessage, type QueueMessage } from '../../functions/submission/queue-message.ts';

const settings = { requireTls: true, keepAddressTag: false };
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
const prepare = (
  over: object,
  header = plain,
  options: Parameters<typeof prepareMessage>[2] = settings,
): ReturnType<typeof prepareMessage> => prepareMessage(message(over), Buffer.from(header), options);

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
  ])('%#: %j gives %s (%s)', (over, header, expected, _why) => {
    expect(prepare(over, header)[0]?.prepared.demand).toBe(expected);
  });

  test('a message that asks by itself is marked, one that is tagged is not', () => {
    expect(prepare({ requireTls: true })[0]?.prepared.explicit).toBe(true);
    expect(prepare(to('a+requiretls@x.example'))[0]?.prepared.explicit).toBe(false);
  });
});

describe('the address tag', () => {
  test('is taken off, and the original recipient kept for reports', () => {
    expect(prepare(to('arvel+requiretls@x.example'))[0]?.rcptTo).toEqual([
      { address: 'arvel@x.example', orcpt: 'rfc822;arvel+requiretls@x.example' },
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
    const [prepared] = prepareMessage(odd, Buffer.from(plain), settings);
    expect(prepared?.prepared.domain).toBe('-bad-.example');
  });
});
