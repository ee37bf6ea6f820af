/** The plan of a delivery: the hosts of a next-hop domain and the policy that holds for it, looked up once a group. */
import type { PolicyException } from '../environment.ts';
import type { StsState } from '../policy/ports.ts';
import type { Answer } from '../protocol/dns/answer.ts';
import { parseDomainName } from '../protocol/domain-name.ts';
import type { FailureCode } from '../protocol/errors.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import type { PreparedPart } from '../submission/queue-message.ts';
import type { DeliveryContext } from './context.ts';
import { findMailHosts, type MailHost } from './find-mail-hosts.ts';
import type { LookupNote, PolicyNote } from './why.ts';

/** Where to go and under which policy; or why there is nowhere to go. */
export type DeliveryPlan = PlanFacts &
  (
    | {
        readonly kind: 'hosts';
        readonly hosts: readonly MailHost[];
        /** Hosts of the domain that are not tried, so that nothing is definite about it. */
        readonly hostsLeftOut: number;
        readonly implicitMx: boolean;
        /** The answer to the MX look-up; undefined for a smart host. */
        readonly mx: Answer<'MX'> | undefined;
      }
    | {
        readonly kind: 'none';
        readonly code: FailureCode;
        readonly reason: string;
        /** The messages were refused when they were accepted: whatever the code, there is nothing to wait for. */
        readonly refused?: true;
      }
  );

/** A plan that leads somewhere. */
export type HostPlan = Extract<DeliveryPlan, { kind: 'hosts' }>;

interface PlanFacts {
  /** The next-hop domain, which is the policy domain (RFC 8461 §3.4 for a smart host). */
  readonly domain: string;
  /** What the messages demand, after exceptions. */
  readonly demand: TlsDemand;
  /** Why that is not what the messages were prepared with; absent where it is. */
  readonly demandReason?: string;
  readonly sts: StsState | undefined;
  /** Whether TLSA records are looked up and obeyed. */
  readonly dane: 'off' | 'on' | 'only';
  /** The messages carry TLS reports, so that nobody reports on their sessions (RFC 8460 §5.3). */
  readonly tlsReport?: true;
  readonly lookups: LookupNote[];
}

/** One group of messages: same next-hop domain, same demand. */
export interface DeliveryGroup {
  readonly domain: string;
  readonly demand: TlsDemand;
  /** REQUIRETLS was asked for by the messages themselves, not by a tag or a rule. */
  readonly explicit: boolean;
  /** The messages carry TLS reports (RFC 8460). */
  readonly tlsReport?: true;
  /** The messages were refused when they were accepted, by this. */
  readonly refusal?: PreparedPart['refusal'];
}

/** Looks up what the group needs to know. `afresh` asks for the policy's TXT record again (RFC 8461 §5.1). */
export async function planDelivery(
  group: DeliveryGroup,
  context: DeliveryContext,
  options: { readonly afresh: boolean } = { afresh: false },
): Promise<DeliveryPlan> {
  const lookups: LookupNote[] = [];
  if (group.refusal !== undefined) {
    const { domain, demand, refusal } = group;
    const facts = { domain, demand, dane: 'off', lookups, sts: undefined } as const;
    return { ...facts, ...refusal, kind: 'none', refused: true };
  }
  const exceptions = await findExceptions(group.domain, context);
  const excepted = exceptions.length > 0;
  // An exception stops tags and rules for its domain; what the message itself asks for it cannot take away.
  const demanded: Pick<PlanFacts, 'demand' | 'demandReason'> =
    excepted && group.demand === 'require' && !group.explicit
      ? { demand: 'default', demandReason: `an exception for ${group.domain}` }
      : { demand: group.demand };
  const dane = decideDane(group.domain, exceptions, context);
  const { tlsReport } = group;
  const facts = {
    domain: group.domain,
    ...demanded,
    dane,
    lookups,
    ...(tlsReport === true && { tlsReport }),
  };
  const refusal = refuseUnasked(
    group,
    context,
    exceptions.some(({ policy }) => policy !== 'tagging'),
  );
  if (refusal !== undefined) {
    return { ...facts, ...refusal, sts: undefined };
  }
  const [found, sts] = await Promise.all([
    findHosts(group.domain, context, lookups),
    discoverSts(group.domain, { context, exceptions, afresh: options.afresh }),
  ]);
  return found.kind === 'none'
    ? { ...facts, ...found, sts }
    : {
        ...facts,
        kind: 'hosts',
        hosts: found.hosts,
        hostsLeftOut: found.leftOut,
        implicitMx: found.implicit,
        mx: found.mx,
        sts,
      };
}

