/** What we send, we take: from recorded sessions over the report, its mail and what SES makes of that to received sums. */
import type { SESv2Client } from '@aws-sdk/client-sesv2';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReportMailer } from '../../functions/adapters/aws/report-mailer.ts';
import { createSignatureCheck } from '../../functions/adapters/net/check-signatures.ts';
import { postReportRoutes } from '../../functions/handlers/post-report.ts';
import { reportFileName } from '../../functions/protocol/tlsrpt/report.ts';
import type { PolicyTally } from '../../functions/protocol/tlsrpt/tally.ts';
import { buildDomainReport } from '../../functions/reporting/freeze-report.ts';
import type { FrozenPart } from '../../functions/reporting/ports.ts';
import type { ReceiptEvent } from '../../functions/reporting/receive-ports.ts';
import { receiveReport } from '../../functions/reporting/receive-report.ts';
import type { ReportSums } from '../../functions/reporting/report-sums.ts';
import { httpEvent } from '../handlers/http-event.ts';
import { createMemoryReceipts } from './memory-receipts.ts';
import { keyOf, keyRecords, resolverOf } from './report-mails.ts';

const nowMs = Date.parse('2026-11-24T02:00:00Z');
const day = '2026-11-23';
const domain = 'a.example';
const key = keyOf('sender.example');
const contact = 'tls@sender.example';

/** The parts of the day's report about results that several processes wrote down. */
async function build(written: readonly (readonly PolicyTally[])[]): Promise<readonly FrozenPart[]> {
  const built = await buildDomainReport(
    { day, domain },
    {
      results: {
        async *resultsOf() {
          yield written.map((policies, index) => ({
            id: `r${index}`,
            day,
            domain,
            record: 'v=TLSRPTv1; rua=mailto:r@a.example',
            policies,
          }));
        },
      },
      lookUpRecord: async () => ({ kind: 'none', reason: 'never asked' }),
      suppressed: new Set(),
      newId: () => '0123',
      settings: {
        organizationName: 'Sender',
        contactInfo: contact,
        onlyFailures: false,
        destinations: [],
      },
    },
    { nowMs, deadlineMs: nowMs },
  );
  return built.kind === 'report' ? built.report.parts : [];
}

/** The mail as it leaves SES: with a Date, a Message-ID and a Return-Path of its own. */
async function send({ reportId, gzip }: FrozenPart): Promise<Buffer> {
  const sent: Buffer[] = [];
  const client = {
    send: async (command: {
      readonly input: { readonly Content: { readonly Raw: { readonly Data: Uint8Array } } };
    }) => {
      sent.push(Buffer.from(command.input.Content.Raw.Data));
      return { MessageId: 'ses-1' };
    },
  } as unknown as SESv2Client;
  const mail = createReportMailer({
    client,
    configurationSet: 'set',
    from: contact,
    readKeys: async () => [key],
    now: () => nowMs,
  });
  const fileName = reportFileName({
    submitter: 'sender.example',
    policyDomain: domain,
    day,
    uniqueId: '1',
  });
  const report = { policyDomain: domain, reportId, fileName, gzip };
  expect(await mail('r@a.example', report)).toMatchObject({ kind: 'delivered' });
  const text = sent[0]?.toString('latin1') ?? '';
  const rewritten = text
    .replace(/^Date: .*$/m, 'Date: Tue, 24 Nov 2026 02:22:22 +0000')
    .replace(/^Message-ID: .*$/m, 'Message-ID: <1@eu-west-1.amazonses.example>');
  return Buffer.from(`Return-Path: <1@amazonses.example>\r\n${rewritten}`, 'latin1');
}

function receiver(): (octets: Buffer) => Promise<ReceiptEvent> {
  const store = createMemoryReceipts();
  const checkSignatures = createSignatureCheck(resolverOf(keyRecords([key])));
  let arrivals = 0;
  return (octets) => {
    arrivals += 1;
    const facts = { way: 'mail', rawKey: `raw-${arrivals}`, receivedAtMs: nowMs } as const;
    return receiveReport(
      { ...facts, octets, isLastTry: true },
      {
        store,
        checkSignatures,
        own: { domains: [domain], mxHosts: [] },
        deadlineMs: nowMs,
        announce: () => undefined,
      },
    );
  };
}

