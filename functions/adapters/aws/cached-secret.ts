/** A secret of Secrets Manager, as its reader understands it. Nothing in here logs, and no error carries the secret. */
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { orUnavailable } from './store-failure.ts';

/** So long a secret that was changed may stay unnoticed. */
const cachedForMs = 5 * 60_000;

export interface CachedSecretOptions<T> {
  readonly client: SecretsManagerClient;
  readonly secretArn: string;
  readonly now: () => number;
  /** Throws where the secret is not what it should be, without a word of it. */
  readonly parse: (secret: string) => T;
}

/**
 * Gives the secret, asking Secrets Manager at most once in five minutes however many ask at once, and parses it once
 * each time. A failure is not remembered.
 *
 * Rejects with `store-unavailable` when Secrets Manager fails, and with what `parse` throws.
 */
export function createCachedSecret<T>(options: CachedSecretOptions<T>): () => Promise<T> {
  let cached: { readonly value: Promise<T>; readonly untilMs: number } | undefined;
  return () => {
    const nowMs = options.now();
    if (cached === undefined || cached.untilMs <= nowMs) {
      const asked = { value: fetchSecret(options), untilMs: nowMs + cachedForMs };
      cached = asked;
      asked.value.catch(() => {
        // Whoever asked gets the rejection; only the next one must not get it from the cache.
        cached = cached === asked ? undefined : cached;
      });
    }
    return cached.value;
  };
}

async function fetchSecret<T>({ client, secretArn, parse }: CachedSecretOptions<T>): Promise<T> {
  const { SecretString: secret = '' } = await orUnavailable(`GetSecretValue of ${secretArn}`, () =>
    client.send(new GetSecretValueCommand({ SecretId: secretArn })),
  );
  return parse(secret);
}
