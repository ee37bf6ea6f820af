/**
 * TLS reports that others sent, in the report table and its bucket.
 *
 * Keys: `receipt#<id>`, `receipt`: what became of an arrival, written once. `received#<UTC day>`, `<time>#<id>`: the list of
 * a day. `sums#<policy domain>`, `<UTC day>#<reporter>#<id>`: what one report says of one domain, the same however often
 * it is written. `failures#<policy domain>`, the result type: that it was seen. TTL attribute: `removeAtSeconds`.
 *
 * The contracts are `ReceiptStore` and `ReceiptReader` in functions/reporting/receive-ports.ts.
 */
import type { WriteRequest } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { dayRange, type UtcDay } from '../../protocol/tlsrpt/report.ts';
import type { Receipt, ReceiptReader, ReceiptStore } from '../../reporting/receive-ports.ts';
import type { ReportSums } from '../../reporting/report-sums.ts';
import { writeItems } from './batch-calls.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import { type Item, integer, itemReader, text } from './item.ts';
import { queryPages } from './query-pages.ts';
import { orUnavailable, storeUnavailable } from './store-failure.ts';

/** 13 months, as the objects in the bucket (lib/state-stack.ts). */
const keptDays = 396;

const way = z.enum(['mail', 'https']);

const receiptSchema: z.ZodType<Receipt> = z.strictObject({
  id: z.string(),
  state: z.enum(['counted', 'unverified', 'foreign', 'unreadable']),
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

/** Both sides. */
export function createReceivedReports(table: Table): ReceiptStore & ReceiptReader {
  return {
    keep: (receipt) => keep(table, receipt),
    writeSums: (sums) => writeItems(table, sums.map(encodeSums)),
    noteFailure: (domain, resultType, day) => noteFailure(table, { domain, resultType, day }),
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
  };
}

function receiptKey(id: string): Item {
  return { key: text(`receipt#${id}`), entry: text('receipt') };
}

async function keep(table: Table, receipt: Receipt): Promise<'kept' | 'again' | 'duplicate'> {
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
  const time = new Date(receivedAtMs).toISOString();
  const key = { key: text(`received#${time.slice(0, 10)}`), entry: text(`${time}#${id}`) };
  await writeItems(table, [put({ ...key, ...attributes })]);
  return met ? 'kept' : 'again';
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
  {
    domain,
    resultType,
    day,
  }: { readonly domain: string; readonly resultType: string; readonly day: UtcDay },
): Promise<boolean> {
  const key = { key: text(`failures#${domain}`), entry: text(resultType) };
  const set = { lastDay: text(day), ...removalAfter(dayRange(day).endMs) };
  const first = await updateIf(table, { key, condition: 'attribute_not_exists(#lastDay)', set });
  if (!first.met) {
    // Kept for 13 months after the last time, not after the first.
    const conditionValues = { day: text(day) };
    await updateIf(table, { key, condition: '#lastDay < :day', conditionValues, set });
  }
  return first.met;
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
