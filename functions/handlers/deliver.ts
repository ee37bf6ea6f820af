/**
 * The delivery function: one SQS record is one message, for one or more next-hop domains.
 *
 * What becomes of a record is decided in the delivery room; here are its ports and its time.
 */
import { randomUUID } from 'node:crypto';
import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import {
  dynamoDbClient,
  s3Client,
  secretsManagerClient,
  sqsClient,
} from '../adapters/aws/aws-clients.ts';
import { createBackoffTable } from '../adapters/aws/backoff-table.ts';
import { createContentBucket } from '../adapters/aws/content-bucket.ts';
import { createControlTable } from '../adapters/aws/control-table.ts';
import { createMailQueue } from '../adapters/aws/mail-queue.ts';
import { createMessageTable } from '../adapters/aws/message-table.ts';
import { createPolicyTable } from '../adapters/aws/policy-table.ts';
import { createRetryTable } from '../adapters/aws/retry-table.ts';
import { createSmartHostSecret } from '../adapters/aws/smart-host-secret.ts';
import { createWholeMessages } from '../adapters/aws/whole-messages.ts';
import { resolveDeliveryNetwork } from '../adapters/net/delivery-network.ts';
import { createPolicyFetcher } from '../adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../adapters/net/network-resolver.ts';
import { createChannelOpener } from '../adapters/net/smtp-channel.ts';
import { finalReplyTimeoutMsDefault } from '../adapters/net/smtp-timeouts.ts';
import { rememberAbsence } from '../delivery/back-off.ts';
import { createChannelPool } from '../delivery/channel-pool.ts';
import type { DeliveryContext } from '../delivery/context.ts';
import { deliverBatch, type QueueRecord } from '../delivery/deliver-batch.ts';
import { createHostLimits } from '../delivery/host-limits.ts';
import { createSessionLog } from '../delivery/session-log.ts';
import type { DeliverEnvironment } from '../environment.ts';
import { createPolicyDiscovery } from '../policy/discover-policy.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import type { SessionRecorder } from '../reporting/record-sessions.ts';
import { createAcceptFromQueue } from '../submission/accept-from-queue.ts';
import { createReadControls } from '../submission/read-controls.ts';
import { createAcceptPorts } from './accept-ports.ts';
import { createDeliveryObserver } from './delivery-events.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { createPolicyObserver } from './policy-events.ts';
import { readDeliverEnvironment } from './read-environment.ts';
import { createTableRecorder } from './session-recorder.ts';

/** Kept back at the end of an invocation, for settling and for metrics. */
const marginMs = 15_000;

/**
 * For asking who wants reports, when the mail is settled: a function that waits delivers nothing. What is not known by
 * then is kept, and asked again when reports are sent.
 */
const recordTimeMs = 20_000;

/** What stays the same from invocation to invocation. */
export interface DeliveryParts
  extends Omit<DeliveryContext, 'pool' | 'sessions' | 'deadlineMs' | 'contentDeadlineMs'> {
  /** Whom TLS sessions are told; absent: nobody sends reports. */
  readonly reporting?: {
    readonly recorder: SessionRecorder;
    /** Our own public address. */
    readonly sendingMtaIp?: string | undefined;
  };
}

/** Binds the handler to its parts; each invocation has its own pool and deadlines, and learns what hosts bear from all. */
export function deliveryHandler(parts: DeliveryParts): LambdaHandler<SQSEvent, SQSBatchResponse> {
  const { now, openChannel } = parts.ports;
  const { recorder, sendingMtaIp } = parts.reporting ?? {};
  const perHostMax = parts.settings.connectionsPerMxMax;
  const limits = createHostLimits(perHostMax);
  return async (event, context) => {
    const remainingMs = context.getRemainingTimeInMillis();
    if (remainingMs <= finalReplyTimeoutMsDefault + marginMs) {
      // Content would never begin, and every message go round in circles.
      throw new TransportSecurityError(
        'settings-invalid',
        `${remainingMs} ms are too few to deliver in: give the function a time-out of 15 minutes`,
      );
    }
    const deadlineMs = now() + remainingMs - marginMs;
    const pool = createChannelPool({ openChannel, perHostMax, limits, now });
    try {
      const kept = await deliverBatch(event.Records.map(readRecord), {
        ...parts,
        pool,
        ...(recorder !== undefined && {
          sessions: createSessionLog({ now, record: recorder.record, sendingMtaIp }),
        }),
        deadlineMs,
        contentDeadlineMs: deadlineMs - finalReplyTimeoutMsDefault,
      });
      return { batchItemFailures: kept.map((itemIdentifier) => ({ itemIdentifier })) };
    } finally {
      await pool.close();
      // All is settled: what this takes is no message's time.
      await recorder?.flush(Math.min(deadlineMs, now() + recordTimeMs));
    }
  };
}

