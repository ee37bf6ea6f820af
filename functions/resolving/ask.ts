/** Asking a question until an answer is of use. */

import { explainFailure } from '../protocol/dns/edns.ts';
import type { DnsMessage } from '../protocol/dns/message.ts';
import type { DnsName } from '../protocol/dns/name.ts';
import { nameKey } from '../protocol/dns/name-tree.ts';
import { encodeQuery, receiveResponse } from '../protocol/dns/query.ts';
import { formatRcode, nameError, noError } from '../protocol/dns/record-type.ts';
import type { Reason } from '../protocol/dnssec/reason.ts';
import type { ValidationTerms } from '../protocol/dnssec/work.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import { type Context, settleTerms, spendQuery, startTerms } from './context.ts';

export interface Question {
  readonly name: DnsName;
  readonly type: number;
}

/** What was answered is not what the zone says, or it would be provable. */
export interface Bogus {
  readonly kind: 'bogus';
  readonly reason: Reason;
  /** Nobody else needs to be asked: it is the zone that is bogus, whatever it is asked. */
  readonly settled?: boolean;
}

type Judge<T> = (message: DnsMessage, terms: ValidationTerms) => T | Promise<T>;

/**
 * Asks, has the answer judged, and asks the next server where it is bogus, malformed, or no answer at all: one bad
 * server among several shall not decide.
 *
 * `judge` throws only for what is wrong with the message that it is given.
 *
 * @throws {TransportSecurityError} with a code `dns-…` where no server gave an answer that could be judged
 */
export async function ask<T extends { readonly kind: string }>(
  context: Context,
  question: Question,
  judge: Judge<T | Bogus>,
): Promise<T | Bogus> {
  const query = encodeQuery({ id: 0, ...question, dnssec: true });
  const rejected: Uint8Array[] = [];
  let bogus: Bogus | undefined;
  let failure: TransportSecurityError | undefined;
  while (rejected.length < context.limits.attempts) {
    try {
      rejected.push(await send(context, question, { query, rejected: [...rejected] }));
    } catch (error) {
      // A server that spoke says more than one that did not.
      failure ??= expectDnsFailure(error);
      break;
    }
    const judged = await judgeOctets(context, judge, { query, octets: rejected.at(-1) ?? query });
    if (judged instanceof TransportSecurityError) {
      failure = judged;
    } else if (isBogus(judged) && judged.settled !== true) {
      bogus = judged;
    } else {
      return judged;
    }
  }
  if (bogus === undefined) {
    throw failure ?? new RangeError('no attempt is allowed');
  }
  return bogus;
}

function isBogus(judged: { readonly kind: string }): judged is Bogus {
  return judged.kind === 'bogus';
}

/** Sends a query whose answer will be needed soon, together with others. */
export function askEarly(context: Context, question: Question): void {
  const key = keyOf(question);
  if (context.early.has(key) || context.spent.queries >= context.limits.queriesPerResolution) {
    return;
  }
  spendQuery(context);
  const query = encodeQuery({ id: 0, ...question, dnssec: true });
  const answer = context.exchange(query, context.deadlineMs, []);
  // Whether it failed is for whoever needs the answer to find out, and perhaps nobody does.
  answer.catch(() => undefined);
  context.early.set(key, answer);
  context.askedEarly.push(key);
}

/** Forgets the answers that nobody came to need. */
export function forgetEarly({ early, askedEarly }: Context): void {
  for (const key of askedEarly) {
    early.delete(key);
  }
}

function takeEarly({ early }: Context, question: Question): Promise<Uint8Array> | undefined {
  if (early.size === 0) {
    return undefined;
  }
  const key = keyOf(question);
  const answer = early.get(key);
  early.delete(key);
  return answer;
}

function keyOf({ name, type }: Question): string {
  return `${type} ${nameKey(name)}`;
}

async function send(
  context: Context,
  question: Question,
  { query, rejected }: { readonly query: Uint8Array; readonly rejected: readonly Uint8Array[] },
): Promise<Uint8Array> {
  const early = rejected.length === 0 ? takeEarly(context, question) : undefined;
  if (early !== undefined) {
    try {
      return await early;
    } catch (error) {
      // Another look-up may have sent it, with less time. This one has its own.
      expectDnsFailure(error);
    }
  }
  if (context.now() >= context.deadlineMs) {
    throw new TransportSecurityError('dns-timeout', 'no time left to ask');
  }
  spendQuery(context);
  return await context.exchange(query, context.deadlineMs, rejected);
}

async function judgeOctets<T>(
  context: Context,
  judge: Judge<T>,
  { query, octets }: { readonly query: Uint8Array; readonly octets: Uint8Array },
): Promise<T | TransportSecurityError> {
  const terms = startTerms(context);
  try {
    return await judge(openMessage(query, octets), terms);
  } catch (error) {
    return expectDnsFailure(error);
  } finally {
    settleTerms(context, terms);
  }
}

/** @throws {TransportSecurityError} `dns-malformed` or `dns-server-failure` */
function openMessage(query: Uint8Array, octets: Uint8Array): DnsMessage {
  // The id is between the transport and the server; what came is held against the query as it came back.
  const echoed = query.slice();
  echoed.set(octets.subarray(0, 2));
  const reception = receiveResponse(echoed, octets);
  if (reception.kind !== 'response') {
    const why = reception.kind === 'truncated' ? 'a truncated answer' : reception.reason;
    throw new TransportSecurityError('dns-malformed', why);
  }
  const { message } = reception;
  if (message.rcode !== noError && message.rcode !== nameError) {
    throw new TransportSecurityError(
      'dns-server-failure',
      `${formatRcode(message.rcode)}${explainFailure(message)}`,
    );
  }
  return message;
}

/** Lets nothing pass but what DNS does: a bug is no failure of a server. */
export function expectDnsFailure(error: unknown): TransportSecurityError {
  if (error instanceof TransportSecurityError && error.code.startsWith('dns-')) {
    return error;
  }
  throw error;
}
