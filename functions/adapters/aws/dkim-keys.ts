/**
 * DKIM keys from Secrets Manager, each a PKCS #8 private key in PEM. Nothing in here logs, and no error carries a key.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { DkimKeySetting } from '../../environment.ts';
import { type DkimKey, keyFault } from '../../protocol/dkim/sign-message.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { ReadDkimKeys } from '../../submission/ports.ts';
import { createCachedSecret } from './cached-secret.ts';

export interface DkimKeysOptions {
  readonly client: SecretsManagerClient;
  readonly keys: readonly DkimKeySetting[];
  readonly now: () => number;
}

/**
 * Makes the reader of the configured keys. A key that was replaced goes on signing for as long as
 * {@link createCachedSecret} does not notice: leave the old key record in DNS that long.
 *
 * Rejects as that does, with `settings-invalid` when the secret is no key that can sign.
 */
export function createDkimKeys({ client, keys, now }: DkimKeysOptions): ReadDkimKeys {
  const readers = new Map<string, () => Promise<KeyObject>>();
  const readerOf = (secretArn: string): (() => Promise<KeyObject>) => {
    const parse = (secret: string): KeyObject => parseKey(secret, secretArn);
    const reader = readers.get(secretArn) ?? createCachedSecret({ client, secretArn, now, parse });
    readers.set(secretArn, reader);
    return reader;
  };
  // Two keys may be of one secret, which is then asked for once.
  const readable = keys.map((key) => ({ ...key, read: readerOf(key.secretArn) }));
  return (domain) =>
    Promise.all(
      readable
        .filter((key) => key.domain === domain)
        .map(async ({ selector, read }): Promise<DkimKey> => {
          return { domain, selector, privateKey: await read() };
        }),
    );
}

function parseKey(secret: string, secretArn: string): KeyObject {
  const key = decodeKey(secret);
  const fault =
    key === undefined ? 'not a PKCS #8 private key in PEM, without a passphrase' : keyFault(key);
  if (key === undefined || fault !== undefined) {
    throw new TransportSecurityError('settings-invalid', `secret ${secretArn}: ${fault}`);
  }
  return key;
}

/** Undefined where it is none. */
function decodeKey(secret: string): KeyObject | undefined {
  try {
    return createPrivateKey({ key: secret, format: 'pem' });
  } catch {
    // No cause is kept: what OpenSSL says may quote from what it read.
    return undefined;
  }
}
