/**
 * TLS reports that others sent, in the report table and its bucket.
 *
 * Keys: `receipt#<id>`, `receipt`: what became of an arrival, written once, and then `settledBy`. `received#<UTC day>`,
 * `<time>#<id>`: the list of a day. `sums#<policy domain>`, `<UTC day>#<reporter>#<id>`: what one report says of one domain,
 * the same however often it is written. `failures#<policy domain>`, the result type: that it was seen, and by which report
 * first. `shares#<policy domain>`, `<UTC day>#<type of policy>`: that the operator knows. TTL attribute: `removeAtSeconds`.
 *
 * The contracts are `ReceiptStore`, `ReceiptReader` and `ShareMemory` in functions/reporting/receive-ports.ts.
 */
import { randomUUID } from 'node:crypto';
import type { WriteRequest } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { dayRange, utcDay } from '../../protocol/tlsrpt/report.ts';
import type {
  FailureSighting,
  Receipt,
  ReceiptReader,
  ReceiptStore,
  ShareMemory,
} from '../../reporting/receive-ports.ts';
import { keptDays, type ReportSums } from '../../reporting/report-sums.ts';
import { writeItems } from './batch-calls.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import { type Item, integer, itemReader, text } from './item.ts';
import { queryPages } from './query-pages.ts';
import { orUnavailable, storeUnavailable } from './store-failure.ts';

const way = z.enum(['mail', 'https']);

const receiptSchema: z.ZodType<Receipt> = z.strictObject({
  id: z.string(),
  state: z.enum(['counted', 'unverified', 'foreign', 'untimely', 'unreadable']),
  way,
  receivedAtMs: z.int(),
  rawKey: z.string(),
  reason: z.string().exactOptional(),
  deviations: z.array(z.string()),
  summary: z
    .strictObject({
      organization: z.string(),
      submitter: z.string(),
      reportId: z.string(),
      day: z.string(),
      startMs: z.int(),
      endMs: z.int(),
      domains: z.array(z.string()),
      successes: z.int(),
      failures: z.int(),
    })
    .exactOptional(),
});

const sumsSchema: z.ZodType<ReportSums> = z.strictObject({
  id: z.string(),
  domain: z.string(),
  day: z.string(),
  reporter: z.string(),
  organization: z.string(),
  way,
  policies: z.array(
    z.strictObject({
      type: z.string(),
      mode: z.string().exactOptional(),
      mxHosts: z.array(z.string()),
      successes: z.int(),
      failures: z.int(),
    }),
  ),
  failures: z.array(
    z.strictObject({
      policyType: z.string(),
      resultType: z.string(),
      mxHost: z.string().exactOptional(),
      reason: z.string().exactOptional(),
      sessions: z.int(),
    }),
  ),
});

/** All sides. */
export function createReceivedReports(table: Table): ReceiptStore & ReceiptReader & ShareMemory {
  return {
    keep: (receipt) => keep(table, receipt),
    writeSums: (sums) => writeItems(table, sums.map(encodeSums)),
    noteFailure: (sighting) => noteFailure(table, sighting),
    settle: (id) => settle(table, id),
    read: async (id) => {
      const item = await readItem(table, receiptKey(id));
      return item && decodeReceipt(table, item);
    },
    async *receivedOn(day) {
      for await (const items of queryPages(table, { partition: ['key', `received#${day}`] })) {
        yield items.map((item) => decodeReceipt(table, item));
      }
    },
    async *sumsOf(domain, from, to) {
      const partition = ['key', `sums#${domain}`] as const;
      // "#" comes before "~", which no entry has behind a day.
      const between = ['entry', `${from}#`, `${to}#~`] as const;
      for await (const items of queryPages(table, { partition, between })) {
        yield items.map((item) => itemReader(item, `sums of ${domain}`).json('sums', sumsSchema));
      }
    },
    toldShares: async (domain) => {
      const told = new Set<string>();
      const query = { partition: ['key', `shares#${domain}`], consistent: true } as const;
      for await (const items of queryPages(table, query)) {
        for (const item of items) {
          told.add(itemReader(item, `shares of ${domain}`).text('entry'));
        }
      }
      return told;
    },
    noteShare: (domain, day, policyType) => {
      const key = { key: text(`shares#${domain}`), entry: text(`${day}#${policyType}`) };
      return writeItems(table, [put({ ...key, ...removalAfter(dayRange(day).endMs) })]);
    },
  };
}