function refuseUnasked(
  group: DeliveryGroup,
  { settings }: DeliveryContext,
  excepted: boolean,
): { kind: 'none'; code: FailureCode; reason: string } | undefined {
  if (group.demand === 'require' && group.explicit && (!settings.requireTls || excepted)) {
    const by = excepted ? `an exception for ${group.domain}` : 'the setting requireTls: false';
    return {
      kind: 'none',
      code: 'requiretls-disabled',
      reason: `the message asks for REQUIRETLS, which ${by} rules out`,
    };
  }
  try {
    parseDomainName(group.domain);
    return undefined;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { kind: 'none', code: 'address-invalid', reason: detail };
  }
}

async function findHosts(
  domain: string,
  { ports, settings, deadlineMs }: DeliveryContext,
  lookups: LookupNote[],
): ReturnType<typeof findMailHosts> {
  if (settings.smartHost !== undefined) {
    const hosts = [{ host: domain, preference: 0 }];
    return { kind: 'hosts', hosts, leftOut: 0, implicit: false, mx: undefined };
  }
  return findMailHosts(domain, {
    resolver: ports.resolver,
    random: ports.random,
    deadlineMs,
    note: (lookup) => lookups.push(lookup),
  });
}

async function discoverSts(
  domain: string,
  options: {
    context: DeliveryContext;
    exceptions: readonly PolicyException[];
    afresh: boolean;
  },
): Promise<StsState | undefined> {
  const { ports, settings, deadlineMs } = options.context;
  return settings.mtaSts && !options.exceptions.some(({ policy }) => policy === 'mta-sts')
    ? ports.discoverPolicy(domain, { deadlineMs, afresh: options.afresh })
    : undefined;
}

/** Those of the config and of run time. An exception that has run out protects its domain again. */
async function findExceptions(
  domain: string,
  { ports, settings }: DeliveryContext,
): Promise<PolicyException[]> {
  const { exceptions } = await ports.readControls();
  const nowMs = ports.now();
  return [...settings.exceptions, ...exceptions].filter(
    (exception) => exception.domain === domain && Date.parse(exception.expires) > nowMs,
  );
}

/** A smart host is authenticated by PKIX alone: its operator and its users are the same people. */
function decideDane(
  domain: string,
  exceptions: readonly PolicyException[],
  { settings }: DeliveryContext,
): DeliveryPlan['dane'] {
  const isOff = !settings.dane || settings.smartHost !== undefined;
  if (isOff || exceptions.some(({ policy }) => policy === 'dane')) {
    return 'off';
  }
  return settings.daneOnly.includes(domain) ? 'only' : 'on';
}

/** All of the policy that bears on a verdict, and whether sessions count; channels are shared only where it is the same. */
export function policyKey({ domain, demand, sts, dane, tlsReport }: DeliveryPlan): string {
  return sts?.kind === 'policy'
    ? JSON.stringify([demand, dane, tlsReport === true, domain, sts.cached.id, sts.cached.text])
    : JSON.stringify([demand, dane, tlsReport === true, sts?.kind ?? 'not-asked']);
}

/** The policy's line in the `why` record. */
export function notePolicy(sts: StsState | undefined): PolicyNote {
  if (sts === undefined) {
    return {
      kind: 'not-asked',
      reason: 'MTA-STS is off, the domain is excepted, or no host was looked for',
    };
  }
  const reason = sts.failure?.reason ?? (sts.kind === 'absent' ? sts.reason : undefined);
  if (sts.kind !== 'policy') {
    return { kind: sts.kind, ...(reason === undefined ? {} : { reason }) };
  }
  const { policy, id, fetchedAtMs, setBy } = sts.cached;
  return {
    kind: 'policy',
    source: sts.source,
    mode: policy.mode,
    id,
    fetchedAt: new Date(fetchedAtMs).toISOString(),
    mx: policy.mx,
    ...(setBy === undefined ? {} : { setBy: `${setBy.author}: ${setBy.reason}` }),
    ...(reason === undefined ? {} : { reason }),
  };
}
