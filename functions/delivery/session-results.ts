/**
 * What one TLS session, or the attempt at one, says about each policy that applied: the material of TLS reports. Pure.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-4.3 RFC 8460 §4.3}
 */
import type { StsState } from '../policy/ports.ts';
import type { DaneLevel } from '../protocol/dane/dane-level.ts';
import { formatTlsaRecord } from '../protocol/dane/tlsa-record.ts';
import { type FailureCode, failures } from '../protocol/errors.ts';
import { mxMatches } from '../protocol/mta-sts/mx.ts';
import type { AppliedPolicy, SessionFailure } from '../protocol/tlsrpt/tally.ts';
import type { ChannelTarget, TlsFacts } from './channel.ts';

/** The result of a session under one policy. */
export interface SessionResult {
  readonly policy: AppliedPolicy;
  readonly failure?: SessionFailure;
}

/** What is known of a host's session. */
export interface SessionFacts {
  /** The next-hop domain. */
  readonly domain: string;
  readonly sts: StsState | undefined;
  /** Undefined where TLSA records are not looked up. */
  readonly dane: DaneLevel | undefined;
  readonly host: string;
  /** Absent where the host was passed over without a connection. */
  readonly address?: string;
  /** Our own public address. */
  readonly sendingMtaIp?: string;
  /** The peer's name in its EHLO reply, where it has come to that. */
  readonly peerName?: string;
}

/** Why no channel was opened. */
export interface SessionFault {
  readonly code: FailureCode;
  /** OpenSSL's code, a TLS alert, an extended DNS error (RFC 8914). */
  readonly reasonCode?: string;
}

/** What a session has shown; a channel, say. */
export interface ShownSession {
  /** Absent where it was lost behind the handshake. */
  readonly target?: Pick<ChannelTarget, 'tls'>;
  readonly tls?: TlsFacts;
  readonly clearReason?: FailureCode;
  readonly peerName: string;
}

/**
 * The results of a session that came about. None for one in the clear on purpose: the handshake before it, which failed,
 * has told already.
 */
export function judgeOpened(facts: SessionFacts, shown: ShownSession): readonly SessionResult[] {
  if (shown.target?.tls === 'clear') {
    return [];
  }
  return appliedPolicies(facts).map((policy) => {
    const fault = faultUnder(policy, facts, shown);
    return result(policy, fault, { ...facts, peerName: shown.peerName });
  });
}

/** The results of a host that was passed over, or whose channel did not come about. Network failures are none. */
export function judgeFailed(facts: SessionFacts, fault: SessionFault): readonly SessionResult[] {
  // RFC 8460 §4.3.4: transient errors of the network are not required to be reported.
  if (failures[fault.code].resultType === null) {
    return [];
  }
  if (fault.code === 'dane-required') {
    // RFC 8460 §4.3.2.1: what is missing is the very policy.
    return [result({ type: 'tlsa', domain: facts.host, strings: [], mxHosts: [] }, fault, facts)];
  }
  return appliedPolicies(facts)
    .filter(({ type }) => concerns(fault.code, type, facts))
    .map((policy) => result(policy, fault, facts));
}

/**
 * The result of looking a policy up, where that failed: for the domain, not for a host. RFC 8461 §5: reported whatever
 * the mode.
 */
export function judgePolicyLookup(
  domain: string,
  sts: StsState | undefined,
): SessionResult | undefined {
  const failure = sts?.failure;
  const resultType = failure === undefined ? null : failures[failure.code].resultType;
  if (failure === undefined || resultType === null) {
    return undefined;
  }
  const policy = stsPolicy(sts) ?? { type: 'sts', domain, strings: [], mxHosts: [] };
  // RFC 8460 §4.4: an error code or error message; there is no host that it would be about.
  return { policy, failure: { resultType, failureReasonCode: failure.reason || failure.code } };
}

