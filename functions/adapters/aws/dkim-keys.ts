/**
 * DKIM keys from Secrets Manager, each a PKCS #8 private key in PEM. Nothing in here logs, and no error carries a key.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { DkimKeySetting } from '../../environment.ts';
import { type DkimKey, keyFault } from '../../protocol/dkim/sign-message.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { ReadDkimKeys } from '../../submission/ports.ts';
import { orUnavailable } from './store-failure.ts';

/** So long a key that was replaced goes on signing: leave the old key record in DNS that long. */
const cachedForMs = 5 * 60_000;

export interface DkimKeysOptions {
  readonly client: SecretsManagerClient;
  readonly keys: readonly DkimKeySetting[];
  readonly now: () => number;
}

interface CachedKey {
  readonly value: Promise<KeyObject>;
  readonly untilMs: number;
}

/**
 * Makes the reader of the configured keys. Secrets Manager is asked at most once in five minutes for each secret, however
 * many ask at once, and a key is parsed once each time. A failure is not remembered.
 *
 * Rejects with `store-unavailable` when Secrets Manager fails, `settings-invalid` when the secret is no key that can sign.
 */
export function createDkimKeys({ client, keys, now }: DkimKeysOptions): ReadDkimKeys {
  const cache = new Map<string, CachedKey>();
  const readKey = (secretArn: string): Promise<KeyObject> => {
    const nowMs = now();
    const cached = cache.get(secretArn);
    if (cached !== undefined && cached.untilMs > nowMs) {
      return cached.value;
    }
    const asked = { value: fetchKey(client, secretArn), untilMs: nowMs + cachedForMs };
    cache.set(secretArn, asked);
    asked.value.catch(() => {
      // Whoever asked gets the rejection; only the next one must not get it from the cache.
      if (cache.get(secretArn) === asked) {
        cache.delete(secretArn);
      }
    });
    return asked.value;
  };
  return (domain) =>
    Promise.all(
      keys
        .filter((key) => key.domain === domain)
        .map(
          async ({ selector, secretArn }): Promise<DkimKey> => ({
            domain,
            selector,
            privateKey: await readKey(secretArn),
          }),
        ),
    );
}

async function fetchKey(client: SecretsManagerClient, secretArn: string): Promise<KeyObject> {
  const { SecretString: secret = '' } = await orUnavailable(`GetSecretValue of ${secretArn}`, () =>
    client.send(new GetSecretValueCommand({ SecretId: secretArn })),
  );
  const key = parseKey(secret);
  const fault =
    key === undefined ? 'not a PKCS #8 private key in PEM, without a passphrase' : keyFault(key);
  if (key === undefined || fault !== undefined) {
    throw new TransportSecurityError('settings-invalid', `secret ${secretArn}: ${fault}`);
  }
  return key;
}

/** Undefined where it is none. */
function parseKey(secret: string): KeyObject | undefined {
  try {
    return createPrivateKey({ key: secret, format: 'pem' });
  } catch {
    // No cause is kept: what OpenSSL says may quote from what it read.
    return undefined;
  }
}
