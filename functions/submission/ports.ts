/** What accepting a message needs of the world. */
import type { PolicyException, TaggingRule } from '../environment.ts';

/** What an operator decided at run time, on top of the config. */
export interface Controls {
  /** In order; they come before those of the config. */
  readonly rules: readonly TaggingRule[];
  /** None that is over. */
  readonly exceptions: readonly PolicyException[];
}

/**
 * The controls as of now, at most a minute old.
 *
 * Rejects with `store-unavailable` where they could never be read: without them a message might go out with less than
 * a rule asks for. Once read, an outage leaves them as they were.
 */
export type ReadControls = () => Promise<Controls>;

/**
 * Signs a message as it goes on the wire, with every DKIM key of its From domain (RFC 6376); the content itself where
 * there is no key, or where the domain has signed it already. Rejects with `store-unavailable` where a key could not be had.
 */
export type SignContent = (content: Uint8Array, nowMs: number) => Promise<Uint8Array>;
