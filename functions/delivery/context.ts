/** What holds for every attempt of one invocation. */
import type { DeliverySettings } from '../environment.ts';
import type { ChannelPool } from './channel-pool.ts';
import type { DeliveryPorts } from './ports.ts';
import type { SessionLog } from './session-log.ts';

/** How deliveries reach their peers; from the `network` setting, with its defaults filled in. */
export interface DeliveryNetwork {
  readonly smtpPort: number;
  readonly ipv6: boolean;
  readonly allowPrivateAddresses: boolean;
}

/** SASL credentials for the smart host, fetched before the first connection. */
export type SmartHostCredentials = () => Promise<{
  readonly username: string;
  readonly password: string;
}>;

/** What settling needs; whoever settles without delivering, as a cancellation does, has no more. */
export interface SettlingContext {
  readonly ports: Pick<
    DeliveryPorts,
    'now' | 'messages' | 'retries' | 'queue' | 'contents' | 'observe'
  >;
  readonly settings: DeliverySettings;
}

export interface DeliveryContext {
  readonly ports: DeliveryPorts;
  readonly settings: DeliverySettings;
  readonly network: DeliveryNetwork;
  readonly pool: ChannelPool;
  /** Absent: nobody sends TLS reports. */
  readonly sessions?: SessionLog;
  /** When all has to be settled, epoch milliseconds. */
  readonly deadlineMs: number;
  /** When no content may begin any more, since its final reply could not be awaited (RFC 5321 §4.5.3.2.6). */
  readonly contentDeadlineMs: number;
  readonly smartHostCredentials?: SmartHostCredentials;
}
