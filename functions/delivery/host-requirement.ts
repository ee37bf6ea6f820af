/**
 * The channel table: what a host must show before a message may be handed to it.
 *
 * Pure, in two steps: {@link requireOfHost} by the message and the domain's policy, before any address is looked up;
 * {@link requireByDane} by the host's TLSA records. All rows that match apply, and the strictest wins. `conclude.ts`
 * decides what it means when no host has shown it.
 */
import type { StsState } from '../policy/ports.ts';
import type { DaneLevel } from '../protocol/dane/dane-level.ts';
import type { FailureCode } from '../protocol/errors.ts';
import { mxMatches } from '../protocol/mta-sts/mx.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import type { TlsLevel } from './channel.ts';

/** What is known of a host before any connection. */
export interface HostSituation {
  readonly demand: TlsDemand;
  /** `undefined` where MTA-STS is switched off or the domain is excepted: then as nothing published. */
  readonly sts: StsState | undefined;
  readonly host: string;
  /** No MX record: the host is the domain itself. */
  readonly implicitMx: boolean;
  /** DNSSEC vouches for the MX RRset. */
  readonly secureMx: boolean;
  /** The host comes from our own configuration. */
  readonly smartHost: boolean;
}

/** The demands on a channel. */
export interface ChannelRequirement {
  readonly use: true;
  /** The row of the channel table, for the `why` record. */
  readonly row: string;
  readonly tls: Exclude<TlsLevel, 'clear'>;
  /** PKIX beside DANE, since MTA-STS asks for it. */
  readonly alsoPkix: boolean;
  /** The EHLO after TLS must offer REQUIRETLS (RFC 8689 §4.2.1 step 5). */
  readonly requireTls: boolean;
  /** A failure under a `testing` policy, which is noted and reported but stops nothing (RFC 8461 §5). */
  readonly testing: boolean;
}

/** The demands on the channel, or the failure for which the host is passed over unasked. */
export type HostRequirement =
  | ChannelRequirement
  | {
      readonly use: false;
      readonly row: string;
      readonly code: FailureCode;
      readonly reason: string;
    };

/** Decides what `host` must show by the message and by MTA-STS. */
export function requireOfHost(situation: HostSituation): HostRequirement {
  if (situation.smartHost) {
    return requireOfSmartHost(situation);
  }
  switch (situation.demand) {
    case 'optional':
      // RFC 8689 §4.2.2: policies are tried, so the host is used whatever they say; TLS is taken where it works.
      return use('TLS-Required: No', { tls: 'opportunistic' });
    case 'require':
      return requireWithRequireTls(situation);
    case 'default':
      return requireByPolicy(situation);
  }
}

/**
 * Adds what the host's TLSA records demand (RFC 7672 §2.2). `daneOnly`: mail to the domain goes over verified DANE or
 * not at all (§6).
 */
export function requireByDane(
  requirement: ChannelRequirement,
  dane: DaneLevel,
  options: { readonly demand: TlsDemand; readonly daneOnly: boolean },
): HostRequirement {
  if (options.demand === 'optional') {
    // RFC 8689 §3: "ignoring policy-based mechanisms", DANE among them; and so not held up by a look-up that fails.
    return requirement;
  }
  const isRequired = options.demand === 'require';
  switch (dane.level) {
    case 'failed':
      // RFC 7672 §2.1.2: an attacker who suppresses the records gains a delay and nothing else.
      return refuse('TLSA look-up failed', dane.code, dane.reason);
    case 'usable':
      return {
        ...requirement,
        row: `${isRequired ? 'REQUIRETLS, ' : ''}DANE${requirement.alsoPkix ? ' and STS enforce' : ''}`,
        tls: 'dane',
      };
    case 'unusable':
      if (options.daneOnly) {
        return refuse('DANE only', 'dane-required', dane.reason);
      }
      // RFC 7672 §2.2: TLS is mandatory, and authenticates nobody by itself.
      return requirement.tls === 'opportunistic'
        ? { ...requirement, row: 'TLSA unusable', tls: 'mandatory' }
        : requirement;
    case 'absent':
      return options.daneOnly ? refuse('DANE only', 'dane-required', dane.reason) : requirement;
  }
}

