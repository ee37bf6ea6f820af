/** What the SDK throws, in the words of `functions/protocol/errors.ts`. */
import { TransportSecurityError } from '../../protocol/errors.ts';

/**
 * Wraps an error of the SDK: it is a fault of ours or of AWS, never the message's or the peer's.
 *
 * @param doing What was being done to what, e.g. `UpdateItem on table mail`.
 */
export function storeUnavailable(doing: string, cause: unknown): TransportSecurityError {
  if (cause instanceof TransportSecurityError) {
    return cause;
  }
  const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return new TransportSecurityError('store-unavailable', `${doing}: ${reason}`, { cause });
}

/** Runs a call of the SDK; what it throws becomes `store-unavailable`. */
export async function orUnavailable<T>(doing: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw storeUnavailable(doing, cause);
  }
}
