/** Reports through SES: what is handed over, how it is signed, and what comes of a refusal. */
import { gzipSync } from 'node:zlib';
import { SESv2Client } from '@aws-sdk/client-sesv2';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Ses, startSes } from '../../../bin/local/ses.ts';
import {
  createReportMailer,
  type MailReport,
} from '../../../functions/adapters/aws/report-mailer.ts';
import { createSignatureCheck } from '../../../functions/adapters/net/check-signatures.ts';
import {
  fieldsNamed,
  formatMessage,
  parseMessage,
  unfoldValue,
} from '../../../functions/protocol/message/message-parts.ts';
import { composeReportMail } from '../../../functions/protocol/tlsrpt/report-mail.ts';
import type { OutgoingReport } from '../../../functions/reporting/ports.ts';
import { receiveReport } from '../../../functions/reporting/receive-report.ts';
import { domain, ed25519, rsa, verdicts } from '../../protocol/dkim/keys.ts';
import { createMemoryReceipts } from '../../reporting/memory-receipts.ts';
import { keyRecords, resolverOf } from '../../reporting/report-mails.ts';
import { clientConfig } from './local-aws.ts';

const nowMs = Date.parse('2026-11-24T01:00:00Z');
const from = `tls-reports@${domain}`;
const report: OutgoingReport = {
  policyDomain: 'a.example',
  reportId: `2026-11-23.0123@${domain}`,
  fileName: `${domain}!a.example!1795392000!1795478399!0123.json.gz`,
  gzip: Buffer.from('not read on the way'),
};

let ses: Ses;
let client: SESv2Client;
let mailReport: MailReport;

beforeAll(async () => {
  ses = await startSes();
  client = new SESv2Client(clientConfig(`http://127.0.0.1:${ses.port}`));
});

afterAll(async () => {
  client.destroy();
  await ses.close();
});

const options = () => ({
  client,
  configurationSet: 'reports',
  from,
  readKeys: async (asked: string) => (asked === domain ? [rsa, ed25519] : []),
  now: () => nowMs,
});

beforeEach(() => {
  mailReport = createReportMailer(options());
});

const lastRaw = (): Buffer => ses.messages.at(-1)?.raw ?? Buffer.alloc(0);

describe('what SES gets', () => {
  test('is the mail of RFC 8460 §5.3 octet by octet, behind our signatures, under the configuration set', async () => {
    expect(await mailReport('r@a.example', report)).toMatchObject({
      kind: 'delivered',
      detail: expect.stringContaining(ses.messages.at(-1)?.messageId ?? 'nothing'),
    });
    expect(ses.messages.at(-1)).toMatchObject({
      from,
      recipients: ['r@a.example'],
      request: { ConfigurationSetName: 'reports' },
    });
    const { fields, body } = parseMessage(lastRaw());
    const unsigned = { fields: fields.slice(2), body };
    expect(formatMessage(unsigned)).toEqual(
      Buffer.from(composeReportMail({ ...report, from, to: 'r@a.example', nowMs })),
    );
  });

  test('verifies with each key, and after SES has put in its own Date, Message-ID and Return-Path', async () => {
    await mailReport('r@a.example', report);
    expect(await verdicts(lastRaw(), [rsa, ed25519])).toEqual(['pass', 'pass']);
    const { fields, body } = parseMessage(lastRaw());
    const replaced = new Map([
      ['date', 'Date: Tue, 24 Nov 2026 02:03:04 +0000\r\n'],
      ['message-id', 'Message-ID: <0100@eu-west-1.amazonses.com>\r\n'],
    ]);
    const rewritten = fields.map(({ name, raw }) => ({
      name,
      raw: replaced.get(name.toLowerCase()) ?? raw,
    }));
    const returnPath = { name: 'Return-Path', raw: 'Return-Path: <0100@amazonses.com>\r\n' };
    const sent = formatMessage({ fields: [returnPath, ...rewritten], body });
    expect(await verdicts(sent, [rsa, ed25519])).toEqual(['pass', 'pass']);
  });

  test.each([
    ['TLS-Report-Domain', 'b.example'],
    ['TLS-Report-Submitter', 'b.example'],
    ['Subject', 'Report Domain: b.example'],
    ['Content-Type', 'text/plain'],
  ])('does not verify with another %s', async (name, value) => {
    await mailReport('r@a.example', report);
    const { fields, body } = parseMessage(lastRaw());
    const forged = fields.map((field) =>
      field.name === name ? { name, raw: `${name}: ${value}\r\n` } : field,
    );
    expect(await verdicts(formatMessage({ fields: forged, body }), [rsa])).not.toContain('pass');
  });

  test('is signed whole, by the domain of From and contact', async () => {
    await mailReport('r@a.example', report);
    const [signature] = fieldsNamed(parseMessage(lastRaw()).fields, 'DKIM-Signature');
    const tags = unfoldValue(signature as NonNullable<typeof signature>).replaceAll(/\s/g, '');
    expect(tags).toContain(`d=${domain};`);
    expect(tags).not.toMatch(/;l=/);
    expect(tags).toMatch(/h=[^;]*tls-report-domain:tls-report-submitter/);
    expect(tags).not.toMatch(/h=[^;]*\b(date|message-id|return-path)\b/);
  });

  test('goes to the A-labels of a domain beyond ASCII', async () => {
    await mailReport('r@bücher.example', report);
    expect(ses.messages.at(-1)?.recipients).toEqual(['r@xn--bcher-kva.example']);
  });
});

