import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDkimKeys } from '../../../functions/adapters/aws/dkim-keys.ts';
import type { ReadDkimKeys } from '../../../functions/submission/ports.ts';
import { minuteMs, noonMs } from '../../delivery/port-fixtures.ts';
import { ed25519Key, rsaKey } from '../../protocol/dkim/keys.ts';
import { clientConfig } from './local-aws.ts';

const arnOf = (name: string): string =>
  `arn:aws:secretsmanager:eu-central-1:000000000000:secret:${name}-AbCdEf`;
const pemOf = (key: KeyObject): string =>
  key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' }) as string;
const keys = [
  { domain: 'a.example', selector: 's1', secretArn: arnOf('rsa') },
  { domain: 'b.example', selector: 's1', secretArn: arnOf('ed25519') },
  { domain: 'a.example', selector: 's2', secretArn: arnOf('ed25519') },
];

/** What Secrets Manager knows right now. */
let secrets: Map<string, string>;
let asked: string[];
let nowMs: number;
let server: Server;
let client: SecretsManagerClient;
let read: ReadDkimKeys;

beforeEach(async () => {
  secrets = new Map([
    [arnOf('rsa'), pemOf(rsaKey)],
    [arnOf('ed25519'), pemOf(ed25519Key)],
  ]);
  asked = [];
  nowMs = noonMs;
  server = createServer((request, response) => {
    request.setEncoding('utf8').once('data', (body: string) => {
      const { SecretId } = JSON.parse(body) as { SecretId: string };
      asked.push(SecretId);
      const secret = secrets.get(SecretId);
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      if (secret === undefined) {
        response.writeHead(400).end('{"__type": "ResourceNotFoundException"}');
      } else {
        response.end(JSON.stringify({ ARN: SecretId, SecretString: secret }));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new SecretsManagerClient({ ...clientConfig(endpoint), maxAttempts: 1 });
  read = createDkimKeys({ client, keys, now: () => nowMs });
});

afterEach(async () => {
  client.destroy();
  server.close();
  await once(server, 'close');
});

test('gives the keys of a domain in the order of the config', async () => {
  const found = await read('a.example');
  expect(found.map(({ domain, selector }) => [domain, selector])).toEqual([
    ['a.example', 's1'],
    ['a.example', 's2'],
  ]);
  expect(found[0]?.privateKey.equals(rsaKey)).toBe(true);
  expect(found[1]?.privateKey.equals(ed25519Key)).toBe(true);
});

test('asks nobody for a domain without a key', async () => {
  expect(await read('sub.a.example')).toEqual([]);
  expect(asked).toEqual([]);
});

describe('the cache', () => {
  test('asks once in five minutes for each secret, and makes the key once', async () => {
    const [[first], [second]] = await Promise.all([read('b.example'), read('b.example')]);
    nowMs += 5 * minuteMs - 1;
    const [, third] = await read('a.example');
    expect(asked).toEqual([arnOf('ed25519'), arnOf('rsa')]);
    expect(second?.privateKey).toBe(first?.privateKey);
    expect(third?.privateKey).toBe(first?.privateKey);
    nowMs += 1;
    await read('b.example');
    expect(asked).toHaveLength(3);
  });

  test('does not remember a failure', async () => {
    secrets.delete(arnOf('ed25519'));
    await expect(read('b.example')).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/^GetSecretValue of arn:.*ResourceNotFoundException/),
    });
    secrets.set(arnOf('ed25519'), pemOf(ed25519Key));
    expect(await read('b.example')).toHaveLength(1);
  });
});

const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { privateKey: short } = generateKeyPairSync('rsa', { modulusLength: 768 });
const { publicKey } = generateKeyPairSync('ed25519');

test.each([
  ['hunter2', /not a PKCS #8 private key/, 'no PEM'],
  ['', /not a PKCS #8 private key/, 'nothing'],
  [pemOf(publicKey), /not a PKCS #8 private key/, 'the public half'],
  [pemOf(ec), /type ec/, 'an algorithm that DKIM has not'],
  [pemOf(short), /768 bits/, 'RFC 8301 §3.2'],
  [pemOf(rsaKey).replace(/\n.{20}/, '\nhunter2hunter2hunter2'), /not a PKCS #8/, 'damaged'],
  [
    rsaKey.export({
      format: 'pem',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'p',
    }) as string,
    /passphrase/,
    'encrypted',
  ],
])('%#: refused: %#, without repeating it (%s)', async (secret, message) => {
  secrets.set(arnOf('ed25519'), secret);
  const error = await read('b.example').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'settings-invalid',
    message: expect.stringMatching(message),
  });
  expect((error as Error).cause).toBeUndefined();
  expect(String(error)).toContain(arnOf('ed25519'));
  const [, line = secret] = secret.split('\n');
  expect(line === '' || !String(error).includes(line)).toBe(true);
});
