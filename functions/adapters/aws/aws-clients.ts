/**
 * The AWS clients: one of each per process, made when first asked for.
 *
 * Region, credentials and endpoints come from the environment (`AWS_REGION`, `AWS_ENDPOINT_URL_*`), so that the same
 * code speaks to AWS and to the local cloud. Connections are kept alive between calls and invocations; one that went
 * stale while the process was frozen fails with ECONNRESET, which the SDK tries again.
 *
 * Retry mode is `standard`, not `adaptive`: adaptive slows down every call of a client once some of them are
 * throttled, so that one hot partition would eat the time in which other deliveries of the batch must settle. Waiting
 * is what SQS is for: a call that failed four times puts its record back to the queue.
 */
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SESv2Client } from '@aws-sdk/client-sesv2';
import { SQSClient } from '@aws-sdk/client-sqs';

/** How long one try of a call may take; the SDK has no limits of its own worth the name. */
interface CallTimes {
  /** From the request to the head of the answer. */
  readonly requestTimeoutMs: number;
  /** Silence on the socket, which also ends a body that stops half-way. */
  readonly idleTimeoutMs: number;
}

interface ClientSettings {
  readonly maxAttempts: number;
  readonly retryMode: 'standard';
  readonly requestHandler: {
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly throwOnRequestTimeout: true;
    readonly socketTimeout: number;
    readonly httpsAgent: { readonly keepAlive: true; readonly maxSockets: number };
  };
}

function clientSettings({ requestTimeoutMs, idleTimeoutMs }: CallTimes): ClientSettings {
  return {
    maxAttempts: 4,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: 1_000,
      requestTimeout: requestTimeoutMs,
      // Without it the SDK only logs that the time is over.
      throwOnRequestTimeout: true,
      socketTimeout: idleTimeoutMs,
      httpsAgent: { keepAlive: true, maxSockets: 64 },
    },
  };
}

// Each is marked as pure, so that a function bundles the clients that it asks for and no others.

/** DynamoDB answers in milliseconds; three seconds are an outage. */
export const dynamoDbClient: () => DynamoDBClient = /* @__PURE__ */ once(
  () => new DynamoDBClient(clientSettings({ requestTimeoutMs: 3_000, idleTimeoutMs: 3_000 })),
);

export const sqsClient: () => SQSClient = /* @__PURE__ */ once(
  () =>
    new SQSClient({
      // A batch of 1 MiB has to get there first.
      ...clientSettings({ requestTimeoutMs: 10_000, idleTimeoutMs: 10_000 }),
      // Else the host of a queue URL overrides AWS_ENDPOINT_URL_SQS.
      useQueueUrlAsEndpoint: false,
    }),
);

export const s3Client: () => S3Client = /* @__PURE__ */ once(
  () => new S3Client(clientSettings({ requestTimeoutMs: 15_000, idleTimeoutMs: 10_000 })),
);

/** For presigned uploads: by default the client would sign the checksum of a body that is not there yet. */
export const uploadSigningClient: () => S3Client = /* @__PURE__ */ once(
  () =>
    new S3Client({
      ...clientSettings({ requestTimeoutMs: 15_000, idleTimeoutMs: 10_000 }),
      requestChecksumCalculation: 'WHEN_REQUIRED',
    }),
);

export const secretsManagerClient: () => SecretsManagerClient = /* @__PURE__ */ once(
  () => new SecretsManagerClient(clientSettings({ requestTimeoutMs: 5_000, idleTimeoutMs: 5_000 })),
);

/** A mail of megabytes has to get there first. */
export const sesClient: () => SESv2Client = /* @__PURE__ */ once(
  () => new SESv2Client(clientSettings({ requestTimeoutMs: 30_000, idleTimeoutMs: 30_000 })),
);

/** For the command line; no function asks for it. */
export const cloudFormationClient: () => CloudFormationClient = /* @__PURE__ */ once(
  () =>
    new CloudFormationClient(clientSettings({ requestTimeoutMs: 10_000, idleTimeoutMs: 10_000 })),
);

/** Makes a value at the first call and hands the same one out ever after. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
