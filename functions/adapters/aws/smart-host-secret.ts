/** The smart host's credentials, from Secrets Manager. Nothing in here logs, and no error carries the secret. */
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import type { ChannelTarget } from '../../delivery/channel.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { orUnavailable } from './store-failure.ts';

export type SmartHostCredentials = NonNullable<ChannelTarget['credentials']>;

/** So long a changed secret may stay unnoticed; mail waits meanwhile, none is lost. */
const cachedForMs = 5 * 60_000;

/** RFC 4616 §2: up to 255 octets without NUL each. */
const saslText = z
  .string()
  .min(1)
  .refine((value) => Buffer.byteLength(value) <= 255 && !value.includes('\0'));

/** Secrets often carry more than is asked for (host, engine); only these two are taken. */
const secretSchema = z.object({ username: saslText, password: saslText });

export interface SmartHostSecretOptions {
  readonly client: SecretsManagerClient;
  readonly secretArn: string;
  readonly now: () => number;
}

/**
 * Gives the credentials, asking Secrets Manager at most once in five minutes however many ask at once. A failure is
 * not remembered.
 *
 * Rejects with `store-unavailable` when Secrets Manager fails, `settings-invalid` when the secret is not JSON
 * `{"username": …, "password": …}`.
 */
export function createSmartHostSecret(
  options: SmartHostSecretOptions,
): () => Promise<SmartHostCredentials> {
  let cached:
    | { readonly value: Promise<SmartHostCredentials>; readonly untilMs: number }
    | undefined;
  return () => {
    const nowMs = options.now();
    if (cached === undefined || cached.untilMs <= nowMs) {
      const asked = { value: fetchCredentials(options), untilMs: nowMs + cachedForMs };
      cached = asked;
      asked.value.catch(() => {
        // Whoever asked gets the rejection; only the next one must not get it from the cache.
        cached = cached === asked ? undefined : cached;
      });
    }
    return cached.value;
  };
}

async function fetchCredentials({
  client,
  secretArn,
}: SmartHostSecretOptions): Promise<SmartHostCredentials> {
  const { SecretString: secret = '' } = await orUnavailable(`GetSecretValue of ${secretArn}`, () =>
    client.send(new GetSecretValueCommand({ SecretId: secretArn })),
  );
  const parsed = secretSchema.safeParse(parseJson(secret));
  if (!parsed.success) {
    // No cause: what JSON.parse and zod say quotes from what they read.
    throw new TransportSecurityError(
      'settings-invalid',
      `secret ${secretArn}: not JSON {"username": …, "password": …} with 1 to 255 octets each`,
    );
  }
  return parsed.data;
}

/** Undefined where it is not JSON: the schema then says all that may be said. */
function parseJson(secret: string): unknown {
  try {
    return JSON.parse(secret);
  } catch {
    // The error quotes the secret.
    return undefined;
  }
}
