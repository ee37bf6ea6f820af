/** The real functions, wired to the simulated world as their handlers wire them to AWS. */
import { createBackoffTable } from '../../functions/adapters/aws/backoff-table.ts';
import { createContentBucket } from '../../functions/adapters/aws/content-bucket.ts';
import { createControlTable } from '../../functions/adapters/aws/control-table.ts';
import { createMailQueue } from '../../functions/adapters/aws/mail-queue.ts';
import { createMessageControl } from '../../functions/adapters/aws/message-control.ts';
import { createMessageTable } from '../../functions/adapters/aws/message-table.ts';
import { createPolicyTable } from '../../functions/adapters/aws/policy-table.ts';
import { createRetryReader } from '../../functions/adapters/aws/retry-reader.ts';
import { createRetryTable } from '../../functions/adapters/aws/retry-table.ts';
import { createWaitingIndex } from '../../functions/adapters/aws/waiting-index.ts';
import { createWholeMessages } from '../../functions/adapters/aws/whole-messages.ts';
import { finalReplyTimeoutMsDefault } from '../../functions/adapters/net/smtp-timeouts.ts';
import { rememberAbsence } from '../../functions/delivery/back-off.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import { deliverBatch, type QueueRecord } from '../../functions/delivery/deliver-batch.ts';
import type { DeliveryEvent } from '../../functions/delivery/events.ts';
import { createHostLimits } from '../../functions/delivery/host-limits.ts';
import type { DeliveryPorts } from '../../functions/delivery/ports.ts';
import { reconcileOverdue } from '../../functions/delivery/reconcile-overdue.ts';
import { requeueDue } from '../../functions/delivery/requeue-due.ts';
import { requeueWaiting, type WaitingPorts } from '../../functions/delivery/requeue-waiting.ts';
import type { DeliverySettings } from '../../functions/environment.ts';
import type { QueueContext, QueuePorts } from '../../functions/operating/ports.ts';
import { createPolicyDiscovery } from '../../functions/policy/discover-policy.ts';
import { createAcceptFromQueue } from '../../functions/submission/accept-from-queue.ts';
import type { ReadControls, SignContent } from '../../functions/submission/ports.ts';
import { createReadControls } from '../../functions/submission/read-controls.ts';
import { createSignContent } from '../../functions/submission/sign-content.ts';
import type { SubmitContext } from '../../functions/submission/submit-message.ts';
import {
  type Clients,
  type Cloud,
  createClients,
  deadLetterQueueUrl,
  deliveryQueueUrl,
  type Weather,
} from './aws.ts';
import type { Chance } from './chance.ts';
import type { Network } from './network.ts';
import type { SimulatedProcess } from './process.ts';
import { readKeys } from './signing.ts';

/** Where functions run. */
export interface Installation {
  readonly cloud: Cloud;
  readonly weather: Weather;
  readonly network: Network;
  readonly chance: Chance;
  readonly settings: DeliverySettings;
  readonly observe: (event: DeliveryEvent) => void;
  readonly spoil: Spoil;
}

/** Puts bugs in, to see them found. */
export interface Spoil {
  readonly delivery?: (ports: DeliveryPorts) => DeliveryPorts;
  readonly requeue?: (ports: WaitingPorts) => WaitingPorts;
  readonly signing?: (sign: SignContent) => SignContent;
  readonly operating?: (ports: QueuePorts) => QueuePorts;
  readonly controls?: (read: ReadControls) => ReadControls;
  readonly submission?: (context: SubmitContext) => SubmitContext;
  /** What becomes of a request's key. */
  readonly key?: (key: string) => string;
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
  const made = createPorts(installation, process);
  const ports = spoil.delivery?.(made) ?? made;
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
  const readControls = createControlsReader(client, process, installation);
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
        signContent: createSigner(installation),
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
    backoffs: rememberAbsence(createBackoffTable({ client, tableName: 'retries' }), now),
    observe,
  };
}

/** Keys are at hand: how they are fetched is not simulated. */
export function createSigner({ spoil }: Pick<Installation, 'spoil'>): SignContent {
  const sign = createSignContent(readKeys);
  return spoil.signing?.(sign) ?? sign;
}

/** As the handlers make it, one for each process. */
export function createControlsReader(
  client: Clients['dynamoDb'],
  process: SimulatedProcess,
  { observe, spoil }: Pick<Installation, 'observe' | 'spoil'>,
): ReadControls {
  const read = createReadControls({
    store: createControlTable({ client, tableName: 'controls' }),
    now: process.now,
    observe: (error) => observe({ kind: 'fault', error }),
  });
  return spoil.controls?.(read) ?? read;
}

function createStores(
  installation: Installation,
  process: SimulatedProcess,
): Pick<DeliveryPorts, 'messages' | 'retries' | 'queue' | 'contents'> {
  const { cloud, weather, settings } = installation;
  const { dynamoDb: client, s3, sqs } = createClients(cloud, process, weather);
  const contents = createContentBucket({ client: s3, bucket });
  return {
    messages: createMessageTable({
      client,
      tableName: 'messages',
      historyDays: settings.historyDays,
    }),
    retries: createRetryTable({
      client,
      tableName: 'retries',
      now: process.now,
      pause: process.pass,
    }),
    contents,
    queue: createMailQueue({
      client: sqs,
      queueUrl: deliveryQueueUrl,
      deadLetterQueueUrl,
      contents,
    }),
  };
}

/** What acting on the queue reaches for, as the handler of the operating API has it. */
export function createQueueContext(
  installation: Installation,
  process: SimulatedProcess,
): QueueContext {
  const { cloud, weather, settings, observe } = installation;
  const { dynamoDb: client } = createClients(cloud, process, weather);
  const messageTable = { client, tableName: 'messages', historyDays: settings.historyDays };
  let token = 0;
  const ports: QueuePorts = {
    ...createStores(installation, process),
    now: process.now,
    newToken: () => `operator-${process.id}-${++token}`,
    waiting: createWaitingIndex(messageTable),
    control: createMessageControl(messageTable),
    backoffs: createBackoffTable({ client, tableName: 'retries' }),
    observe,
  };
  return { settings, ports: installation.spoil.operating?.(ports) ?? ports };
}

/** One run of the function that is called each minute. As its handler has it, its queue has no place for bodies. */
export async function requeue(
  { cloud, weather, observe, chance, spoil }: Installation,
  process: SimulatedProcess,
): Promise<void> {
  const { now } = process;
  const { dynamoDb: client, sqs } = createClients(cloud, process, weather);
  const table = { client, tableName: 'retries', pause: process.pass };
  const made: WaitingPorts = {
    now,
    random: chance.random,
    observe,
    queue: createMailQueue({ client: sqs, queueUrl: deliveryQueueUrl, deadLetterQueueUrl }),
    reader: createRetryReader({ ...table, random: chance.random }),
    backoffs: createBackoffTable(table),
  };
  const ports = spoil.requeue?.(made) ?? made;
  const deadlineMs = now() + 45_000;
  const underWay = [requeueDue(ports, deadlineMs), requeueWaiting(ports, deadlineMs)] as const;
  await Promise.allSettled(underWay);
  await Promise.all(underWay);
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
