/** A domain that enforces MTA-STS, in a world that leaves its MX host to somebody else's software. */
import { formatPolicy } from '../../bin/world/scenario-outline.ts';
import { startWorld, type World } from '../../bin/world/world.ts';

/** The domain and its one MX host; the world's SMTP port is free at the host's address. */
export const receiver = {
  domain: 'receiver.example',
  host: 'mx.receiver.example',
  address: '127.25.200.1',
} as const;

/** Starts DNS and policy host. */
export function startReceiverWorld(): Promise<World> {
  const { domain, host, address } = receiver;
  return startWorld({
    zones: [
      {
        origin: domain,
        records: [
          { name: domain, type: 'MX', preference: 10, exchange: host },
          { name: host, type: 'A', data: address },
          { name: `_mta-sts.${domain}`, type: 'TXT', data: 'v=STSv1; id=1;' },
        ],
      },
    ],
    mxHosts: [],
    policyHosts: [{ domain, behaviour: { text: formatPolicy('enforce', [host]) } }],
  });
}
