/**
 * The AWS services that functions and visitors call: started, and filled with what the templates declare.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Closers } from './closers.ts';
import { createTable, startDynamoDb } from './dynamodb.ts';
import type { Listening } from './loopback.ts';
import type { Deployment } from './resource.ts';
import { secretValue, startSecretsManager } from './secrets.ts';
import { type Ses, startSes } from './ses.ts';
import { createBucket, createQueue, type SqsAndS3, startSqsAndS3 } from './sqs-s3.ts';

/** The URLs of the services. */
export interface Endpoints {
  readonly dynamodb: string;
  readonly sqs: string;
  readonly s3: string;
  readonly sesv2: string;
  readonly secretsManager: string;
}

/** The services while they run. */
export interface Services {
  readonly endpoints: Endpoints;
  /** The variables that lead an AWS SDK or command line here. */
  readonly variables: Readonly<Record<string, string>>;
  readonly ses: Ses;
  /** Creates what the templates declare; to be called once. */
  createResources(deployment: Deployment): Promise<void>;
  /** The object client. */
  readonly s3: S3Client;
  /** Has somebody told of each object that comes; see {@link SqsAndS3}. */
  readonly onObjectCreated: SqsAndS3['onObjectCreated'];
  /** The queue client for a region. */
  sqs(region: string): SQSClient;
}

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

/**
 * Starts all services on free ports of 127.0.0.1.
 *
 * @param givenSecrets - name or ARN -> secret string, for secrets that no template declares
 * @param closers - is told how to end what was started, also when the rest could not be
 */
export async function startServices(
  givenSecrets: Readonly<Record<string, string>>,
  closers: Closers,
): Promise<Services> {
  const secrets = new Map(Object.entries(givenSecrets));
  const started = async <T extends Listening>(starting: Promise<T>): Promise<T> => {
    const service = await starting;
    closers.add(service.close);
    return service;
  };
  const dynamodb = await started(startDynamoDb());
  const queuesAndBuckets = await started(startSqsAndS3());
  const ses = await started(startSes());
  const secretsManager = await started(startSecretsManager(secrets));
  const url = ({ port }: { readonly port: number }): string => `http://127.0.0.1:${port}`;
  const endpoints: Endpoints = {
    dynamodb: url(dynamodb),
    sqs: url(queuesAndBuckets),
    s3: url(queuesAndBuckets),
    sesv2: url(ses),
    secretsManager: url(secretsManager),
  };
  const tables = new DynamoDBClient({
    endpoint: endpoints.dynamodb,
    region: 'us-east-1',
    credentials,
  });
  const buckets = new S3Client({ endpoint: endpoints.s3, region: 'us-east-1', credentials });
  const queues = new Map<string, SQSClient>();
  const sqs = (region: string): SQSClient => {
    const client =
      queues.get(region) ?? new SQSClient({ endpoint: endpoints.sqs, region, credentials });
    queues.set(region, client);
    return client;
  };
  closers.add(() => {
    for (const client of [tables, buckets, ...queues.values()]) {
      client.destroy();
    }
  });
  return {
    endpoints,
    variables: endpointVariables(endpoints),
    ses,
    s3: buckets,
    onObjectCreated: queuesAndBuckets.onObjectCreated,
    sqs,
    createResources: async ({ resources }) => {
      for (const resource of resources) {
        switch (resource.type) {
          case 'AWS::DynamoDB::Table':
          case 'AWS::DynamoDB::GlobalTable':
            await createTable(tables, resource);
            break;
          case 'AWS::SQS::Queue':
            await createQueue(sqs(resource.stack.region), resource);
            break;
          case 'AWS::S3::Bucket':
            await createBucket(buckets, resource);
            break;
          case 'AWS::SecretsManager::Secret':
            secrets.set(resource.identity().ref, secretValue(resource));
            break;
        }
      }
    },
  };
}

function endpointVariables(endpoints: Endpoints): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_S3: endpoints.s3,
    AWS_ENDPOINT_URL_SESV2: endpoints.sesv2,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoints.secretsManager,
    // Every other service ends at one that refuses, not at AWS.
    AWS_ENDPOINT_URL: endpoints.sesv2,
  };
}
