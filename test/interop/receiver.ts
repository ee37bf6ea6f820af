/** Domains that enforce MTA-STS, in a world that leaves their MX hosts to somebody else's software. */
import { formatPolicy } from '../../bin/world/scenario-outline.ts';
import { startWorld, type World } from '../../bin/world/world.ts';

/** A domain and its one MX host; the world's SMTP port is free at the host's address. */
export interface Receiver {
  readonly domain: string;
  readonly host: string;
  readonly address: string;
}

export const receiver: Receiver = {
  domain: 'receiver.example',
  host: 'mx.receiver.example',
  address: '127.25.200.1',
};

/** Starts DNS and policy hosts. */
export function startReceiverWorld(receivers: readonly Receiver[] = [receiver]): Promise<World> {
  return startWorld({
    zones: receivers.map(({ domain, host, address }) => ({
      origin: domain,
      records: [
        { name: domain, type: 'MX', preference: 10, exchange: host },
        { name: host, type: 'A', data: address },
        { name: `_mta-sts.${domain}`, type: 'TXT', data: 'v=STSv1; id=1;' },
      ],
    })),
    mxHosts: [],
    policyHosts: receivers.map(({ domain, host }) => ({
      domain,
      behaviour: { text: formatPolicy('enforce', [host]) },
    })),
  });
}