describe('our own receiver counts it', () => {
  const json = {
    'organization-name': 'Football',
    'date-range': {
      'start-datetime': '2026-11-23T00:00:00Z',
      'end-datetime': '2026-11-23T23:59:59Z',
    },
    'contact-info': from,
    'report-id': report.reportId,
    policies: [
      {
        policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'a.example' },
        summary: { 'total-successful-session-count': 4, 'total-failure-session-count': 0 },
      },
    ],
  };

  test.each([
    ['tlsrpt', 'counted', 'a key for reports (RFC 8460 §3)'],
    ['email:tlsrpt', 'counted', 'a key for mail and reports'],
    ['other', 'unverified', 'a key for neither'],
  ])('with s=%s in the key record: %s, %s', async (service, state, _reason) => {
    await mailReport('r@a.example', { ...report, gzip: gzipSync(JSON.stringify(json)) });
    const { receipt } = await receiveReport(
      { way: 'mail', rawKey: 'raw', octets: lastRaw(), receivedAtMs: nowMs, isLastTry: true },
      {
        store: createMemoryReceipts(),
        checkSignatures: createSignatureCheck(resolverOf(keyRecords([rsa, ed25519], service))),
        own: { domains: ['a.example'], mxHosts: [] },
        deadlineMs: nowMs,
        announce: () => undefined,
      },
    );
    expect(receipt).toMatchObject({ state, deviations: [], summary: { successes: 4 } });
  });
});

describe('what SES does not get', () => {
  test('is a local part beyond ASCII', async () => {
    const before = ses.messages.length;
    expect(await mailReport('é@a.example', report)).toMatchObject({ kind: 'failed' });
    expect(ses.messages).toHaveLength(before);
  });

  test('is a mail over ten megabytes', async () => {
    const before = ses.messages.length;
    const large = { ...report, gzip: Buffer.alloc(7_500_000) };
    expect(await mailReport('r@a.example', large)).toMatchObject({ kind: 'too-large' });
    expect(
      await mailReport('r@a.example', { ...report, gzip: Buffer.alloc(7_000_000) }),
    ).toMatchObject({
      kind: 'delivered',
    });
    expect(ses.messages).toHaveLength(before + 1);
  });

  test('is a mail without a signature, which nobody would read (RFC 8460 §3)', async () => {
    const before = ses.messages.length;
    const unsigned = createReportMailer({ ...options(), readKeys: async () => [] });
    await expect(unsigned('r@a.example', report)).rejects.toMatchObject({
      code: 'settings-invalid',
    });
    expect(ses.messages).toHaveLength(before);
  });
});

test('a refusal, and an SES that is not there, is an attempt that failed', async () => {
  const nobody = new SESv2Client({ ...clientConfig('http://127.0.0.1:1'), maxAttempts: 1 });
  const mail = createReportMailer({ ...options(), client: nobody });
  expect(await mail('r@a.example', report)).toMatchObject({
    kind: 'failed',
    detail: expect.stringContaining('ECONNREFUSED'),
  });
  nobody.destroy();
});
