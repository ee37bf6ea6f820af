/** What operators decide at run time, as kept: tagging rules and exceptions, each with who decided it and when. */
import type { PolicyException, TaggingRule } from '../environment.ts';

/** A tagging rule made at run time. */
export interface StoredRule {
  readonly rule: TaggingRule;
  /** Rules are asked in ascending order of it, and by name where it is the same. */
  readonly position: number;
  readonly author: string;
  /** Epoch milliseconds. */
  readonly addedAtMs: number;
}

/** An exception made at run time. */
export interface StoredException extends PolicyException {
  readonly author: string;
  /** Epoch milliseconds. */
  readonly addedAtMs: number;
}

/** Names an exception: a domain has one of each policy at most. */
export type ExceptionKey = Pick<PolicyException, 'domain' | 'policy'>;

/**
 * The control table. Every method rejects with `store-unavailable`; the lists also with `store-damaged`, since a rule
 * that cannot be read may be one that asks for protection.
 */
export interface ControlStore {
  /** In the order in which they are asked. */
  listRules(): Promise<readonly StoredRule[]>;
  /** By domain; those that are over too, until they are removed or forgotten. */
  listExceptions(): Promise<readonly StoredException[]>;
  /** Adds a rule; `false`, and nothing is changed, where one of its name is there and is not to be replaced. */
  putRule(stored: StoredRule, options: { readonly replace: boolean }): Promise<boolean>;
  /** `false` where there was none. */
  removeRule(name: string): Promise<boolean>;
  /** Adds an exception, in the place of one for the same domain and policy. */
  putException(stored: StoredException): Promise<void>;
  /** `false` where there was none. */
  removeException(key: ExceptionKey): Promise<boolean>;
}