const policy = fc.record({
  type: fc.constantFrom('sts' as const, 'tlsa' as const, 'no-policy-found' as const),
  domain: fc.constant(domain),
  strings: fc.constantFrom(['version: STSv1', 'mode: testing'], ['mode: enforce'], []),
  mxHosts: fc.constant(['*.a.example']),
});
const failure = fc.record({
  resultType: fc.constantFrom('certificate-expired' as const, 'starttls-not-supported' as const),
  receivingMxHostname: fc.constantFrom('mx1.a.example', 'mx2.a.example'),
  failureReasonCode: fc.string({ minLength: 1, maxLength: 300 }),
});
const tally: fc.Arbitrary<PolicyTally> = fc
  .record({
    policy,
    successes: fc.nat(1_000),
    details: fc.array(fc.record({ failure, sessions: fc.integer({ min: 1, max: 100 }) }), {
      maxLength: 20,
    }),
  })
  .map(({ details, ...rest }) => ({
    ...rest,
    details,
    failures: details.reduce((sum, { sessions }) => sum + sessions, 0),
  }));

const add = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

function totals(sums: readonly ReportSums[]): object {
  const policies = sums.flatMap((each) => each.policies);
  const failures = sums.flatMap((each) => each.failures);
  return {
    successes: add(policies.map(({ successes }) => successes)),
    failures: add(policies.map((each) => each.failures)),
    detailed: add(failures.map(({ sessions }) => sessions)),
    expired: add(
      failures
        .filter(({ resultType }) => resultType === 'certificate-expired')
        .map(({ sessions }) => sessions),
    ),
  };
}

test('every recorded session is received, once, whatever was recorded by however many processes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(tally, { maxLength: 6 }), { maxLength: 3 }),
      async (written) => {
        const receive = receiver();
        const sums: ReportSums[] = [];
        for (const part of await build(written)) {
          const mail = await send(part);
          const event = await receive(mail);
          expect(event.receipt).toMatchObject({ state: 'counted' });
          sums.push(...event.sums);
          expect(await receive(mail)).toMatchObject({ outcome: 'duplicate' });
        }
        const all = written.flat();
        const details = all.flatMap((each) => each.details);
        expect(totals(sums)).toEqual({
          successes: add(all.map(({ successes }) => successes)),
          failures: add(all.map(({ failures }) => failures)),
          detailed: add(details.map(({ sessions }) => sessions)),
          expired: add(
            details
              .filter(({ failure: { resultType } }) => resultType === 'certificate-expired')
              .map(({ sessions }) => sessions),
          ),
        });
      },
    ),
    { numRuns: 40 },
  );
});

test('what we post to a server, our own takes at its door and counts apart', async () => {
  const details = [{ failure: { resultType: 'certificate-expired' }, sessions: 2 }] as const;
  const applied = { type: 'sts', domain, strings: ['mode: testing'], mxHosts: [] } as const;
  const own = { domains: [domain], mxHosts: [] };
  const objects = new Map<string, Uint8Array>();
  const put = async (key: string, octets: Uint8Array): Promise<void> =>
    void objects.set(key, octets);
  const post = postReportRoutes({ own, put, now: () => nowMs })['POST /tlsrpt'];
  for (const { gzip } of await build([[{ policy: applied, successes: 5, failures: 2, details }]])) {
    const headers = { 'content-type': 'application/tlsrpt+gzip' };
    const answer = await post?.(httpEvent('POST /tlsrpt', { body: gzip, headers }));
    expect(answer?.statusCode).toBe(200);
  }
  expect(objects.size).toBe(1);
  const store = createMemoryReceipts();
  for (const [rawKey, octets] of objects) {
    const facts = { way: 'https', rawKey, octets, receivedAtMs: nowMs, isLastTry: false } as const;
    const { receipt, sums } = await receiveReport(facts, {
      store,
      checkSignatures: async () => [],
      own,
      deadlineMs: nowMs,
      announce: () => undefined,
    });
    expect(receipt).toMatchObject({ state: 'counted', way: 'https', deviations: [] });
    expect(totals(sums)).toEqual({ successes: 5, failures: 2, detailed: 2, expired: 2 });
  }
});

test('by the book: without a deviation', async () => {
  const details = [
    {
      failure: { resultType: 'certificate-expired', receivingMxHostname: 'mx1.a.example' },
      sessions: 2,
    },
  ] as const;
  const applied = {
    type: 'sts',
    domain,
    strings: ['version: STSv1', 'mode: testing'],
    mxHosts: ['*.a.example'],
  } as const;
  const parts = await build([[{ policy: applied, successes: 5, failures: 2, details }]]);
  for (const part of parts) {
    const { receipt } = await receiver()(await send(part));
    expect(receipt).toMatchObject({
      state: 'counted',
      deviations: [],
      summary: { submitter: 'sender.example', day },
    });
  }
  expect(parts.length).toBe(1);
});
