import { describe, expect, test } from 'vitest';
import type { FailureCode } from '../../../functions/protocol/errors.ts';
import type { Transaction } from '../../../functions/protocol/smtp/transaction.ts';
import { planTransaction } from '../../../functions/protocol/smtp/transaction-plan.ts';

const everything = [
  'PIPELINING',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'SIZE 1000',
  'CHUNKING',
  'REQUIRETLS',
];

function offer(
  keywords: readonly string[],
  isEncrypted = true,
): Parameters<typeof planTransaction>[1] {
  const capabilities = new Map(
    keywords.map((line) => {
      const [keyword = '', ...parameters] = line.split(' ');
      return [keyword, parameters.join(' ')];
    }),
  );
  return { capabilities, isEncrypted };
}

function without(keyword: string): string[] {
  return everything.filter((line) => !line.startsWith(keyword));
}

function transaction(
  changes: Partial<Omit<Transaction, 'content'>> & { content?: string } = {},
): Transaction {
  const { content = 'Subject: a\r\n\r\nb\r\n', ...rest } = changes;
  return {
    mailFrom: 'a@x.test',
    recipients: [{ address: 'b@y.test' }],
    requireTls: false,
    smtpUtf8: false,
    ...rest,
    content: Buffer.from(content),
  };
}

describe('what is said', () => {
  test.each<[string[], Parameters<typeof transaction>[0], string, string]>([
    [everything, {}, ' SIZE=17', 'seven bits need nothing but SIZE'],
    [without('SIZE'), {}, '', 'no SIZE without the extension (RFC 1870 §3)'],
    [everything, { content: 'Subject: a\r\n\r\né\r\n' }, ' SIZE=18 BODY=8BITMIME', 'an 8-bit body'],
    [
      everything,
      { content: 'Subject: é\r\n\r\nb\r\n' },
      ' SIZE=18 BODY=8BITMIME SMTPUTF8',
      'an 8-bit header',
    ],
    [
      everything,
      { content: 'Subject: a\r\n\r\né\r\n', smtpUtf8: true },
      ' SIZE=18 BODY=8BITMIME SMTPUTF8',
      'the sender says that a part has an 8-bit header',
    ],
    [
      everything,
      { smtpUtf8: true },
      ' SIZE=17',
      'SMTPUTF8 is not said where nothing needs it (RFC 6531 §3.4)',
    ],
    [
      everything,
      { recipients: [{ address: 'b@y.test' }, { address: 'é@y.test' }] },
      ' SIZE=17 SMTPUTF8',
      'one address beyond ASCII',
    ],
    [everything, { requireTls: true }, ' SIZE=17 REQUIRETLS', 'RFC 8689 §2'],
    [everything, { ret: 'HDRS', envid: 'e=1' }, ' SIZE=17 RET=HDRS ENVID=e+3D1', 'DSN parameters'],
    [without('DSN'), { ret: 'HDRS', envid: 'e=1' }, ' SIZE=17', 'none to a peer without DSN'],
    [everything, { content: 'a\n.b' }, ' SIZE=7', 'SIZE counts CRLF and no stuffing (RFC 1870 §5)'],
  ])('%j %j', (keywords, changes, parameters, _why) => {
    const plan = planTransaction(transaction(changes), offer(keywords));
    expect(plan.mail).toBe(`MAIL FROM:<a@x.test>${parameters}\r\n`);
    expect(plan.refused.size).toBe(0);
  });

  test('BDAT where there is CHUNKING, else stuffed DATA', () => {
    const dotted = transaction({ content: '.a\n' });
    expect(planTransaction(dotted, offer(everything))).toMatchObject({
      transfer: 'bdat',
      pieces: [Buffer.from('.a\r\n')],
    });
    expect(planTransaction(dotted, offer(without('CHUNKING')))).toMatchObject({
      transfer: 'data',
      pieces: [Buffer.from('.'), Buffer.from('.a\r\n')],
    });
  });

  test('each recipient has its own DSN parameters', () => {
    const { rcpts } = planTransaction(
      transaction({
        recipients: [
          { address: 'b@y.test', notify: ['SUCCESS'], orcpt: 'rfc822;b+x@y.test' },
          { address: 'c@y.test' },
        ],
      }),
      offer(everything),
    );
    expect(rcpts).toEqual([
      {
        recipient: 0,
        command: 'RCPT TO:<b@y.test> NOTIFY=SUCCESS ORCPT=rfc822;b+2Bx@y.test\r\n',
      },
      { recipient: 1, command: 'RCPT TO:<c@y.test>\r\n' },
    ]);
  });
});

