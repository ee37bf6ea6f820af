/**
 * What TLS reports cost: writes at recording, building all of a day's, and reading those of others.
 *
 * DynamoDB is a client that answers by itself, so what its SDK makes of the network is left out; what the adapter makes of items
 * is not. Reports are built in a process of 512 MB, one after the other.
 */
import { gzipSync } from 'node:zlib';
import { createReportResults } from '../../functions/adapters/aws/report-results.ts';
import { createSignatureCheck } from '../../functions/adapters/net/check-signatures.ts';
import { readReport } from '../../functions/protocol/tlsrpt/read-report.ts';
import { buildReport, reportFileName } from '../../functions/protocol/tlsrpt/report.ts';
import { composeReportMail } from '../../functions/protocol/tlsrpt/report-mail.ts';
import type { PolicyTally } from '../../functions/protocol/tlsrpt/tally.ts';
import { findReport } from '../../functions/reporting/find-report.ts';
import { createSessionRecorder } from '../../functions/reporting/record-sessions.ts';
import { rsaKey } from '../protocol/dkim/keys.ts';
import { startRandom } from '../random.ts';
import { keyRecords, resolverOf, signed } from '../reporting/report-mails.ts';
import { buildInProcess } from './bench-processes.ts';
import { cpuSecondsSince, type Measurement, type Report } from './report.ts';
import {
  batchSize,
  type DaySize,
  day,
  domainOf,
  drawSession,
  failureOf,
  policyOf,
  recordOf,
  tableName,
  writingClient,
} from './tlsrpt-day.ts';

const startMs = Date.parse(`${day}T00:00:00Z`);
const mailsRead = 2_000;
/** Sessions that are recorded of a day that has more: what a message takes is the same. */
const recordedMax = 1_000_000;

export async function benchTlsrpt(size: DaySize): Promise<Report> {
  return {
    benchmark: 'tlsrpt',
    measurements: [
      { what: 'domains', value: size.domains, unit: 'domains' },
      { what: 'sessions', value: size.sessions, unit: 'sessions', note: 'one a message' },
      ...(await measureRecording(size)),
      ...(await measureBuilding(size)),
      ...(await measureReading()),
    ],
  };
}

/** By one process with all of the mail, so that a domain is put on the list of the day as seldom as it may be. */
async function measureRecording(size: DaySize): Promise<readonly Measurement[]> {
  const counts = { calls: 0, results: 0, listed: 0 };
  const client = writingClient((requests) => {
    counts.calls += 1;
    for (const { PutRequest } of requests) {
      counts[PutRequest?.Item?.['policies'] === undefined ? 'listed' : 'results'] += 1;
    }
  });
  let ids = 0;
  const recorder = createSessionRecorder({
    store: createReportResults({ client, tableName }),
    lookUpRecord: async (domain) => ({ kind: 'record', text: recordOf(domain) }),
    idOf: () => String(ids++),
    observe: (event) => {
      if (event.kind === 'results-lost') {
        throw event.error;
      }
    },
  });
  const sessions = Math.min(size.sessions, recordedMax);
  const random = startRandom(8_460);
  const begun = process.cpuUsage();
  for (let batch = 0; batch < sessions / batchSize; batch += 1) {
    for (let index = 0; index < batchSize; index += 1) {
      const { rank, fails } = drawSession(size, random);
      recorder.record({
        domain: domainOf(rank),
        startedAtMs: startMs,
        policy: policyOf(rank),
        ...(fails && { failure: failureOf(rank) }),
      });
    }
    await recorder.flush(startMs);
  }
  const thousands = sessions / 1_000;
  const each = { unit: 'per 1,000 messages' };
  return [
    { what: 'recording: sessions recorded', value: sessions, unit: 'sessions' },
    { what: 'recording: items of results written', value: counts.results / thousands, ...each },
    { what: 'recording: domains put on the list', value: counts.listed / thousands, ...each },
    { what: 'recording: calls of DynamoDB', value: counts.calls / thousands, ...each },
    {
      what: 'recording: CPU of a message',
      value: (cpuSecondsSince(begun) / sessions) * 1e6,
      unit: 'µs',
    },
  ];
}

