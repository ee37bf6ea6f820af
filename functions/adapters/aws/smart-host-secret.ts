/** The smart host's credentials, from Secrets Manager. Nothing in here logs, and no error carries the secret. */
import * as z from 'zod';
import type { ChannelTarget } from '../../delivery/channel.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import { type CachedSecretOptions, createCachedSecret } from './cached-secret.ts';

export type SmartHostCredentials = NonNullable<ChannelTarget['credentials']>;

/** RFC 4616 §2: up to 255 octets without NUL each. */
const saslText = z
  .string()
  .min(1)
  .refine((value) => Buffer.byteLength(value) <= 255 && !value.includes('\0'));

/** Secrets often carry more than is asked for (host, engine); only these two are taken. */
const secretSchema = z.object({ username: saslText, password: saslText });

export type SmartHostSecretOptions = Omit<CachedSecretOptions<SmartHostCredentials>, 'parse'>;

/**
 * Gives the credentials; mail waits while a change of theirs is not noticed, none is lost.
 *
 * Rejects as {@link createCachedSecret} does, with `settings-invalid` when the secret is not JSON
 * `{"username": …, "password": …}`.
 */
export function createSmartHostSecret(
  options: SmartHostSecretOptions,
): () => Promise<SmartHostCredentials> {
  return createCachedSecret({
    ...options,
    parse: (secret) => parseCredentials(secret, options.secretArn),
  });
}

function parseCredentials(secret: string, secretArn: string): SmartHostCredentials {
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
