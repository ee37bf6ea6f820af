/**
 * A day of mail to report on, as far as it is asked for: nothing of it is kept, so that memory is what building takes.
 *
 * One domain has half of all sessions; the others' shares fall off with their rank (Zipf). Every domain asks for reports, a
 * tenth has an MTA-STS policy, another tenth DANE, and every fiftieth session fails.
 */
import type { DynamoDBClient, WriteRequest } from '@aws-sdk/client-dynamodb';
import { createReportResults } from '../../functions/adapters/aws/report-results.ts';
import type { AppliedPolicy, SessionFailure } from '../../functions/protocol/tlsrpt/tally.ts';
import type { RecordedResults, ResultReader } from '../../functions/reporting/ports.ts';

export interface DaySize {
  readonly domains: number;
  readonly sessions: number;
}

export const day = '2026-11-23';
export const tableName = 'reports';

/** What one invocation of the delivery function has. */
export const batchSize = 10;
const failsOneIn = 50;

/** What DynamoDB puts into one page, 1 MB, of items as these are. */
const pageItems = 1_500;
/** Shards of one domain, by which `createReportResults` asks. */
const shards = 8;

export function domainOf(rank: number): string {
  return `d${rank}.example`;
}

export function recordOf(domain: string): string {
  return `v=TLSRPTv1; rua=mailto:tls-reports@${domain}`;
}

export function policyOf(rank: number): AppliedPolicy {
  const domain = domainOf(rank);
  const mx = `mx1.${domain}`;
  switch (rank % 10) {
    case 0: {
      const mxHosts = [mx, `*.mail.${domain}`];
      const lines = mxHosts.map((host) => `mx: ${host}`);
      const strings = ['version: STSv1', 'mode: enforce', ...lines, 'max_age: 604800'];
      return { type: 'sts', domain, strings, mxHosts };
    }
    case 1:
      return {
        type: 'tlsa',
        domain,
        strings: [`3 1 1 ${'0123456789ABCDEF'.repeat(4)}`],
        mxHosts: [],
      };
    default:
      return { type: 'no-policy-found', domain, strings: [], mxHosts: [] };
  }
}

export function failureOf(rank: number): SessionFailure {
  return {
    resultType: 'certificate-expired',
    receivingMxHostname: `mx1.${domainOf(rank)}`,
    receivingIp: '192.0.2.1',
    failureReasonCode: 'CERT_HAS_EXPIRED',
  };
}

/** The rank of the domain that the next session is with, and whether it fails. */
export function drawSession(
  { domains }: DaySize,
  random: (below: number) => number,
): { readonly rank: number; readonly fails: boolean } {
  const isLargest = domains === 1 || random(2) === 0;
  // The inverse of a density that falls off as 1/rank.
  const rank = isLargest ? 0 : Math.floor((domains - 1) ** (random(2 ** 31) / 2 ** 31));
  return { rank, fails: random(failsOneIn) === 0 };
}

/** How many items recording such a day leaves of a domain: the batches with a session of its. */
export function itemsOf(rank: number, { domains, sessions }: DaySize): number {
  const share = rank === 0 ? 1 / 2 : Math.log((rank + 1) / rank) / Math.log(domains) / 2;
  return Math.max(1, Math.round((sessions / batchSize) * (1 - (1 - share) ** batchSize)));
}

/** Gives writes to `take`; and that is all that becomes of them. */
export function writingClient(take: (requests: readonly WriteRequest[]) => void): DynamoDBClient {
  const send = async (command: {
    readonly input: { readonly RequestItems: Record<string, readonly WriteRequest[]> };
  }): Promise<object> => {
    take(command.input.RequestItems[tableName] ?? []);
    return {};
  };
  return { send } as unknown as DynamoDBClient;
}

type Item = NonNullable<NonNullable<WriteRequest['PutRequest']>['Item']>;

interface Query {
  readonly ExpressionAttributeValues: { readonly ':partition': { readonly S: string } };
  readonly ExclusiveStartKey?: { readonly left: { readonly N: string } };
}

/** The results of a day as items of the table, read by the adapter of AWS. */
export function readDay(size: DaySize): ResultReader {
  let made: { readonly rank: number; readonly items: readonly Item[] } | undefined;
  const send = async ({ input }: { readonly input: Query }): Promise<object> => {
    const [, , domain = '', shard] = input.ExpressionAttributeValues[':partition'].S.split('#');
    const rank = Number(domain.slice(1, domain.indexOf('.')));
    if (made?.rank !== rank) {
      made = { rank, items: await encodeKinds(rank) };
    }
    const kinds = made.items;
    const all = Math.ceil((itemsOf(rank, size) - Number(shard)) / shards);
    const left = Number(input.ExclusiveStartKey?.left.N ?? all);
    const rest = Math.max(0, left - pageItems);
    return {
      Items: Array.from({ length: left - rest }, (_, index): Item => {
        const serial = rest + index;
        return { ...kinds[serial % failsOneIn === 0 ? 1 : 0], entry: { S: `${serial}` } };
      }),
      ...(rest > 0 && { LastEvaluatedKey: { left: { N: `${rest}` } } }),
    };
  };
  return createReportResults({ client: { send } as unknown as DynamoDBClient, tableName });
}

/** An item of sessions that succeeded, and one with a failure, as the adapter writes them. */
async function encodeKinds(rank: number): Promise<readonly Item[]> {
  const written: Item[] = [];
  const client = writingClient((requests) => {
    written.push(...requests.map(({ PutRequest }) => PutRequest?.Item ?? {}));
  });
  const base = { id: 'r', day, domain: domainOf(rank), record: recordOf(domainOf(rank)) };
  const policy = policyOf(rank);
  const successes = rank === 0 ? batchSize / 2 : 1;
  const results: readonly RecordedResults[] = [
    { ...base, policies: [{ policy, successes, failures: 0, details: [] }] },
    {
      ...base,
      policies: [
        { policy, successes: 0, failures: 1, details: [{ failure: failureOf(rank), sessions: 1 }] },
      ],
    },
  ];
  await createReportResults({ client, tableName }).write(results);
  // The list of domains comes first.
  return written.slice(1);
}
