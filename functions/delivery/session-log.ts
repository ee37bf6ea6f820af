/**
 * What an invocation tells of its TLS sessions, for reports: each session once, however many messages it carries, and
 * each policy that could not be had and each host that was passed over once.
 *
 * A session is judged when its peer has answered under TLS, or failed to: a TLS 1.3 server may reject our part of the
 * handshake after we hold it for done (RFC 8446 §4.4.2.4), and such a session never counts as a success.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4 RFC 8460 §4}
 */
import { type FailureCode, failures, type TransportSecurityError } from '../protocol/errors.ts';
import type { RecordedSession } from '../reporting/record-sessions.ts';
import type { Channel, OpeningWatch, TlsFacts } from './channel.ts';
import {
  judgeFailed,
  judgeOpened,
  judgePolicyLookup,
  type SessionFacts,
  type SessionResult,
} from './session-results.ts';

/** The sessions of one invocation. */
export interface SessionLog {
  /** The result of looking the plan's policy up, where that failed. */
  policyLookedUp(plan: SessionPlan): void;
  /** A host that the plan passes over: no session, and yet a result. */
  passedOver(plan: SessionPlan, host: HostFacts, code: FailureCode): void;
  /** An address is about to be asked for a channel; what comes of it is told to the note. */
  begin(plan: SessionPlan, host: HostFacts & { readonly address: string }): SessionNote;
}

/** What a plan says of the sessions that it leads to. */
export interface SessionPlan extends Pick<SessionFacts, 'domain' | 'sts'> {
  /** They carry TLS reports. */
  readonly tlsReport?: true;
}

/** What is known of a host before a connection. */
export type HostFacts = Pick<SessionFacts, 'host' | 'dane'>;

/** One session that may come about. */
export interface SessionNote extends SessionWatch {
  /** A channel is there: a new one, or one that was kept and is counted already. */
  opened(channel: Channel): void;
  failed(error: TransportSecurityError): void;
}

/** Who watches a channel while it is opened. */
export interface SessionWatch extends OpeningWatch {
  /** The connection is being made now. */
  began(): void;
}

export interface SessionLogOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Takes down what a session says of a policy, at once. */
  readonly record: (session: RecordedSession) => void;
  /** Our own public address (RFC 8460 §4.4 sending-mta-ip), where it is known. */
  readonly sendingMtaIp?: string | undefined;
}

/** Makes the log of an invocation. */
export function createSessionLog(options: SessionLogOptions): SessionLog {
  const { now, sendingMtaIp } = options;
  const counted = new WeakSet<Channel>();
  const told = new Set<string>();
  const factsOf = ({ domain, sts }: SessionPlan, host: HostFacts): SessionFacts => ({
    domain,
    sts,
    ...host,
    ...(sendingMtaIp !== undefined && { sendingMtaIp }),
  });
  const record = (
    plan: SessionPlan,
    results: readonly SessionResult[],
    startedAtMs: number,
  ): void => {
    // RFC 8460 §5.3: reports about the sessions that carry reports would never come to an end.
    if (plan.tlsReport !== true) {
      for (const result of results) {
        options.record({ domain: plan.domain, startedAtMs, ...result });
      }
    }
  };
  const recordOnce = (key: string, plan: SessionPlan, results: readonly SessionResult[]): void => {
    if (!told.has(key)) {
      told.add(key);
      record(plan, results, now());
    }
  };
  return {
    policyLookedUp: (plan) => {
      const result = judgePolicyLookup(plan.domain, plan.sts);
      if (result !== undefined) {
        recordOnce(plan.domain, plan, [result]);
      }
    },
    passedOver: (plan, host, code) => {
      const key = `${plan.domain} ${host.host} ${code}`;
      recordOnce(key, plan, judgeFailed(factsOf(plan, host), { code }));
    },
    begin: (plan, host) => {
      const facts = factsOf(plan, host);
      let startedAtMs = now();
      let shown: Shown = { peerName: '' };
      return {
        began: () => {
          startedAtMs = now();
          shown = { peerName: '' };
        },
        greeted: (peerName) => {
          shown = { ...shown, peerName };
        },
        secured: (tls) => {
          shown = { ...shown, tls };
        },
        opened: (channel) => {
          if (!counted.has(channel)) {
            counted.add(channel);
            record(plan, judgeOpened(facts, channel), startedAtMs);
          }
        },
        failed: (error) => record(plan, judgeLost(facts, error, shown), startedAtMs),
      };
    },
  };
}

/** What a peer has shown before its session was lost. */
interface Shown {
  readonly peerName: string;
  /** It has spoken TLS, whatever that was worth. */
  readonly tls?: TlsFacts;
}

/** A session that came to nothing after a good handshake, by a reply or the network, was one all the same. */
function judgeLost(
  facts: SessionFacts,
  error: TransportSecurityError,
  { peerName, tls }: Shown,
): readonly SessionResult[] {
  if (failures[error.code].resultType === null && tls !== undefined) {
    return judgeOpened(facts, { tls, peerName });
  }
  const reasonCode = reasonCodeOf(error) ?? verdictCodeOf(error, tls);
  return judgeFailed(
    { ...facts, peerName },
    { code: error.code, ...(reasonCode !== undefined && { reasonCode }) },
  );
}

/** OpenSSL's name for what went wrong, like `ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION`. */
function reasonCodeOf({ cause }: TransportSecurityError): string | undefined {
  const { code } = cause instanceof Error ? (cause as NodeJS.ErrnoException) : {};
  return code;
}

/** The same for a certificate that was refused, like `CERT_HAS_EXPIRED`. */
function verdictCodeOf(
  { code }: TransportSecurityError,
  tls: TlsFacts | undefined,
): string | undefined {
  return tls?.pkix.verified === false && tls.pkix.code === code ? tls.pkix.reasonCode : undefined;
}
