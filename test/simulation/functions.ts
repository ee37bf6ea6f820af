/** The real functions, wired to the simulated world as their handlers wire them to AWS. */
import { createBackoffTable } from '../../functions/adapters/aws/backoff-table.ts';
import { createContentBucket } from '../../functions/adapters/aws/content-bucket.ts';
import { createMailQueue } from '../../functions/adapters/aws/mail-queue.ts';
import { createMessageTable } from '../../functions/adapters/aws/message-table.ts';
import { createPolicyTable } from '../../functions/adapters/aws/policy-table.ts';
import { createRetryReader } from '../../functions/adapters/aws/retry-reader.ts';
import { createRetryTable } from '../../functions/adapters/aws/retry-table.ts';
import { createWaitingIndex } from '../../functions/adapters/aws/waiting-index.ts';
import { createWholeMessages } from '../../functions/adapters/aws/whole-messages.ts';
import { finalReplyTimeoutMsDefault } from '../../functions/adapters/net/smtp-timeouts.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import { deliverBatch, type QueueRecord } from '../../functions/delivery/deliver-batch.ts';
import type { DeliveryEvent } from '../../functions/delivery/events.ts';
import { createHostLimits } from '../../functions/delivery/host-limits.ts';
import type { DeliveryPorts } from '../../functions/delivery/ports.ts';
import { reconcileOverdue } from '../../functions/delivery/reconcile-overdue.ts';
import { requeueDue } from '../../functions/delivery/requeue-due.ts';
import { requeueWaiting } from '../../functions/delivery/requeue-waiting.ts';
import type { DeliverySettings } from '../../functions/environment.ts';
import { createPolicyDiscovery } from '../../functions/policy/discover-policy.ts';
import { createAcceptFromQueue } from '../../functions/submission/accept-from-queue.ts';
import {
  type Cloud,
  createClients,
  deadLetterQueueUrl,
  deliveryQueueUrl,
  type Weather,
} from './aws.ts';
import type { Chance } from './chance.ts';
import type { Network } from './network.ts';
import type { SimulatedProcess } from './process.ts';

/** Where functions run. */
export interface Installation {
  readonly cloud: Cloud;
  readonly weather: Weather;
  readonly network: Network;
  readonly chance: Chance;
  readonly settings: DeliverySettings;
  readonly observe: (event: DeliveryEvent) => void;
  /** Puts bugs in, to see them found. */
  readonly spoil: (ports: DeliveryPorts) => DeliveryPorts;
}

export const bucket = 'mail';

/** Lambda's 15 minutes. */
export const invocationMs: number = 15 * 60_000;

/** Kept back at the end of an invocation, as in functions/handlers/deliver.ts. */
const marginMs = 15_000;

/** The delivery function of one process: what it is called with each time. */
export type Deliver = (records: readonly QueueRecord[]) => Promise<string[]>;

export function createDelivery(installation: Installation, process: SimulatedProcess): Deliver {
  const { settings, spoil } = installation;
  const ports = spoil(createPorts(installation, process));
  const limits = createHostLimits(settings.connectionsPerMxMax);
  return async (records) => {
    const { now, openChannel } = ports;
    const { timers } = process;
    const pool = createChannelPool({
      openChannel,
      perHostMax: settings.connectionsPerMxMax,
      limits,
      now,
      timers,
    });
    const deadlineMs = now() + invocationMs - marginMs;
    try {
      return await deliverBatch(records, {
        ports,
        settings,
        network: { smtpPort: 25, ipv6: false, allowPrivateAddresses: false },
        pool,
        deadlineMs,
        contentDeadlineMs: deadlineMs - finalReplyTimeoutMsDefault,
      });
    } finally {
      await pool.close();
    }
  };
}

function createPorts(installation: Installation, process: SimulatedProcess): DeliveryPorts {
  const { settings, network, chance, observe } = installation;
  const { now } = process;
  const resolver = network.resolver(process);
  const { dynamoDb: client, s3 } = createClients(installation.cloud, process, installation.weather);
  const contents = createContentBucket({ client: s3, bucket });
  const stores = createStores(installation, process);
  const readControls = async (): Promise<{ rules: []; exceptions: [] }> => ({
    rules: [],
    exceptions: [],
  });
  let token = 0;
  return {
    ...stores,
    now,
    random: chance.random,
    newToken: () => `token-${process.id}-${++token}`,
    resolver,
    discoverPolicy: createPolicyDiscovery({
      resolver,
      fetchPolicy: network.fetchPolicy(process),
      store: createPolicyTable({ client, tableName: 'policies' }),
      now,
      cache: true,
    }),
    readControls,
    accept: createAcceptFromQueue({
      settings,
      ports: {
        now,
        readControls,
        signContent: async () => [],
        contents,
        shareContent: stores.messages.shareContent,
      },
      wholeMessages: createWholeMessages({
        client,
        tableName: 'messages',
        historyDays: settings.historyDays,
      }),
    }),
    openChannel: network.openChannel(process),
    backoffs: createBackoffTable({ client, tableName: 'retries' }),
    observe,
  };
}

function createStores(
  installation: Installation,
  process: SimulatedProcess,
): Pick<DeliveryPorts, 'messages' | 'retries' | 'queue' | 'contents'> {
  const {
    dynamoDb: client,
    s3,
    sqs,
  } = createClients(installation.cloud, process, installation.weather);
  const contents = createContentBucket({ client: s3, bucket });
  return {
    messages: createMessageTable({ client, tableName: 'messages' }),
    retries: createRetryTable({ client, tableName: 'retries', now: process.now }),
    contents,
    queue: createMailQueue({
      client: sqs,
      queueUrl: deliveryQueueUrl,
      deadLetterQueueUrl,
      contents,
    }),
  };
}

/** One run of the function that is called each minute. */
export async function requeue(
  installation: Installation,
  process: SimulatedProcess,
): Promise<void> {
  const { cloud, weather, observe, chance } = installation;
  const { now } = process;
  const { queue } = createStores(installation, process);
  const { dynamoDb: client } = createClients(cloud, process, weather);
  const ports = {
    now,
    random: chance.random,
    queue,
    observe,
    reader: createRetryReader({ client, tableName: 'retries', random: chance.random }),
    backoffs: createBackoffTable({ client, tableName: 'retries' }),
  };
  const deadlineMs = now() + 50_000;
  await requeueDue(ports, deadlineMs);
  await requeueWaiting(ports, deadlineMs);
}

/** One run of the function that is called each hour. */
export async function reconcile(
  installation: Installation,
  process: SimulatedProcess,
): Promise<void> {
  const { cloud, weather, observe } = installation;
  const { retries } = createStores(installation, process);
  const { dynamoDb: client } = createClients(cloud, process, weather);
  await reconcileOverdue(
    {
      now: process.now,
      waiting: createWaitingIndex({ client, tableName: 'messages' }),
      readDelivery: createMessageTable({ client, tableName: 'messages' }).readDelivery,
      retries,
      observe,
    },
    process.now() + 10 * 60_000,
  );
}
