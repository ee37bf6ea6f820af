/**
 * Results of TLS sessions on DynamoDB, in the report table.
 *
 * Keys: `key` and `entry`, both texts. `results#<day>#<domain>#<shard>`, the id: results as one process wrote them down.
 * `domains#<day>#<shard>`, the domain: that there are some. TTL attribute: `removeAtSeconds`.
 *
 * The contracts are `ResultStore` and `ResultReader` in functions/reporting/ports.ts.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { AttributeValue, WriteRequest } from '@aws-sdk/client-dynamodb';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { UtcDay } from '../../protocol/tlsrpt/report.ts';
import { createTally, type PolicyTally } from '../../protocol/tlsrpt/tally.ts';
import type { RecordedResults, ResultReader, ResultStore } from '../../reporting/ports.ts';
import { writeItems } from './batch-calls.ts';
import type { Table } from './conditional-update.ts';
import { type Item, itemReader, text } from './item.ts';
import { createListedDomains, type DomainOfDay } from './listed-domains.ts';
import { queryPages } from './query-pages.ts';
import { removeAfter } from './report-expiry.ts';
import { shardOf } from './shard.ts';

/**
 * Partitions of one domain and day. DynamoDB takes 1,000 writes a second and partition: a domain to which half of all
 * mail goes gets one write from every batch.
 */
const writerShards = 8;

/** Partitions of the list of one day's domains. */
const domainShards = 8;

/** A day is reported within two; what a planner missed can be looked into for this long. */
const keptDays = 14;

/** Domains that a process remembers to have listed: 15 MB. */
const listedMax = 200_000;

/** DynamoDB: 400 KB an item, of which a record may take 64 KB. */
const gzipBytesMax = 320_000;

/**
 * Above this, results are compressed. What is smaller is one unit of writing (1 KB) anyhow, keys and record included; and to
 * compress and unpack it would be most of the work of recording and building reports, which are made of millions of such.
 */
const plainBytesMax = 640;

/** Both sides. `write` is one item for each of its results, and one more where a domain is new to this process. */
export function createReportResults(options: Table): ResultStore & ResultReader {
  const listed = createListedDomains(listedMax);
  return {
    write: async (results) => {
      const domains = new Map(
        results
          .filter((each) => !listed.has(each))
          .map(({ day, domain }) => [`${day} ${domain}`, { day, domain }]),
      );
      await writeItems(options, [
        // The list first: results of a domain that is not on it would never be found.
        ...[...domains.values()].map(encodeDomain),
        ...results.map(encodeResults),
      ]);
      for (const domain of domains.values()) {
        listed.add(domain);
      }
    },
    async *domainsOf(day) {
      for (let index = 0; index < domainShards; index += 1) {
        const partition = ['key', `domains#${day}#${index}`] as const;
        for await (const items of queryPages(options, { partition })) {
          yield items.map((item) =>
            itemReader(item, `a list of table ${options.tableName}`).text('entry'),
          );
        }
      }
    },
    async *resultsOf(day, domain) {
      for (let index = 0; index < writerShards; index += 1) {
        const partition = ['key', resultsKey(day, domain, index)] as const;
        for await (const items of queryPages(options, { partition })) {
          yield items.map((item) => decodeResults(item, { day, domain }, options.tableName));
        }
      }
    },
  };
}

function resultsKey(day: UtcDay, domain: string, shard: number): string {
  return `results#${day}#${domain}#${shard}`;
}

function encodeDomain({ day, domain }: DomainOfDay): WriteRequest {
  return put({
    key: text(`domains#${day}#${shardOf(domain, domainShards)}`),
    entry: text(domain),
    removeAtSeconds: removeAfter(day, keptDays),
  });
}

function encodeResults({ id, day, domain, record, policies }: RecordedResults): WriteRequest {
  return put({
    // By the id, so that what is written once more takes its own place.
    key: text(resultsKey(day, domain, shardOf(id, writerShards))),
    entry: text(id),
    policies: pack(policies, domain),
    ...(record !== undefined && { record: text(record) }),
    removeAtSeconds: removeAfter(day, keptDays),
  });
}

/** JSON, or that compressed; without particulars where the item would be too large. */
function pack(policies: readonly PolicyTally[], domain: string): AttributeValue {
  const json = JSON.stringify(policies);
  if (Buffer.byteLength(json) <= plainBytesMax) {
    return text(json);
  }
  const gzip = gzipSync(json);
  return {
    B: gzip.length > gzipBytesMax ? gzipSync(JSON.stringify(toBare(policies, domain))) : gzip,
  };
}

/**
 * What a stranger chose is left out, the texts of policies and the particulars of failures. The counts stay: refused, these
 * results would take with them those of all other domains of the same batch.
 */
function toBare(policies: readonly PolicyTally[], domain: string): readonly PolicyTally[] {
  const tally = createTally(domain);
  tally.merge(
    policies.map(({ policy, details, ...sums }) => ({
      ...sums,
      policy: { ...policy, strings: [], mxHosts: [] },
      details: details.map(({ failure: { resultType }, sessions }) => ({
        failure: { resultType },
        sessions,
      })),
    })),
  );
  return tally.list();
}

function put(item: Item): WriteRequest {
  return { PutRequest: { Item: item } };
}

function decodeResults(
  item: Item,
  { day, domain }: DomainOfDay,
  tableName: string,
): RecordedResults {
  const reader = itemReader(item, `results of ${domain} on ${day} in table ${tableName}`);
  return {
    id: reader.text('entry'),
    day,
    domain,
    ...(reader.has('record') && { record: reader.text('record') }),
    policies: unpack(item, domain),
  };
}

/** Written by {@link pack} alone, so its inner shape is taken on trust. */
function unpack(item: Item, domain: string): readonly PolicyTally[] {
  try {
    const { S: plain, B: gzip = new Uint8Array() } = item['policies'] ?? {};
    const json = plain ?? gunzipSync(gzip, { maxOutputLength: 64 * 1_024 * 1_024 }).toString();
    return JSON.parse(json) as readonly PolicyTally[];
  } catch (cause) {
    throw new TransportSecurityError('store-damaged', `results of ${domain} are not as written`, {
      cause,
    });
  }
}
