import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSmartHostSecret } from '../../../functions/adapters/aws/smart-host-secret.ts';
import { minuteMs, noonMs } from '../../delivery/port-fixtures.ts';
import { clientConfig } from './local-aws.ts';

const secretArn = 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:relay-AbCdEf';

/** What Secrets Manager knows right now; undefined: it has no such secret. */
let secret: string | undefined;
let asked: string[];
let server: Server;
let client: SecretsManagerClient;

beforeEach(async () => {
  secret = '{"username": "relay", "password": "hunter2"}';
  asked = [];
  server = createServer((request, response) => {
    request.setEncoding('utf8').once('data', (body: string) => {
      asked.push(`${request.headers['x-amz-target']} ${JSON.parse(body).SecretId}`);
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      if (secret === undefined) {
        response.writeHead(400).end('{"__type": "ResourceNotFoundException"}');
      } else {
        response.end(JSON.stringify({ ARN: secretArn, SecretString: secret }));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new SecretsManagerClient({ ...clientConfig(endpoint), maxAttempts: 1 });
});

afterEach(async () => {
  client.destroy();
  server.close();
  await once(server, 'close');
});

test('gives the credentials', async () => {
  const read = createSmartHostSecret({ client, secretArn, now: () => noonMs });
  expect(await read()).toEqual({ username: 'relay', password: 'hunter2' });
  expect(asked).toEqual([`secretsmanager.GetSecretValue ${secretArn}`]);
});

test('takes nothing else of the secret', async () => {
  secret = '{"engine": "smtp", "username": "relay", "password": "hunter2", "port": 465}';
  const read = createSmartHostSecret({ client, secretArn, now: () => noonMs });
  expect(await read()).toEqual({ username: 'relay', password: 'hunter2' });
});

describe('the cache', () => {
  test('asks once in five minutes, however many ask at once', async () => {
    let nowMs = noonMs;
    const read = createSmartHostSecret({ client, secretArn, now: () => nowMs });
    await Promise.all([read(), read(), read()]);
    nowMs += 5 * minuteMs - 1;
    await read();
    expect(asked).toHaveLength(1);
    secret = '{"username": "relay", "password": "hunter3"}';
    nowMs += 1;
    expect(await read()).toEqual({ username: 'relay', password: 'hunter3' });
    expect(asked).toHaveLength(2);
  });

  test('does not remember a failure', async () => {
    const read = createSmartHostSecret({ client, secretArn, now: () => noonMs });
    const good = secret;
    secret = undefined;
    await expect(read()).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/^GetSecretValue of arn:.*ResourceNotFoundException/),
    });
    secret = good;
    expect(await read()).toMatchObject({ username: 'relay' });
  });
});

test.each([
  ['hunter2', 'no JSON'],
  ['"hunter2"', 'no object'],
  ['{"username": "relay"}', 'no password'],
  ['{"username": "relay", "password": ["hunter2"]}', 'a password that is no text'],
  ['{"username": "", "password": "hunter2"}', 'an empty name'],
  ['{"username": "relay", "password": "hunter2\\u0000"}', 'RFC 4616 §2: a NUL'],
  [
    `{"username": "relay", "password": "hunter2${'é'.repeat(128)}"}`,
    'RFC 4616 §2: over 255 octets',
  ],
])('refuses %j (%s) without repeating it', async (value) => {
  secret = value;
  const read = createSmartHostSecret({ client, secretArn, now: () => noonMs });
  const error = await read().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'settings-invalid' });
  expect((error as Error).cause).toBeUndefined();
  expect(String(error)).toContain(secretArn);
  expect(String(error)).not.toContain('hunter2');
});