async function measureBuilding(size: DaySize): Promise<readonly Measurement[]> {
  const built = await buildInProcess(size);
  const { progress, seconds, cpuSeconds, largestSeconds, gzipBytes } = built;
  const items = progress.at(-1)?.items ?? 0;
  return [
    { what: 'building: items of results read', value: items, unit: 'items' },
    { what: 'building: all reports', value: seconds, unit: 's', note: 'making the items included' },
    { what: 'building: reports', value: size.domains / seconds, unit: '/s', note: 'aim: 2,000' },
    {
      what: 'building: reports but for the largest',
      value: (size.domains - 1) / (seconds - largestSeconds),
      unit: '/s',
    },
    { what: 'building: the largest', value: largestSeconds, unit: 's' },
    { what: 'building: CPU of an item', value: (cpuSeconds / items) * 1e6, unit: 'µs' },
    { what: 'building: a report, compressed', value: gzipBytes / size.domains, unit: 'bytes' },
    ...progress.map(({ domains, items: read, peakBytes }) => ({
      what: `building: peak memory after ${domains.toLocaleString('en-US')} domains`,
      value: peakBytes / 1_048_576,
      unit: 'MiB',
      note: `${read.toLocaleString('en-US')} items read; limit: 512`,
    })),
  ];
}

async function measureReading(): Promise<readonly Measurement[]> {
  const key = { domain: 'sender.example', selector: 'r', privateKey: rsaKey };
  const check = createSignatureCheck(resolverOf(keyRecords([key])));
  const measurements: Measurement[] = [];
  for (const kinds of [1, 10, 100]) {
    const mail = signed(composeMail(kinds), key);
    const read = await perCpuSecond(mailsRead, async () => {
      const found = await findReport(mail);
      if (found.kind !== 'found' || readReport(found.json).kind !== 'report') {
        throw new Error('a report is not read');
      }
    });
    const verified = await perCpuSecond(mailsRead, async () => {
      const [signature] = await check(mail, { receivedAtMs: startMs, deadlineMs: startMs });
      if (signature?.outcome !== 'valid') {
        throw new Error('a signature is not valid');
      }
    });
    const what = `receiving: a mail of ${mail.length.toLocaleString('en-US')} bytes, ${kinds} kinds of failure`;
    measurements.push(
      { what: `${what}: read`, value: read, unit: 'per CPU-second' },
      { what: `${what}: signature verified`, value: verified, unit: 'per CPU-second' },
    );
  }
  return measurements;
}

async function perCpuSecond(count: number, run: () => Promise<void>): Promise<number> {
  // In which code becomes warm; it does not count.
  for (let index = 0; index < count / 5; index += 1) {
    await run();
  }
  const begun = process.cpuUsage();
  for (let index = 0; index < count; index += 1) {
    await run();
  }
  return count / cpuSecondsSince(begun);
}

/** A mail about one policy with so many kinds of failure. */
function composeMail(kinds: number): Uint8Array {
  const domain = domainOf(0);
  const details = Array.from({ length: kinds }, (_, index) => ({
    failure: { ...failureOf(0), receivingIp: `192.0.2.${index}` },
    sessions: index + 1,
  }));
  const failures = details.reduce((sum, { sessions }) => sum + sessions, 0);
  const policies: readonly PolicyTally[] = [
    { policy: policyOf(0), successes: 1_000, failures, details },
  ];
  const from = 'tls@sender.example';
  const reportId = '1@sender.example';
  const facts = { organizationName: 'Sender', contactInfo: from, reportId, day, policies };
  return composeReportMail({
    from,
    to: 'tls-reports@example.net',
    policyDomain: domain,
    reportId,
    fileName: reportFileName({
      submitter: 'sender.example',
      policyDomain: domain,
      day,
      uniqueId: '1',
    }),
    gzip: gzipSync(JSON.stringify(buildReport(facts))),
    nowMs: startMs,
  });
}
