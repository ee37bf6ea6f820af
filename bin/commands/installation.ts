/**
 * The installation that a command operates: on AWS, found by the outputs of its stacks and reached with the user's own
 * credentials; or the local cloud of `npm start`.
 */
import { hostname, userInfo } from 'node:os';
import { cloudFormationClient, dynamoDbClient } from '../../functions/adapters/aws/aws-clients.ts';
import { createControlTable } from '../../functions/adapters/aws/control-table.ts';
import { createMessageControl } from '../../functions/adapters/aws/message-control.ts';
import { createPolicyTable } from '../../functions/adapters/aws/policy-table.ts';
import { createReceivedReports } from '../../functions/adapters/aws/received-reports.ts';
import { createReportSuppressions } from '../../functions/adapters/aws/report-suppressions.ts';
import { readStackOutputs } from '../../functions/adapters/aws/stack-outputs.ts';
import { createWaitingIndex } from '../../functions/adapters/aws/waiting-index.ts';
import type { WaitingIndex } from '../../functions/delivery/stored-delivery.ts';
import type { NetworkSetting } from '../../functions/environment.ts';
import { createQueueContext, type QueuePlaces } from '../../functions/handlers/queue-ports.ts';
import {
  deliverySettingsSchema,
  networkSettingSchema,
} from '../../functions/handlers/read-environment.ts';
import type { ControlStore } from '../../functions/operating/control-store.ts';
import type { DeadLetterContext } from '../../functions/operating/dead-letters.ts';
import { authorSchema } from '../../functions/operating/operator-text.ts';
import type { MessageControl } from '../../functions/operating/ports.ts';
import type { PolicyStore } from '../../functions/policy/ports.ts';
import type { SuppressionStore } from '../../functions/reporting/ports.ts';
import type { ReceiptReader } from '../../functions/reporting/receive-ports.ts';
import { cloudFilePath, findCloud } from '../local/cloud-file.ts';
import { exConfig } from './exit-status.ts';
import { printable } from './format-table.ts';
import { CommandFailure, UsageError } from './usage.ts';

