import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { expect, onTestFinished, test } from 'vitest';
import { readStackOutputs } from '../../../functions/adapters/aws/stack-outputs.ts';
import { clientConfig } from './local-aws.ts';

const namespace = 'http://cloudformation.amazonaws.com/doc/2010-05-15/';

/** A client that is answered with this. */
async function clientOf(status: number, body: string): Promise<CloudFormationClient> {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new CloudFormationClient({
    ...clientConfig(`http://127.0.0.1:${port}`),
    maxAttempts: 1,
  });
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  return client;
}

const error = (code: string, message: string): string =>
  `<ErrorResponse xmlns="${namespace}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;

test('outputs by name', async () => {
  const member = (name: string, value: string): string =>
    `<member><OutputKey>${name}</OutputKey><OutputValue>${value}</OutputValue></member>`;
  const client = await clientOf(
    200,
    `<DescribeStacksResponse xmlns="${namespace}"><DescribeStacksResult><Stacks><member><StackName>S</StackName><Outputs>${member('A', 'a')}${member('Json', '{&quot;b&quot;:1}')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
  );
  expect(await readStackOutputs(client, 'S')).toEqual({ A: 'a', Json: '{"b":1}' });
});

test('a stack that does not exist is absent', async () => {
  const client = await clientOf(400, error('ValidationError', 'Stack with id S does not exist'));
  expect(await readStackOutputs(client, 'S')).toBeUndefined();
});

test.each([
  [400, error('ValidationError', '1 validation error detected'), 'another fault of the request'],
  [403, error('AccessDenied', 'not authorized to perform DescribeStacks'), 'no right to ask'],
  [500, error('InternalFailure', 'x'), 'a fault of AWS'],
])('status %i, %s is no answer (%s)', async (status, body) => {
  const client = await clientOf(status, body);
  await expect(readStackOutputs(client, 'S')).rejects.toMatchObject({
    code: 'store-unavailable',
    message: expect.stringMatching(/^DescribeStacks of S: /),
  });
});
