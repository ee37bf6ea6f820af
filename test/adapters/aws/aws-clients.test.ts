import { expect, test } from 'vitest';
import {
  dynamoDbClient,
  s3Client,
  secretsManagerClient,
  sesClient,
  sqsClient,
} from '../../../functions/adapters/aws/aws-clients.ts';

test.each([
  ['DynamoDB', dynamoDbClient],
  ['SQS', sqsClient],
  ['S3', s3Client],
  ['Secrets Manager', secretsManagerClient],
  ['SES', sesClient],
])(
  'the %s client is made once, tries four times, and has a limit for each try',
  async (_service, client) => {
    const first = client();
    expect(client()).toBe(first);
    expect(await first.config.maxAttempts()).toBe(4);
    const retryMode = first.config.retryMode;
    expect(typeof retryMode === 'function' ? await retryMode() : retryMode).toBe('standard');
    const handler = first.config.requestHandler as unknown as { configProvider: Promise<object> };
    expect(await handler.configProvider).toMatchObject({
      connectionTimeout: 1_000,
      throwOnRequestTimeout: true,
      requestTimeout: expect.any(Number),
      socketTimeout: expect.any(Number),
    });
  },
);

test('the SQS client leaves the endpoint to the environment, whatever the host of a queue URL', () => {
  expect(sqsClient().config).toMatchObject({ useQueueUrlAsEndpoint: false });
});