/** For `parseArgs`. */
export const installationOptions = {
  stack: { type: 'string' },
  region: { type: 'string' },
  profile: { type: 'string' },
  local: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

/** Their lines in a usage text. */
export const installationUsage = `  --stack PREFIX             what the names of the stacks begin with (Sealpost)
  --region REGION            where they are deployed (default: as the AWS command line has it)
  --profile NAME             whose credentials to use (default: the same)
  --local                    the local cloud of npm start instead
  --json                     JSON, one value a line`;

/** What `parseArgs` makes of {@link installationOptions}. */
export interface InstallationValues {
  readonly stack?: string | undefined;
  readonly region?: string | undefined;
  readonly profile?: string | undefined;
  readonly local?: boolean | undefined;
}

/** What was deployed. */
export interface Installation extends QueuePlaces {
  readonly policyTable: string;
  readonly reportTable: string;
  readonly reportBucket: string;
  readonly network: NetworkSetting;
}

type Outputs = Readonly<Record<string, string>>;

/**
 * Finds the installation. The AWS clients of this process speak to it from then on.
 *
 * @throws {UsageError | CommandFailure} status 78 where there is none
 * @throws {TransportSecurityError} `store-unavailable` where AWS does not say
 */
export async function openInstallation(values: InstallationValues): Promise<Installation> {
  const { stack = 'Sealpost', region, profile, local = false } = values;
  if (!/^[A-Za-z][A-Za-z0-9-]{0,100}$/.test(stack)) {
    throw new UsageError('--stack takes letters, digits and hyphens, as in "Sealpost"');
  }
  if (local) {
    if (region !== undefined || profile !== undefined) {
      throw new UsageError('--local has no --region and no --profile');
    }
    return openLocal(stack);
  }
  useEnvironment({
    ...(region !== undefined && { AWS_REGION: region }),
    ...(profile !== undefined && { AWS_PROFILE: profile }),
  });
  const find = (name: string): Promise<Outputs | undefined> =>
    readStackOutputs(cloudFormationClient(), name);
  return readInstallation(stack, find);
}

async function openLocal(stack: string): Promise<Installation> {
  const file = cloudFilePath();
  const cloud = await findCloud(file);
  if (cloud === undefined) {
    throw new CommandFailure(
      `no local cloud runs here (${file} tells of none): start one with npm start`,
      exConfig,
    );
  }
  useEnvironment(cloud.variables);
  const installation = await readInstallation(stack, async (name) => cloud.outputs[name]);
  return { ...installation, network: cloud.network };
}

/** The clients read the environment when they are made, and this process has no other use for it. */
function useEnvironment(variables: Readonly<Record<string, string>>): void {
  Object.assign(process.env, variables);
}

async function readInstallation(
  prefix: string,
  find: (stackName: string) => Promise<Outputs | undefined>,
): Promise<Installation> {
  const [state, delivery] = await Promise.all(
    ['State', 'Delivery'].map((part) => readOutputs(`${prefix}${part}`, find)),
  );
  const outputs: Outputs = { ...state, ...delivery };
  const output = (name: string): string => {
    const value = outputs[name];
    if (value === undefined) {
      throw outdated(name);
    }
    return value;
  };
  const network = networkSettingSchema.safeParse(parseJson(output('NetworkSetting')));
  const settings = deliverySettingsSchema.safeParse(parseJson(output('DeliverySettings')));
  if (!network.success || !settings.success) {
    throw outdated(network.success ? 'DeliverySettings' : 'NetworkSetting');
  }
  return {
    policyTable: output('PolicyTableName'),
    messageTable: output('MessageTableName'),
    retryTable: output('RetryTableName'),
    controlTable: output('ControlTableName'),
    messageBucket: output('MessageBucketName'),
    reportTable: output('ReportTableName'),
    reportBucket: output('ReportBucketName'),
    deliveryQueueUrl: output('DeliveryQueueUrl'),
    deadLetterQueueUrl: output('DeadLetterQueueUrl'),
    delivery: settings.data,
    network: network.data,
  };
}

async function readOutputs(
  stackName: string,
  find: (stackName: string) => Promise<Outputs | undefined>,
): Promise<Outputs> {
  const outputs = await find(stackName);
  if (outputs === undefined) {
    throw new CommandFailure(
      `there is no stack ${stackName} here: name its --region and --profile, or use --local`,
      exConfig,
    );
  }
  return outputs;
}

function outdated(output: string): CommandFailure {
  return new CommandFailure(
    `the stacks have no output ${output} that this version understands: deploy them with it`,
    exConfig,
  );
}

/** Undefined for what is no JSON; the schema then refuses it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Said by whoever asked for the value.
    return undefined;
  }
}

/** The run-time rules and exceptions. */
export function controlStoreOf({ controlTable }: Installation): ControlStore {
  return createControlTable({ client: dynamoDbClient(), tableName: controlTable });
}

/** The policy cache. */
export function policyStoreOf({ policyTable }: Installation): PolicyStore {
  return createPolicyTable({ client: dynamoDbClient(), tableName: policyTable });
}

/** The message table as operators see and change it. */
export function messageControlOf({ messageTable, delivery }: Installation): MessageControl {
  const { historyDays } = delivery;
  return createMessageControl({ client: dynamoDbClient(), tableName: messageTable, historyDays });
}

/** Reports of others. */
export function receivedReportsOf({ reportTable }: Installation): ReceiptReader {
  return createReceivedReports({ client: dynamoDbClient(), tableName: reportTable });
}

/** Destinations that reports are not sent to. */
export function suppressionStoreOf({ reportTable }: Installation): SuppressionStore {
  return createReportSuppressions({ client: dynamoDbClient(), tableName: reportTable });
}

/** The lists of what waits. */
export function waitingIndexOf({ messageTable }: Installation): WaitingIndex {
  return createWaitingIndex({ client: dynamoDbClient(), tableName: messageTable });
}

/** What actions on the queue reach for; faults beside an action that was done are told of on standard error. */
export function queueContextOf(installation: Installation): DeadLetterContext {
  return createQueueContext(installation, (event) => {
    if (event.kind === 'fault') {
      const { error } = event;
      const words = error instanceof Error ? error.message : String(error);
      process.stderr.write(`sealpost queue: ${printable(words)}\n`);
    }
  });
}

/** Who is named in records of what was done: as said, or the user of this machine. @throws {UsageError} */
export function readAuthor(given: string | undefined): string {
  const parsed = authorSchema.safeParse(given ?? `${userInfo().username}@${hostname()}`);
  if (!parsed.success) {
    throw new UsageError(`--author: ${parsed.error.issues[0]?.message}`);
  }
  return parsed.data;
}
