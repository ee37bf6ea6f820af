/**
 * A function as the template declares it, and the environment that its processes get.
 */
import { devNull } from 'node:os';
import { z } from 'zod';
import type { NetworkSetting } from '../../functions/environment.ts';
import { readProperties } from './properties.ts';
import type { DeployedResource } from './resource.ts';
import { LocalCloudError } from './template.ts';

/** What is needed to run a function. */
export interface FunctionSettings {
  readonly key: string;
  readonly logicalId: string;
  readonly name: string;
  readonly arn: string;
  /** The folder with the bundle: LAMBDA_TASK_ROOT. */
  readonly codeDirectory: string;
  /** All that its processes find in `process.env`. */
  readonly environment: Readonly<Record<string, string>>;
  readonly memorySizeMb: number;
  readonly timeoutMs: number;
  /** Absent: bounded by the machine only. */
  readonly reservedConcurrency?: number | undefined;
}

/** How the local cloud differs from AWS for a function. */
export interface FunctionSurroundings {
  /** The variables that lead the AWS SDK here: `AWS_ENDPOINT_URL` and the like. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** Takes the place of `SEALPOST_NETWORK` in functions that have it. */
  readonly network?: NetworkSetting | undefined;
}

const functionSchema = z.looseObject({
  Handler: z.string(),
  Runtime: z.string().startsWith('nodejs', 'only Node functions run here'),
  Code: z.looseObject({ S3Key: z.string() }),
  Environment: z.object({ Variables: z.record(z.string(), z.coerce.string()) }).optional(),
  MemorySize: z.coerce.number().default(128),
  Timeout: z.coerce.number().default(3),
  ReservedConcurrentExecutions: z.coerce.number().optional(),
  LoggingConfig: z.looseObject({ LogGroup: z.string().optional() }).optional(),
});

type FunctionProperties = z.infer<typeof functionSchema>;

/** What Lambda allows for all keys and values of a function's environment together. */
const environmentBytesMax = 4096;

/**
 * Reads the settings of an `AWS::Lambda::Function`.
 *
 * @throws LocalCloudError for a runtime other than Node, code that is no asset of the assembly, or an
 *   environment above the 4 KB that Lambda allows
 */
export function functionSettings(
  resource: DeployedResource,
  surroundings: FunctionSurroundings,
): FunctionSettings {
  const data = readProperties(resource, functionSchema);
  const codeDirectory = resource.stack.assets.get(data.Code.S3Key);
  if (codeDirectory === undefined) {
    throw new LocalCloudError(`${resource.key}: ${data.Code.S3Key} is no asset of its stack`);
  }
  const { ref: name, attribute } = resource.identity();
  return {
    key: resource.key,
    logicalId: resource.logicalId,
    name,
    arn: attribute('Arn') ?? name,
    codeDirectory,
    environment: {
      ...runtimeEnvironment(resource, data, codeDirectory),
      ...surroundings.endpoints,
      ...ownEnvironment(resource, data, surroundings.network),
    },
    memorySizeMb: data.MemorySize,
    timeoutMs: data.Timeout * 1000,
    reservedConcurrency: data.ReservedConcurrentExecutions,
  };
}

/** The variables of the template, the network setting exchanged. */
function ownEnvironment(
  resource: DeployedResource,
  { Environment }: FunctionProperties,
  network: NetworkSetting | undefined,
): Readonly<Record<string, string>> {
  const variables = Environment?.Variables ?? {};
  const sizeBytes = Buffer.byteLength(Object.entries(variables).flat().join(''));
  if (sizeBytes > environmentBytesMax) {
    throw new LocalCloudError(
      `${resource.key}: its environment has ${sizeBytes} bytes, Lambda allows ${environmentBytesMax}`,
    );
  }
  return network !== undefined && 'SEALPOST_NETWORK' in variables
    ? { ...variables, SEALPOST_NETWORK: JSON.stringify(network) }
    : variables;
}

/** What the Node runtime of Lambda finds in its environment, with keys that open nothing. */
function runtimeEnvironment(
  { stack, identity }: DeployedResource,
  { Handler, Runtime, MemorySize, LoggingConfig }: FunctionProperties,
  codeDirectory: string,
): Readonly<Record<string, string>> {
  const name = identity().ref;
  return {
    _HANDLER: Handler,
    LAMBDA_TASK_ROOT: codeDirectory,
    AWS_EXECUTION_ENV: `AWS_Lambda_${Runtime}`,
    AWS_REGION: stack.region,
    AWS_DEFAULT_REGION: stack.region,
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MemorySize),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: LoggingConfig?.LogGroup ?? `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'local',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    // There is no such file on Lambda; a developer's own profile must not be found here.
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
  };
}
