/**
 * What becomes of a message when no host was good enough: put off, or back to its sender. Pure.
 */
import { type FailureCode, failures } from '../protocol/errors.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import type { Reply } from '../protocol/smtp/transaction.ts';
import type { FailureNote } from './why.ts';

/** Something that stood in the way at a host. */
export interface HostFailure extends FailureNote {
  /** What the host said, where that was it. */
  readonly refusal?: Reply;
}

/** Everything that stood in the way at one host, in the order in which it was met. */
export interface HostFailures {
  readonly host: string;
  /** Whether a connection was tried; else the host was passed over. */
  readonly isTried: boolean;
  /** Not empty. */
  readonly failures: readonly HostFailure[];
}

/** The verdict on a message that found no channel. */
export interface Conclusion {
  readonly outcome: 'deferred' | 'failed';
  readonly code: FailureCode;
  readonly status: string;
  readonly reason: string;
  /** The MX host to blame or, where that was passed over, the last one that was tried; absent where none was. */
  readonly host?: string;
  /** What `host` said, where that was it. */
  readonly refusal?: Reply;
}

/**
 * Decides for a message that no host is left for. Where none has failed, channels were opened and spent on other
 * messages, so that nothing is known to stand in this one's way. `leftOut` hosts were not tried at all: what one of them
 * would have shown nobody knows, so the message waits.
 */
export function concludeExhausted(
  demand: TlsDemand,
  hosts: readonly HostFailures[],
  leftOut = 0,
): Conclusion {
  const conclusion = concludeTried(demand, hosts);
  if (conclusion.outcome === 'deferred' || leftOut === 0) {
    return conclusion;
  }
  const { code, reason } = conclusion;
  const left = `${leftOut} more hosts of the domain were not tried`;
  return { ...conclusion, ...deferred(code, `${reason}; ${left}`) };
}

function concludeTried(demand: TlsDemand, hosts: readonly HostFailures[]): Conclusion {
  const all = inOrder(hosts);
  if (all.length === 0) {
    return deferred('connection-lost', 'no channel was left by the messages before this one');
  }
  const unreachable = all.find(({ code }) => !isWithoutAddress(code));
  if (unreachable === undefined) {
    // No address on any host, every answer definite: nobody to wait for (RFC 3463 X.4.4).
    return failed('no-mail-host', first(all).reason);
  }
  if (demand === 'require' && all.every(({ code }) => failures[code].definite)) {
    return concludeRequireTls(hosts);
  }
  // RFC 8461 §5.1: failures of policy are transient. The policy's own verdict tells the sender more than a time-out.
  const telling = all.find(({ code }) => isPolicyFailure(code)) ?? unreachable;
  return { ...deferred(telling.code, telling.reason), ...blame(telling, hosts) };
}

/**
 * Decides for a message whose time was over with hosts left to try: nothing is definite, whatever the ones before have
 * shown. Undefined: no host was to blame, only the clock.
 */
export function concludeOutOfTime(hosts: readonly HostFailures[]): Conclusion | undefined {
  const all = inOrder(hosts);
  const telling = all.find(({ code }) => isPolicyFailure(code)) ?? all[0];
  if (telling === undefined) {
    return undefined;
  }
  const { code, reason } = telling;
  return { outcome: 'deferred', code, status: '4.4.7', reason, ...blame(telling, hosts) };
}

type LocatedFailure = HostFailure & Pick<HostFailures, 'host' | 'isTried'>;

function inOrder(hosts: readonly HostFailures[]): LocatedFailure[] {
  return hosts.flatMap(({ host, isTried, failures }) =>
    failures.map((failure) => ({ ...failure, host, isTried })),
  );
}

/** RFC 3461 §6.3 (h), (i): where it was tried to relay a message by SMTP, to whom, and what was said. */
function blame(
  { host, isTried, refusal }: LocatedFailure,
  hosts: readonly HostFailures[],
): Pick<Conclusion, 'host' | 'refusal'> {
  const tried = isTried ? host : hosts.findLast((other) => other.isTried)?.host;
  return {
    ...(tried !== undefined && { host: tried }),
    ...(refusal !== undefined && { refusal }),
  };
}

/** RFC 8689 §4.2.1: 5.7.30 where a host lacked nothing but the keyword, else 5.7.10. */
function concludeRequireTls(hosts: readonly HostFailures[]): Conclusion {
  const lackingKeyword = hosts.find((host) =>
    host.failures.every(({ code }) => code === 'requiretls-not-offered'),
  );
  if (lackingKeyword !== undefined) {
    const failure = first(inOrder([lackingKeyword]));
    return { ...failed(failure.code, failure.reason), ...blame(failure, hosts) };
  }
  const failure = first(inOrder(hosts).filter(({ code }) => !isWithoutAddress(code)));
  const { code, reason } = failure;
  return { outcome: 'failed', code, status: '5.7.10', reason, ...blame(failure, hosts) };
}

/** A verdict that needs no host: the look-ups alone decided. */
export function concludeWithoutHosts(code: FailureCode, reason: string): Conclusion {
  return failures[code].definite ? failed(code, reason) : deferred(code, reason);
}

/** A verdict that was reached when the message was accepted. It is final, whatever its code is elsewhere. */
export function concludeRefused(code: FailureCode, reason: string): Conclusion {
  return { outcome: 'failed', code, status: `5${failures[code].status.slice(1)}`, reason };
}

/** RFC 3463 X.4.7: what was put off is given up once the message's time is over. */
export function concludeExpired({ reason }: Conclusion): Conclusion {
  return failed('expired', `given up after the last failure: ${reason}`);
}

function failed(code: FailureCode, reason: string): Conclusion {
  return { outcome: 'failed', code, status: failures[code].status, reason };
}

/** Put off, with the status of a delay: the same subject and detail, class 4. */
function deferred(code: FailureCode, reason: string): Conclusion {
  return { outcome: 'deferred', code, status: `4${failures[code].status.slice(1)}`, reason };
}

function isWithoutAddress(code: FailureCode): boolean {
  return code === 'no-mail-host' || code === 'address-private';
}

/** Whether it was a demand on the channel, and not the network, that stopped the message. */
export function isPolicyFailure(code: FailureCode | undefined): boolean {
  return code !== undefined && (failures[code].resultType !== null || violations.has(code));
}

/** Whether a message with REQUIRETLS was stopped by just that, and one without it could have gone. */
export function isForWantOfRequireTls(code: FailureCode | undefined): boolean {
  return code === 'requiretls-disabled' || isPolicyFailure(code);
}

const violations: ReadonlySet<FailureCode> = new Set([
  'mx-not-authenticated',
  'requiretls-not-offered',
  'sts-policy-unknown',
]);

function first<T>(list: readonly T[]): T {
  const [head] = list;
  if (head === undefined) {
    throw new RangeError('a host has failed by one reason at least');
  }
  return head;
}
