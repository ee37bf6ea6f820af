/**
 * Secrets Manager on this machine: `GetSecretValue` over the secrets of the templates and those given at the start.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { z } from 'zod';
import { type Listening, listenOnLoopback, readBody } from './loopback.ts';
import { readProperties } from './properties.ts';
import type { DeployedResource } from './resource.ts';

const requestBytesMax = 64 * 1024;

const getSecretValueSchema = z.object({ SecretId: z.string() });

const secretSchema = z.object({
  SecretString: z.string().optional(),
  GenerateSecretString: z
    .object({
      SecretStringTemplate: z.string().optional(),
      GenerateStringKey: z.string().optional(),
    })
    .optional(),
});

/**
 * Starts a Secrets Manager.
 *
 * @param secrets - name or ARN -> secret string
 */
export async function startSecretsManager(
  secrets: ReadonlyMap<string, string>,
): Promise<Listening> {
  const server = createServer((request, response) => {
    getSecretValue(request, secrets).then(
      (value) => {
        response.writeHead('__type' in value ? 400 : 200, {
          'content-type': 'application/x-amz-json-1.1',
        });
        response.end(JSON.stringify(value));
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  return await listenOnLoopback(server);
}

async function getSecretValue(
  request: IncomingMessage,
  secrets: ReadonlyMap<string, string>,
): Promise<Readonly<Record<string, string>>> {
  const body = await readBody(request, requestBytesMax);
  if (request.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue' || body === undefined) {
    return { __type: 'InvalidRequestException', message: 'only GetSecretValue is known here' };
  }
  const { SecretId } = getSecretValueSchema.parse(JSON.parse(body.toString()));
  const secret = secrets.get(SecretId);
  return secret === undefined
    ? { __type: 'ResourceNotFoundException', message: `there is no secret ${SecretId}` }
    : { ARN: SecretId, Name: SecretId, SecretString: secret, VersionId: '1' };
}

/** The value of a secret that a template declares, made up where the template leaves that to AWS. */
export function secretValue(resource: DeployedResource): string {
  const { SecretString, GenerateSecretString } = readProperties(resource, secretSchema);
  if (SecretString !== undefined) {
    return SecretString;
  }
  const generated = randomBytes(24).toString('base64url');
  const { SecretStringTemplate, GenerateStringKey } = GenerateSecretString ?? {};
  return SecretStringTemplate === undefined || GenerateStringKey === undefined
    ? generated
    : JSON.stringify({ ...JSON.parse(SecretStringTemplate), [GenerateStringKey]: generated });
}
