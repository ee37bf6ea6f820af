/**
 * Reports on their way, in the report table: `report#<day>#<domain>`, `report`.
 *
 * What is frozen is one conditional write, so of two jobs for the same report one decides its ids and bodies. A body
 * too large for an item lies in the bucket under a key made of its own hash: two that race write two objects, and the item
 * names the one that counts.
 *
 * The contracts are `ReportStore` and `PlanStore` in functions/reporting/ports.ts.
 */
import { createHash } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { UtcDay } from '../../protocol/tlsrpt/report.ts';
import type {
  DestinationState,
  FrozenPart,
  FrozenReport,
  PlanStore,
  ReportStore,
} from '../../reporting/ports.ts';
import { readItem, type Table, updateIf } from './conditional-update.ts';
import { type Item, integer, itemReader, text } from './item.ts';
import { removeAfter } from './report-expiry.ts';
import { orUnavailable } from './store-failure.ts';

/** Bodies of an item as base64; the rest of its 400 KB is for ids and destinations. */
const inlineCharsMax = 250_000;

/** What became of a report can be looked up for this long. */
const keptDays = 60;

const destinationsSchema: z.ZodType<DestinationState[]> = z.array(
  z.strictObject({
    uri: z.string(),
    state: z.enum(['pending', 'delivered', 'failed', 'suppressed', 'discarded']),
    attempts: z.int(),
    split: z.boolean().exactOptional(),
    detail: z.string().exactOptional(),
  }),
);

const partsSchema = z.array(
  z.union([
    z.strictObject({ reportId: z.string(), data: z.base64() }),
    z.strictObject({ reportId: z.string(), key: z.string() }),
  ]),
);

type StoredPart = z.infer<typeof partsSchema>[number];

export interface ReportStatesOptions extends Table {
  readonly s3: S3Client;
  /** For bodies that are too large for an item, under `sent/`. */
  readonly bucket: string;
}

/** The states of reports, and how far days are planned. */
export function createReportStates(options: ReportStatesOptions): ReportStore & PlanStore {
  return {
    read: async (day, domain) => {
      const item = await readItem(options, reportKey(day, domain));
      return item && decodeReport(options, item, { day, domain });
    },
    freeze: (report) => freeze(options, report),
    claim: async (day, domain, leaseEndMs, nowMs) => {
      const { met, item } = await updateIf(options, {
        key: reportKey(day, domain),
        condition: 'attribute_exists(#parts) AND #leaseEndMs <= :nowMs',
        conditionValues: { nowMs: integer(nowMs) },
        set: { leaseEndMs: integer(leaseEndMs) },
      });
      return met ? decodeReport(options, item, { day, domain }) : undefined;
    },
    settle: async (day, domain, destinations, nowMs) => {
      await updateIf(options, {
        key: reportKey(day, domain),
        condition: 'attribute_exists(#parts)',
        set: {
          destinations: text(JSON.stringify(destinations)),
          settledAtMs: integer(nowMs),
          leaseEndMs: integer(0),
        },
      });
    },
    plannedPortion: async (day) => {
      const item = await readItem(options, planKey(day));
      return Number(item?.['portion']?.N ?? -1);
    },
    notePlanned: async (day, portion) => {
      await updateIf(options, {
        key: planKey(day),
        // Of two planners the one that got further has the last word.
        condition: 'attribute_not_exists(#portion) OR #portion < :portion',
        set: { portion: integer(portion), removeAtSeconds: removeAfter(day, keptDays) },
      });
    },
  };
}

function reportKey(day: UtcDay, domain: string): Item {
  return { key: text(`report#${day}#${domain}`), entry: text('report') };
}

function planKey(day: UtcDay): Item {
  return { key: text(`plan#${day}`), entry: text('plan') };
}

async function freeze(options: ReportStatesOptions, report: FrozenReport): Promise<FrozenReport> {
  const { day, domain, parts, destinations, frozenAtMs } = report;
  const { met, item } = await updateIf(options, {
    key: reportKey(day, domain),
    condition: 'attribute_not_exists(#parts)',
    set: {
      parts: text(JSON.stringify(await storeParts(options, report, parts))),
      destinations: text(JSON.stringify(destinations)),
      frozenAtMs: integer(frozenAtMs),
      leaseEndMs: integer(0),
      removeAtSeconds: removeAfter(day, keptDays),
    },
  });
  if (met) {
    return report;
  }
  if (item === undefined) {
    throw new TransportSecurityError('store-unavailable', `the report of ${domain} went away`);
  }
  return decodeReport(options, item, report);
}

async function storeParts(
  { s3, bucket }: ReportStatesOptions,
  { day, domain }: Pick<FrozenReport, 'day' | 'domain'>,
  parts: readonly FrozenPart[],
): Promise<StoredPart[]> {
  const inline = parts.map(({ reportId, gzip }) => ({
    reportId,
    data: Buffer.from(gzip).toString('base64'),
  }));
  if (inline.reduce((sum, { data }) => sum + data.length, 0) <= inlineCharsMax) {
    return inline;
  }
  const stored: StoredPart[] = [];
  for (const { reportId, gzip } of parts) {
    const key = `sent/${day}/${domain}/${createHash('sha256').update(gzip).digest('hex')}.json.gz`;
    await orUnavailable(`PutObject ${key} in bucket ${bucket}`, () =>
      s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: gzip })),
    );
    stored.push({ reportId, key });
  }
  return stored;
}

async function decodeReport(
  options: ReportStatesOptions,
  item: Item,
  { day, domain }: Pick<FrozenReport, 'day' | 'domain'>,
): Promise<FrozenReport> {
  const reader = itemReader(
    item,
    `the report of ${domain} on ${day} in table ${options.tableName}`,
  );
  const parts: FrozenPart[] = [];
  for (const part of reader.json('parts', partsSchema)) {
    const gzip = 'data' in part ? Buffer.from(part.data, 'base64') : await load(options, part.key);
    parts.push({ reportId: part.reportId, gzip });
  }
  return {
    day,
    domain,
    parts,
    frozenAtMs: reader.integer('frozenAtMs'),
    destinations: reader.json('destinations', destinationsSchema),
  };
}

async function load({ s3, bucket }: ReportStatesOptions, key: string): Promise<Uint8Array> {
  return orUnavailable(`GetObject ${key} in bucket ${bucket}`, async () => {
    const { Body: body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    if (body === undefined) {
      throw new Error('S3 sent no body');
    }
    return body.transformToByteArray();
  });
}
