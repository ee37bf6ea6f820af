/**
 * An installation for commands to operate: its tables, queues and bucket in emulators, named in a file as the local cloud
 * names its own. No function runs, so that what is there is what the test put there.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { publishCloud } from '../../../bin/local/cloud-file.ts';
import { createContentBucket } from '../../../functions/adapters/aws/content-bucket.ts';
import { createControlTable } from '../../../functions/adapters/aws/control-table.ts';
import {
  createMessageTable,
  type MessageTable,
} from '../../../functions/adapters/aws/message-table.ts';
import { createPolicyTable } from '../../../functions/adapters/aws/policy-table.ts';
import {
  createReceivedReports,
  putRawReport,
} from '../../../functions/adapters/aws/received-reports.ts';
import type { ContentStore } from '../../../functions/delivery/ports.ts';
import type { DeliverySettings, NetworkSetting } from '../../../functions/environment.ts';
import type { ControlStore } from '../../../functions/operating/control-store.ts';
import type { PolicyStore } from '../../../functions/policy/ports.ts';
import type { ReceiptReader, ReceiptStore } from '../../../functions/reporting/receive-ports.ts';
import { startDynamoDb, startQueuesAndBuckets } from '../../adapters/aws/local-aws.ts';
import { type CommandResult, runSealpost } from '../../command-line.ts';
import { mailBucket } from '../../delivery/port-fixtures.ts';
import { deliverySettings } from '../../delivery-settings.ts';

export interface InstallationUnderTest {
  readonly controls: ControlStore;
  readonly policies: PolicyStore;
  readonly messages: MessageTable;
  readonly contents: ContentStore;
  readonly receipts: ReceiptStore & ReceiptReader;
  /** Puts the raw form of a report into its bucket. */
  readonly putReport: (key: string, octets: Uint8Array) => Promise<void>;
  readonly sqs: SQSClient;
  readonly deliveryQueueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** Runs a command with `--local` added. */
  run(args: readonly string[], input?: string): Promise<CommandResult>;
  stop(): Promise<void>;
}

export async function startInstallation(
  settings: Partial<DeliverySettings> = {},
  network: NetworkSetting = {},
): Promise<InstallationUnderTest> {
  const dynamoDb = await startDynamoDb();
  const others = await startQueuesAndBuckets();
  const client = dynamoDb.createClient();
  await others.createBucket(mailBucket);
  const reportBucket = 'reports';
  await others.createBucket(reportBucket);
  const deliveryQueueUrl = await others.createQueue();
  const deadLetterQueueUrl = await others.createQueue();
  const state = {
    ControlTableName: await dynamoDb.createTable('kind', 'name'),
    PolicyTableName: await dynamoDb.createTable('domain'),
    MessageTableName: await dynamoDb.createTable('id', 'part', {
      WaitingByAge: ['waiting', 'submittedAtMs'],
      WaitingByDue: ['waiting', 'nextDueAtMs'],
    }),
    RetryTableName: await dynamoDb.createTable('bucket', 'entry'),
    MessageBucketName: mailBucket,
    ReportTableName: await dynamoDb.createTable('key', 'entry'),
    ReportBucketName: reportBucket,
  };
  const delivery = {
    DeliveryQueueUrl: deliveryQueueUrl,
    DeadLetterQueueUrl: deadLetterQueueUrl,
    DeliverySettings: JSON.stringify({ ...deliverySettings, ...settings }),
    NetworkSetting: '{}',
  };
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-installation-'));
  const file = join(directory, 'cloud.json');
  const region = await client.config.region();
  const otherServices = new URL(deliveryQueueUrl).origin;
  await publishCloud(
    {
      variables: {
        AWS_ENDPOINT_URL_DYNAMODB: await originOf(client),
        AWS_ENDPOINT_URL_SQS: otherServices,
        AWS_ENDPOINT_URL_S3: otherServices,
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
      },
      stacks: [
        { name: 'SealpostState', region, physicalIds: {}, outputs: state },
        { name: 'SealpostDelivery', region, physicalIds: {}, outputs: delivery },
      ],
    },
    { file, network },
  );
  return {
    controls: createControlTable({ client, tableName: state.ControlTableName }),
    policies: createPolicyTable({ client, tableName: state.PolicyTableName }),
    messages: createMessageTable({ client, tableName: state.MessageTableName }),
    contents: createContentBucket({ client: others.s3, bucket: mailBucket }),
    receipts: createReceivedReports({ client, tableName: state.ReportTableName }),
    putReport: (key, octets) =>
      putRawReport({ client: others.s3, bucket: reportBucket }, key, octets),
    sqs: others.sqs,
    deliveryQueueUrl,
    deadLetterQueueUrl,
    run: (args, input = '') =>
      runSealpost([...args, '--local'], Buffer.from(input), { SEALPOST_LOCAL_CLOUD: file }),
    stop: async () => {
      await rm(directory, { recursive: true });
      await dynamoDb.stop();
      await others.stop();
    },
  };
}

async function originOf({
  config,
}: ReturnType<Awaited<ReturnType<typeof startDynamoDb>>['createClient']>): Promise<string> {
  const endpoint = await config.endpoint?.();
  return `${endpoint?.protocol}//${endpoint?.hostname}:${endpoint?.port}`;
}
