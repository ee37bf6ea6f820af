import { expect, test } from 'vitest';
import { findHttpsAddresses } from '../../../functions/adapters/net/https-addresses.ts';
import type { Answer, RecordType, Resolver } from '../../../functions/protocol/dns/answer.ts';

const a = ['8.8.8.1', '8.8.8.2', '8.8.8.3', '8.8.8.4', '8.8.8.5'];
const aaaa = ['2001:4860::1', '2001:4860::2'];

function resolverFor(records: Partial<Record<RecordType, readonly string[]>>): Resolver {
  return {
    lookup: async <T extends RecordType>(name: string, type: T) =>
      ({
        kind: 'records',
        records: records[type] ?? [],
        status: 'insecure',
        canonicalName: name,
        aliases: [],
        ttlSeconds: 60,
      }) as unknown as Answer<T>,
  };
}

test.each<[Parameters<typeof resolverFor>[0], readonly (string | undefined)[], string]>([
  [{ A: a, AAAA: aaaa }, [aaaa[0], a[0], aaaa[1], a[1], a[2], a[3]], 'in turns, six at the most'],
  [{ A: a.slice(0, 1), AAAA: aaaa }, [aaaa[0], a[0], aaaa[1]], 'one family with fewer'],
  [{ A: ['10.0.0.1', '8.8.8.1', '127.0.0.1'] }, ['8.8.8.1'], 'private ones are left out'],
  [{ A: ['8.8.8.1'], AAAA: ['::ffff:8.8.8.8', 'fd00::1'] }, ['8.8.8.1'], 'IPv4-mapped ones too'],
])('%j leads to %j: %s', async (records, addresses) => {
  const found = await findHttpsAddresses('mta-sts.example.com', {
    resolver: resolverFor(records),
    ipv6: true,
    allowPrivateAddresses: false,
    deadlineMs: 0,
  });
  expect(found).toEqual({ kind: 'addresses', addresses });
});
