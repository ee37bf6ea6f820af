/** Waiting for what the functions do by themselves. */
import { setTimeout as sleep } from 'node:timers/promises';

/** How long anything may be under way before the tour goes on without it. */
const patienceMs = 60_000;
const pollMs = 100;

/**
 * Reads until there is something.
 *
 * @throws {Error} that names `what`, where there is nothing for a minute
 */
export async function poll<T>(what: string, read: () => Promise<T | undefined>): Promise<T> {
  const givenUpAtMs = Date.now() + patienceMs;
  while (Date.now() < givenUpAtMs) {
    const found = await read();
    if (found !== undefined) {
      return found;
    }
    await sleep(pollMs);
  }
  throw new Error(`no ${what} within ${patienceMs / 1_000} s`);
}