describe('domains beyond ASCII (RFC 6531 §3.2)', () => {
  test.each([
    ['b@b\u00fccher.test', 'b@xn--bcher-kva.test', false, 'A-labels ask nothing of the peer'],
    ['b@B\u00dcCHER.test', 'b@xn--bcher-kva.test', false, 'mapped'],
    ['\u00e9@b\u00fccher.test', '\u00e9@xn--bcher-kva.test', true, 'the local part does'],
    ['b@xn--bcher-kva.test', 'b@xn--bcher-kva.test', false, 'A-labels already'],
    ['b@Y.test', 'b@Y.test', false, 'ASCII stays as written'],
  ])('%s', (address, wire, smtpUtf8, _why) => {
    const plan = planTransaction(transaction({ recipients: [{ address }] }), offer(everything));
    expect(plan.rcpts).toEqual([{ recipient: 0, command: `RCPT TO:<${wire}>\r\n` }]);
    expect(plan.mail.includes('SMTPUTF8')).toBe(smtpUtf8);
  });

  test('the reverse-path too', () => {
    const bounceable = transaction({ mailFrom: 'a@b\u00fccher.test' });
    expect(planTransaction(bounceable, offer(without('SMTPUTF8'))).mail).toBe(
      'MAIL FROM:<a@xn--bcher-kva.test> SIZE=17\r\n',
    );
  });

  test('a domain that IDNA does not know is none', () => {
    const recipients = [{ address: 'b@\u0300.test' }, { address: `b@${'\u00e9'.repeat(60)}.test` }];
    const { refused } = planTransaction(transaction({ recipients }), offer(everything));
    expect(refused.get(0)).toMatchObject({ code: 'address-invalid' });
    expect(refused.get(1)).toMatchObject({ code: 'address-invalid' });
  });
});

describe('what is refused before MAIL', () => {
  test.each<[string[], Parameters<typeof transaction>[0], FailureCode, string]>([
    [everything, { content: 'x'.repeat(999) }, 'size-exceeded', 'one octet too many with its CRLF'],
    [without('8BITMIME'), { content: 'a: b\n\né' }, 'eightbitmime-not-offered', 'RFC 6152 §3'],
    [without('SMTPUTF8'), { content: 'a: é\n\nb' }, 'smtputf8-not-offered', 'RFC 6531 §3.2'],
    [without('SMTPUTF8'), { mailFrom: 'é@x.test' }, 'smtputf8-not-offered', 'the reverse-path'],
    [
      without('SMTPUTF8'),
      { recipients: [{ address: 'é@y.test' }] },
      'smtputf8-not-offered',
      'the only recipient',
    ],
    [without('REQUIRETLS'), { requireTls: true }, 'requiretls-not-offered', 'RFC 8689 §4.2.1'],
    [everything, { mailFrom: 'a b@x.test' }, 'address-invalid', 'the reverse-path'],
    [everything, { mailFrom: 'a@x.test>\r\nRSET' }, 'address-invalid', 'injection'],
    [everything, { recipients: [{ address: 'b' }] }, 'address-invalid', 'the only recipient'],
  ])('%j %j: %s', (keywords, changes, code, _why) => {
    const plan = planTransaction(transaction(changes), offer(keywords));
    expect(plan.rcpts).toEqual([]);
    expect([...plan.refused.values()]).toEqual([
      { outcome: 'failed', code, reason: expect.any(String) },
    ]);
  });

  test('REQUIRETLS is not believed without TLS (RFC 8689 §2)', () => {
    const plan = planTransaction(transaction({ requireTls: true }), offer(everything, false));
    expect(plan.refused.get(0)).toMatchObject({ code: 'requiretls-not-offered' });
  });

  test('exactly the announced size passes', () => {
    const plan = planTransaction(transaction({ content: 'x'.repeat(998) }), offer(everything));
    expect(plan.refused.size).toBe(0);
  });

  test('an address that cannot be said refuses its own recipient only', () => {
    const plan = planTransaction(
      transaction({
        recipients: [{ address: 'é@y.test' }, { address: 'b@y.test' }, { address: 'no' }],
      }),
      offer(without('SMTPUTF8')),
    );
    expect(plan.rcpts.map(({ recipient }) => recipient)).toEqual([1]);
    expect(plan.mail).toBe('MAIL FROM:<a@x.test> SIZE=17\r\n');
    expect(plan.refused.get(0)).toMatchObject({ code: 'smtputf8-not-offered' });
    expect(plan.refused.get(2)).toMatchObject({ code: 'address-invalid' });
  });

  test('a message refused as a whole refuses every recipient', () => {
    const plan = planTransaction(
      transaction({
        content: 'x'.repeat(2_000),
        recipients: [{ address: 'b@y.test' }, { address: 'c@y.test' }],
      }),
      offer(everything),
    );
    expect([...plan.refused.keys()]).toEqual([0, 1]);
  });
});