function readRecord({ messageId, body, receiptHandle, attributes }: SQSRecord): QueueRecord {
  return { messageId, body, receiptHandle, sentAtMs: Number(attributes.SentTimestamp) };
}

export const handler: LambdaHandler<SQSEvent, SQSBatchResponse> = instrumentHandler(
  'deliver',
  (instruments) => deliveryHandler(createParts(readDeliverEnvironment(process.env), instruments)),
);

function createParts(environment: DeliverEnvironment, instruments: Instruments): DeliveryParts {
  const { SEALPOST_NETWORK: network, SEALPOST_DELIVERY: settings } = environment;
  const now = Date.now;
  const resolver = createNetworkResolver(network, { now });
  const secretArn = settings.smartHost?.credentialsSecretArn;
  const observe = createDeliveryObserver(instruments);
  const stores = createStores(environment, now);
  const readControls = createReadControls({
    store: createControlTable({
      client: dynamoDbClient(),
      tableName: environment.SEALPOST_CONTROL_TABLE,
    }),
    now,
    observe: (error) => observe({ kind: 'fault', error }),
  });
  const accepting = createAcceptPorts(settings, { ...stores, readControls, now });
  return {
    settings,
    ...createReporting(environment, { resolver, now }, instruments),
    network: resolveDeliveryNetwork(network),
    ports: {
      now,
      random: Math.random,
      newToken: randomUUID,
      resolver,
      discoverPolicy: createPolicyDiscovery({
        resolver,
        fetchPolicy: createPolicyFetcher({ resolver, network }),
        store: createPolicyTable({
          client: dynamoDbClient(),
          tableName: environment.SEALPOST_POLICY_TABLE,
        }),
        now,
        cache: settings.mtaStsCache,
        observe: createPolicyObserver(instruments),
      }),
      readControls,
      accept: createAcceptFromQueue({
        settings,
        ports: accepting,
        wholeMessages: createWholeMessages({
          client: dynamoDbClient(),
          tableName: environment.SEALPOST_MESSAGE_TABLE,
          historyDays: settings.historyDays,
        }),
      }),
      openChannel: createChannelOpener({ network, ehloName: settings.ehloName, now }),
      ...stores,
      observe,
    },
    ...(secretArn === undefined
      ? {}
      : {
          smartHostCredentials: createSmartHostSecret({
            client: secretsManagerClient(),
            secretArn,
            now,
          }),
        }),
  };
}

/** Where reports are sent, sessions are recorded. */
function createReporting(
  { SEALPOST_REPORT_TABLE: tableName, SEALPOST_SENDING_MTA_IP: sendingMtaIp }: DeliverEnvironment,
  parts: Pick<DeliveryContext['ports'], 'resolver' | 'now'>,
  instruments: Instruments,
): Pick<DeliveryParts, 'reporting'> {
  return tableName === undefined
    ? {}
    : {
        reporting: {
          recorder: createTableRecorder({ tableName, ...parts }, instruments),
          sendingMtaIp,
        },
      };
}

function createStores(
  environment: DeliverEnvironment,
  now: () => number,
): Pick<DeliveryContext['ports'], 'messages' | 'retries' | 'backoffs' | 'queue' | 'contents'> {
  const client = dynamoDbClient();
  const contents = createContentBucket({
    client: s3Client(),
    bucket: environment.SEALPOST_MESSAGE_BUCKET,
  });
  return {
    messages: createMessageTable({
      client,
      tableName: environment.SEALPOST_MESSAGE_TABLE,
      historyDays: environment.SEALPOST_DELIVERY.historyDays,
    }),
    retries: createRetryTable({ client, tableName: environment.SEALPOST_RETRY_TABLE, now }),
    backoffs: rememberAbsence(
      createBackoffTable({ client, tableName: environment.SEALPOST_RETRY_TABLE }),
      now,
    ),
    contents,
    queue: createMailQueue({
      client: sqsClient(),
      queueUrl: environment.SEALPOST_DELIVERY_QUEUE_URL,
      deadLetterQueueUrl: environment.SEALPOST_DEAD_LETTER_QUEUE_URL,
      contents,
    }),
  };
}
