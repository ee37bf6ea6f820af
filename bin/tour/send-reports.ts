/**
 * The end of the tour: the TLS reports about what it sent (RFC 8460), to a mailbox and to an HTTPS endpoint of the world. The
 * mailbox is the one where this installation takes reports itself.
 *
 * A day is reported once it is over. Nobody waits for that here: the jobs are put into the report queue at once, as
 * `plan-reports` would by night.
 */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SQSClient } from '@aws-sdk/client-sqs';
import PostalMime from 'postal-mime';
import { createReportQueue } from '../../functions/adapters/aws/report-queue.ts';
import { createReportResults } from '../../functions/adapters/aws/report-results.ts';
import { tlsrptRecordName } from '../../functions/protocol/tlsrpt/record.ts';
import { type ReportJson, type UtcDay, utcDay } from '../../functions/protocol/tlsrpt/report.ts';
import type { LocalCloud } from '../local/cloud.ts';
import type { SesMessage } from '../local/ses.ts';
import type { World } from '../world/world.ts';
import { tourKeyOf, tourReportInbox } from './assembly.ts';
import { poll } from './poll.ts';
import { receiveReport } from './receive-report.ts';
import type { TourRow } from './table.ts';

/** Who wants reports, and by which way. Of the first nothing failed; the second has a certificate for another name. */
const [byMail] = tourReportInbox.domains;
const byHttps = 'testing-wrong-name.example';
const { mailbox } = tourReportInbox;
const endpoint = `tls-reports.${byHttps}`;

/** The world's side: records that ask for reports, the key that they are verified by, and an endpoint that takes them. */
export interface ReportDestinations {
  /** What reports are to be signed with: PKCS #8 in PEM, as Secrets Manager would hold it. */
  readonly signingKey: string;
  /** Bodies that were posted, unpacked. */
  readonly posted: readonly ReportJson[];
  stop(): Promise<void>;
}

/** Publishes the records, before anything is sent, and starts the endpoint. */
export async function startReportDestinations(world: World): Promise<ReportDestinations> {
  const place = await world.reserve(endpoint);
  const posted: ReportJson[] = [];
  const server = createServer({ key: place.key, cert: place.cert }, async (request, response) => {
    posted.push(unpack(Buffer.concat(await request.toArray())));
    response.writeHead(201).end();
  });
  server.listen(place.port, place.address);
  await once(server, 'listening');
  for (const [domain, rua] of [
    [byMail, `mailto:${mailbox}`],
    [byHttps, `https://${endpoint}/`],
  ] as const) {
    const name = tlsrptRecordName(domain);
    const data = `v=TLSRPTv1; rua=${rua}`;
    await world.change({
      kind: 'records',
      name,
      type: 'TXT',
      records: [{ name, type: 'TXT', data }],
    });
  }
  return {
    signingKey: publishKey(world),
    posted,
    stop: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Makes a key, and has DNS vouch for it, so that receivers can verify what it signs. */
function publishKey({ zones }: World): string {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const origin = `${tourKeyOf.selector}._domainkey.${tourKeyOf.domain}`;
  // RFC 8463 §4.2: the key itself, without what says which kind it is.
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const key = Buffer.from(x, 'base64url').toString('base64');
  // RFC 8460 §3: its service type is that of reports.
  const data = `v=DKIM1; k=ed25519; s=email:tlsrpt; p=${key}`;
  zones.put({ origin, records: [{ name: origin, type: 'TXT', data }] });
  return privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** What became of the reports. */
export interface ReportsOfTour {
  readonly rows: readonly TourRow[];
  /** The one that came in, as `sealpost report show` shows it; absent where none did. */
  readonly received?: string;
}

/** Sends the reports, takes in the one that was mailed, and gives a row for each. Never rejects. */
export async function sendReports(
  cloud: LocalCloud,
  { posted }: ReportDestinations,
): Promise<ReportsOfTour> {
  const mailed = (): Promise<ReportJson | undefined> => readMailed(cloud);
  const sent = await Promise.all([
    describeReport('tls-report-by-mail', cloud, { domain: byMail, read: mailed, failing: false }),
    describeReport('tls-report-by-https', cloud, {
      domain: byHttps,
      read: async () => posted.at(-1),
      failing: true,
    }),
  ]);
  const { row, shown } = await receiveReport(cloud, findMailed(cloud)?.raw);
  return { rows: [...sent, row], ...(shown !== undefined && { received: shown }) };
}

interface Expectation {
  readonly domain: string;
  readonly read: () => Promise<ReportJson | undefined>;
  /** Whether sessions failed. */
  readonly failing: boolean;
}

async function describeReport(
  scenario: string,
  cloud: LocalCloud,
  { domain, read, failing }: Expectation,
): Promise<TourRow> {
  const row = { scenario, expected: failing ? 'report of failures' : 'report of successes' };
  try {
    const day = await awaitResults(cloud, domain);
    await createReportQueue({
      client: new SQSClient({
        ...common,
        endpoint: cloud.endpoints.sqs,
        useQueueUrlAsEndpoint: false,
      }),
      queueUrl: cloud.physicalId('ReportQueue'),
    }).enqueue([{ job: { day, domain }, delaySeconds: 0 }]);
    const report = await poll(`a report about ${domain}`, read);
    const [successes, failures] = countSessions(report);
    const happened = failures > 0 ? 'report of failures' : 'report of successes';
    return {
      ...row,
      happened,
      why: `${report['report-id']}: ${successes} sessions well, ${failures} failed`,
      differences: happened === row.expected ? [] : [JSON.stringify(report)],
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...row, happened: 'nothing', why: '', differences: [reason] };
  }
}

const common = {
  region: 'eu-west-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
};

/** The day under which the function has written results down; the tour may run over midnight. */
function awaitResults(cloud: LocalCloud, domain: string): Promise<UtcDay> {
  const results = createReportResults({
    client: new DynamoDBClient({ ...common, endpoint: cloud.endpoints.dynamodb }),
    tableName: cloud.physicalId('ReportTable'),
  });
  const nowMs = Date.now();
  return poll(`results of ${domain}`, async () => {
    for (const day of [utcDay(nowMs), utcDay(nowMs - 600_000)]) {
      for await (const portion of results.resultsOf(day, domain)) {
        if (portion.length > 0) {
          return day;
        }
      }
    }
    return undefined;
  });
}

/** What SES was given for the mailbox. */
function findMailed({ ses }: LocalCloud): SesMessage | undefined {
  return ses.messages.find(({ recipients }) => recipients.includes(mailbox));
}

async function readMailed(cloud: LocalCloud): Promise<ReportJson | undefined> {
  const raw = findMailed(cloud)?.raw;
  if (raw === undefined) {
    return undefined;
  }
  const { attachments } = await PostalMime.parse(raw);
  const content = attachments[0]?.content;
  return content instanceof ArrayBuffer ? unpack(Buffer.from(content)) : undefined;
}

function unpack(gzip: Uint8Array): ReportJson {
  return JSON.parse(gunzipSync(gzip).toString()) as ReportJson;
}

function countSessions({ policies }: ReportJson): readonly [successes: number, failures: number] {
  const sum = (name: keyof ReportJson['policies'][number]['summary']): number =>
    policies.reduce((total, { summary }) => total + summary[name], 0);
  return [sum('total-successful-session-count'), sum('total-failure-session-count')];
}