function appliedPolicies(facts: SessionFacts): readonly AppliedPolicy[] {
  const applied = [stsPolicy(facts.sts), tlsaPolicy(facts)].filter((each) => each !== undefined);
  return applied.length > 0
    ? applied
    : [{ type: 'no-policy-found', domain: facts.domain, strings: [], mxHosts: [] }];
}

function stsPolicy(sts: StsState | undefined): AppliedPolicy | undefined {
  if (sts?.kind !== 'policy' || sts.cached.policy.mode === 'none') {
    return undefined;
  }
  const { domain, policy, text } = sts.cached;
  // RFC 8460 §4.5: the policy as declared, any errors in it included.
  const strings = text.split(/\r?\n/).filter((line) => line !== '');
  return { type: 'sts', domain, strings, mxHosts: policy.mx };
}

function tlsaPolicy({ dane, host }: SessionFacts): AppliedPolicy | undefined {
  switch (dane?.level) {
    case 'usable':
    case 'unusable':
      return {
        type: 'tlsa',
        domain: dane.base,
        strings: dane.records.map(formatTlsaRecord),
        mxHosts: [],
      };
    case 'failed':
      return { type: 'tlsa', domain: host, strings: [], mxHosts: [] };
    default:
      return undefined;
  }
}

/** What was wrong with a session under a policy, whether or not it was enforced. */
function faultUnder(
  { type }: AppliedPolicy,
  { sts, dane, host }: SessionFacts,
  shown: ShownSession,
): SessionFault | undefined {
  if (type === 'sts' && sts?.kind === 'policy' && !mxMatches(host, sts.cached.policy.mx)) {
    return { code: 'sts-mx-mismatch' };
  }
  const { tls } = shown;
  if (tls === undefined) {
    return { code: shown.clearReason ?? 'starttls-not-offered' };
  }
  if (type === 'sts') {
    return tls.pkix.verified ? undefined : tls.pkix;
  }
  if (type === 'tlsa') {
    if (dane?.level === 'unusable') {
      return { code: dane.code };
    }
    return tls.dane?.verified === false ? tls.dane : undefined;
  }
  return undefined;
}

/** Whether a fault that kept a channel from being opened says something about a policy of this type. */
function concerns(code: FailureCode, type: AppliedPolicy['type'], facts: SessionFacts): boolean {
  const { resultType } = failures[code];
  const isOfSts = resultType?.startsWith('sts-') === true || code === 'sts-mx-mismatch';
  const isOfDane = code.startsWith('dane-') || code === 'tlsa-invalid' || code === 'dns-bogus';
  if (isOfSts || isOfDane) {
    return type === (isOfSts ? 'sts' : 'tlsa');
  }
  if (code.startsWith('certificate-')) {
    // Under both policies DANE is judged first, so a certificate that fails afterwards fails PKIX.
    const isBoth = facts.dane?.level === 'usable' && stsPolicy(facts.sts) !== undefined;
    return isBoth ? type === 'sts' : true;
  }
  return true;
}

function result(
  policy: AppliedPolicy,
  fault: SessionFault | undefined,
  session: SessionFacts,
): SessionResult {
  if (fault === undefined) {
    return { policy };
  }
  const { address, host, sendingMtaIp, peerName, dane } = session;
  const resultType = failures[fault.code].resultType ?? 'validation-failure';
  return {
    policy,
    failure: {
      resultType,
      ...(sendingMtaIp !== undefined && { sendingMtaIp }),
      receivingMxHostname: host,
      ...(peerName !== undefined && peerName !== '' && { receivingMxHelo: peerName }),
      ...(address !== undefined && { receivingIp: address }),
      failureReasonCode: fault.reasonCode ?? extendedError(dane, fault) ?? fault.code,
    },
  };
}

/** RFC 8914: of a TLSA look-up that failed. */
function extendedError(dane: DaneLevel | undefined, { code }: SessionFault): string | undefined {
  return dane?.level === 'failed' && dane.code === code && dane.infoCode !== undefined
    ? `EDE ${dane.infoCode}`
    : undefined;
}