/**
 * RFC 8461 §3.4: the smart host's name is the policy domain. Credentials go over the channel, so the certificate must
 * hold whatever the policy or the message says.
 */
function requireOfSmartHost(situation: HostSituation): HostRequirement {
  const mismatch = enforcedMismatch(situation);
  if (mismatch !== undefined) {
    return mismatch;
  }
  return use('smart host', { tls: 'pkix', requireTls: situation.demand === 'require' });
}

function requireByPolicy(situation: HostSituation): HostRequirement {
  const { sts } = situation;
  if (sts?.kind !== 'policy') {
    return use(sts?.kind === 'unknown' ? 'STS unknown' : 'nothing published', {
      tls: 'opportunistic',
    });
  }
  if (sts.cached.policy.mode === 'testing') {
    return use('STS testing', { tls: 'opportunistic', testing: true });
  }
  return enforcedMismatch(situation) ?? use('STS enforce', { tls: 'pkix', alsoPkix: true });
}

/** RFC 8689 §4.2.1 steps 2 and 4: the MX must be authenticated, then its certificate. */
function requireWithRequireTls(situation: HostSituation): HostRequirement {
  const mismatch = enforcedMismatch(situation);
  if (mismatch !== undefined) {
    return mismatch;
  }
  const { sts } = situation;
  const asked = { tls: 'pkix', requireTls: true } as const;
  if (sts?.kind === 'policy' && sts.cached.policy.mode === 'enforce') {
    return use('REQUIRETLS, STS enforce', { ...asked, alsoPkix: true });
  }
  if (situation.implicitMx) {
    // Unclear: RFC 8689 §4.2.1 step 2 speaks of MX look-ups only. Without an MX record the name that the sender wrote
    // is the name in the certificate, and nothing was redirected.
    return use('REQUIRETLS, implicit MX', asked);
  }
  if (situation.secureMx) {
    return use('REQUIRETLS, secure MX', asked);
  }
  if (sts?.kind === 'unknown') {
    return refuse(
      'REQUIRETLS, STS unknown',
      'sts-policy-unknown',
      `whether ${situation.host} is authentic is not known: ${sts.failure.reason}`,
    );
  }
  // A `testing` policy authenticates nothing: its publisher asks not to be held to it (RFC 8461 §5).
  return refuse(
    sts?.kind === 'policy' ? 'REQUIRETLS, STS testing' : 'REQUIRETLS, nothing published',
    'mx-not-authenticated',
    `nothing authenticates ${situation.host} as an MX host of its domain (RFC 8689 §4.2.1)`,
  );
}

/** RFC 8461 §4.1 and §5: under `enforce` a host outside the policy is not used. */
function enforcedMismatch({ sts, host }: HostSituation): HostRequirement | undefined {
  if (sts?.kind !== 'policy' || sts.cached.policy.mode !== 'enforce') {
    return undefined;
  }
  const { mx } = sts.cached.policy;
  return mxMatches(host, mx)
    ? undefined
    : refuse('STS enforce', 'sts-mx-mismatch', `the policy lists ${mx.join(', ')}, not ${host}`);
}

function use(
  row: string,
  asked: Pick<ChannelRequirement, 'tls'> &
    Partial<Pick<ChannelRequirement, 'alsoPkix' | 'requireTls' | 'testing'>>,
): ChannelRequirement {
  return { use: true, row, alsoPkix: false, requireTls: false, testing: false, ...asked };
}

function refuse(row: string, code: FailureCode, reason: string): HostRequirement {
  return { use: false, row, code, reason };
}