function receiptKey(id: string): Item {
  return { key: text(`receipt#${id}`), entry: text('receipt') };
}

async function keep(table: Table, receipt: Receipt): Promise<'open' | 'settled' | 'duplicate'> {
  const { id, receivedAtMs } = receipt;
  const attributes = { receipt: text(JSON.stringify(receipt)), ...removalAfter(receivedAtMs) };
  const { met, item } = await updateIf(table, {
    key: receiptKey(id),
    condition: 'attribute_not_exists(#receipt)',
    set: attributes,
  });
  const isOurs = met || item === undefined || decodeReceipt(table, item).rawKey === receipt.rawKey;
  if (!isOurs) {
    return 'duplicate';
  }
  if (item?.['settledBy'] !== undefined) {
    return 'settled';
  }
  const time = new Date(receivedAtMs).toISOString();
  const key = { key: text(`received#${time.slice(0, 10)}`), entry: text(`${time}#${id}`) };
  await writeItems(table, [put({ ...key, ...attributes })]);
  return 'open';
}

async function settle(table: Table, id: string): Promise<boolean> {
  const settledBy = text(randomUUID());
  const { met, item } = await updateIf(table, {
    key: receiptKey(id),
    condition: 'attribute_exists(#receipt) AND attribute_not_exists(#settledBy)',
    set: { settledBy },
  });
  // Our own, where the SDK asked twice.
  return met || item?.['settledBy']?.S === settledBy.S;
}

function decodeReceipt({ tableName }: Table, item: Item): Receipt {
  return itemReader(item, `a receipt in table ${tableName}`).json('receipt', receiptSchema);
}

function encodeSums(sums: ReportSums): WriteRequest {
  const { domain, day, reporter, id } = sums;
  return put({
    key: text(`sums#${domain}`),
    entry: text(`${day}#${reporter}#${id}`),
    sums: text(JSON.stringify(sums)),
    ...removalAfter(dayRange(day).endMs),
  });
}

async function noteFailure(
  table: Table,
  { domain, resultType, day, id }: FailureSighting,
): Promise<boolean> {
  const key = { key: text(`failures#${domain}`), entry: text(resultType) };
  const set = { lastDay: text(day), ...removalAfter(dayRange(day).endMs) };
  const { met, item } = await updateIf(table, {
    key,
    // DynamoDB takes its time to remove what is over.
    condition: 'attribute_not_exists(#lastDay) OR #lastDay < :forgotten',
    conditionValues: { forgotten: text(utcDay(dayRange(day).startMs - keptDays * 86_400_000)) },
    set: { ...set, firstId: text(id) },
  });
  if (!met) {
    // Kept for 13 months after the last time, not after the first.
    const conditionValues = { day: text(day) };
    await updateIf(table, { key, condition: '#lastDay < :day', conditionValues, set });
  }
  return met || item?.['firstId']?.S === id;
}

function removalAfter(ms: number): Item {
  return { removeAtSeconds: integer(Math.floor(ms / 1_000) + keptDays * 86_400) };
}

function put(item: Item): WriteRequest {
  return { PutRequest: { Item: item } };
}

/** Where raw reports lie. */
export interface RawBucket {
  readonly client: S3Client;
  readonly bucket: string;
}

/**
 * Reads a raw report; undefined where it is gone, and its size alone where it is larger than `bytesMax`.
 *
 * @throws {TransportSecurityError} `store-unavailable`
 */
export async function readRawReport(
  { client, bucket }: RawBucket,
  key: string,
  bytesMax: number,
): Promise<Uint8Array | { readonly bytes: number } | undefined> {
  const doing = `GetObject ${key} in bucket ${bucket}`;
  try {
    const { Body: body, ContentLength: bytes = 0 } = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: key }),
    );
    if (body === undefined || bytes > bytesMax) {
      (body as { destroy?: () => void } | undefined)?.destroy?.();
      return { bytes };
    }
    return await body.transformToByteArray();
  } catch (error) {
    if (error instanceof NoSuchKey) {
      return undefined;
    }
    throw storeUnavailable(doing, error);
  }
}

/** Keeps a raw report. @throws {TransportSecurityError} `store-unavailable` */
export async function putRawReport(
  { client, bucket }: RawBucket,
  key: string,
  octets: Uint8Array,
): Promise<void> {
  await orUnavailable(`PutObject ${key} in bucket ${bucket}`, () =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: octets })),
  );
}
