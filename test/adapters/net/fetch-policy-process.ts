/** Fetches a policy from 127.0.10.1 with the roots of production and prints the outcome; its port is the argument. */
import { createPolicyFetcher } from '../../../functions/adapters/net/fetch-policy.ts';
import type { Answer, RecordType } from '../../../functions/protocol/dns/answer.ts';

const fetchPolicy = createPolicyFetcher({
  resolver: {
    lookup: async <T extends RecordType>(name: string) =>
      ({
        kind: 'records',
        records: ['127.0.10.1'],
        status: 'insecure',
        canonicalName: name,
        aliases: [],
        ttlSeconds: 60,
      }) as unknown as Answer<T>,
  },
  network: { httpsPort: Number(process.argv[2]), allowPrivateAddresses: true, ipv6: false },
});

process.stdout.write(JSON.stringify(await fetchPolicy('example.com', Date.now() + 10_000)));
