/**
 * Walks the hosts of a plan, in order, and yields every channel that shows what its row of the channel table asks.
 *
 * What stood in the way is noted as it is met: for the `why` record, and for the verdict when no host is left.
 */
import { findChainStatus } from '../protocol/dane/chain-status.ts';
import type { DaneLevel } from '../protocol/dane/dane-level.ts';
import { formatTlsaRecord } from '../protocol/dane/tlsa-record.ts';
import type { Answer } from '../protocol/dns/answer.ts';
import { failures, TransportSecurityError } from '../protocol/errors.ts';
import { findReply } from '../protocol/smtp/reply.ts';
import type { Channel, TlsLevel } from './channel.ts';
import { type AddressSituation, describeTarget } from './channel-target.ts';
import { type HostFailure, isPolicyFailure } from './conclude.ts';
import type { DeliveryContext } from './context.ts';
import { findAddresses } from './find-addresses.ts';
import { findTlsa } from './find-tlsa.ts';
import { type MutableHostLog, type MutableHostNote, type Try, withResultType } from './host-log.ts';
import { type HostRequirement, requireByDane, requireOfHost } from './host-requirement.ts';
import type { HostPlan } from './plan-delivery.ts';
import type { FailureNote } from './why.ts';

/** A channel that a message may use, and why. */
export interface OpenedChannel {
  readonly channel: Channel;
  readonly row: string;
  /** MAIL carries REQUIRETLS. */
  readonly requireTls: boolean;
  /** Notes why this channel was given up before it had carried a message. */
  readonly fail: (failure: HostFailure) => void;
}

/**
 * Yields channels until the consumer stops or no host is left. The consumer sends back whether the same address is worth
 * another channel; else the next one is tried.
 */
export async function* openChannels(
  plan: HostPlan,
  context: DeliveryContext,
  log: MutableHostLog,
): AsyncGenerator<OpenedChannel, void, boolean> {
  context.sessions?.policyLookedUp(plan);
  for (const mailHost of plan.hosts) {
    const note: MutableHostNote = { ...mailHost, tries: [] };
    log.hosts.push(note);
    const requirement = requireOfHost({
      demand: plan.demand,
      sts: plan.sts,
      host: mailHost.host,
      implicitMx: plan.implicitMx,
      secureMx: isSecureMx(plan),
      smartHost: context.settings.smartHost !== undefined,
    });
    log.row = requirement.row;
    if (!requirement.use) {
      skip(note, requirement, { plan, context, dane: undefined });
      continue;
    }
    const found = await findAddresses(mailHost.host, {
      resolver: context.ports.resolver,
      ...context.network,
      deadlineMs: context.deadlineMs,
      note: (lookup) => plan.lookups.push(lookup),
    });
    if (found.kind === 'none') {
      note.skipped = found.failure;
      continue;
    }
    const dane = await findDane(mailHost.host, found.answers, { plan, context });
    const demanded =
      dane === undefined
        ? requirement
        : requireByDane(requirement, dane, {
            demand: plan.demand,
            daneOnly: plan.dane === 'only',
          });
    log.row = demanded.row;
    if (!demanded.use) {
      skip(note, demanded, { plan, context, dane });
      continue;
    }
    noteDane(note, dane);
    for (const address of found.addresses) {
      if (context.ports.now() >= context.contentDeadlineMs) {
        log.outOfTime = true;
        return;
      }
      yield* connectWhileUseful({
        address,
        host: mailHost.host,
        requirement: demanded,
        dane,
        note,
        plan,
        context,
      });
    }
  }
}

interface Surroundings {
  readonly plan: HostPlan;
  readonly context: DeliveryContext;
}

/** Passes a host over, with the row's reason. */
function skip(
  note: MutableHostNote,
  requirement: Extract<HostRequirement, { use: false }>,
  { plan, context, dane }: Surroundings & { readonly dane: DaneLevel | undefined },
): void {
  note.skipped = withResultType(requirement);
  context.sessions?.passedOver(plan, { host: note.host, dane }, requirement.code);
  observeViolation(note.skipped, plan, context);
}

/** RFC 7672 §2.2.1: the MX RRset, with its aliases, and the denial of one alike. */
function isSecureMx({ mx }: HostPlan): boolean {
  return mx !== undefined && mx.kind !== 'failed' && findChainStatus(mx) === 'secure';
}

/** What the host's TLSA records ask; undefined where nobody is to look. */
async function findDane(
  host: string,
  answers: readonly Answer<'A' | 'AAAA'>[],
  { plan, context }: Surroundings,
): Promise<DaneLevel | undefined> {
  if (plan.dane === 'off' || plan.demand === 'optional') {
    return undefined;
  }
  // RFC 7672 §2.2.1: behind an insecure MX RRset TLSA records MAY count; they never make mandatory DANE come true (§6).
  const mayCount = context.settings.daneInsecureMx && plan.dane !== 'only';
  if (!isSecureMx(plan) && !mayCount) {
    return { level: 'absent', reason: `the MX RRset of ${plan.domain} is insecure` };
  }
  return findTlsa(host, answers, {
    resolver: context.ports.resolver,
    port: context.network.smtpPort,
    deadlineMs: context.deadlineMs,
    note: (lookup) => plan.lookups.push(lookup),
  });
}

function noteDane(note: MutableHostNote, dane: DaneLevel | undefined): void {
  if (dane?.level === 'usable') {
    const records = dane.records.map(formatTlsaRecord);
    note.dane = { level: dane.level, base: dane.base, records };
  } else if (dane !== undefined) {
    note.dane = { level: dane.level, reason: dane.reason };
  }
}

/** An address, and the line of its host in the log. */
type NotedSituation = AddressSituation & { readonly note: MutableHostNote };

async function* connectWhileUseful(
  situation: NotedSituation,
): AsyncGenerator<OpenedChannel, void, boolean> {
  for (;;) {
    const opened = await connect(situation);
    if (opened === undefined) {
      return;
    }
    const isWorthAnother = yield opened;
    if (!isWorthAnother) {
      return;
    }
  }
}

/** One address: TLS as required and, where the row allows it, clear text on a second connection. */
async function connect(situation: NotedSituation): Promise<OpenedChannel | undefined> {
  const { requirement } = situation;
  const opened = await tryLevel(situation, requirement.tls);
  if (opened !== 'handshake-failed') {
    return opened;
  }
  // RFC 7435 §3: opportunistic security prefers TLS and does without where that cannot be had.
  const inClear = await tryLevel(situation, 'clear');
  return inClear === 'handshake-failed' ? undefined : inClear;
}

async function tryLevel(
  situation: NotedSituation,
  tls: TlsLevel,
): Promise<OpenedChannel | 'handshake-failed' | undefined> {
  const { address, host, dane, note, plan, context, requirement } = situation;
  const target = await describeTarget(situation, tls);
  const session = context.sessions?.begin(plan, { host, dane, address });
  try {
    // A channel that opens later than that is of no use to any message.
    const channel = await context.pool.acquire(target, context.contentDeadlineMs, session);
    session?.opened(channel);
    const { tryNote, fail } = noteTry(channel, situation);
    note.tries.push(tryNote);
    if (requirement.requireTls && !channel.capabilities.has('REQUIRETLS')) {
      // RFC 8689 §4.2.1: QUIT, then the next host. Only the EHLO after TLS counts.
      fail({
        code: 'requiretls-not-offered',
        reason: `${note.host} does not offer REQUIRETLS after STARTTLS`,
      });
      observeViolation({ code: 'requiretls-not-offered', reason: '' }, plan, context);
      await context.pool.release(channel);
      return undefined;
    }
    return { channel, row: requirement.row, requireTls: requirement.requireTls, fail };
  } catch (error) {
    if (!(error instanceof TransportSecurityError)) {
      throw error;
    }
    session?.failed(error);
    const failure = withResultType({ code: error.code, reason: error.message });
    const refusal = findReply(error);
    // Only what TLS failed at: a host that cannot be reached is not reached in clear text either.
    const mayGoOnInClear = tls === 'opportunistic' && failures[error.code].resultType !== null;
    note.tries.push({
      address,
      level: tls,
      ...(mayGoOnInClear
        ? { noted: failure }
        : { failure: { ...failure, ...(refusal !== undefined && { refusal }) } }),
    });
    if (mayGoOnInClear) {
      return 'handshake-failed';
    }
    observeViolation(failure, plan, context);
    return undefined;
  }
}

/** The try's line in the log; `fail` completes it when the channel turns out to be of no use. */
function noteTry(
  channel: Channel,
  { address, requirement, plan }: NotedSituation,
): { tryNote: Try; fail: OpenedChannel['fail'] } {
  const tryNote: { -readonly [K in keyof Try]: Try[K] } = {
    address,
    level: channel.target.tls,
  };
  if (channel.tls !== undefined) {
    const { version, cipher, fingerprint, resumed, pkix, dane } = channel.tls;
    const byPkix = pkix.verified ? 'verified' : pkix.code;
    const verdict = dane?.verified === true ? `${dane.reason}; PKIX ${byPkix}` : byPkix;
    tryNote.tls = { version, cipher, fingerprint, resumed, verdict };
  }
  const noted = requirement.testing ? failureUnderTesting(channel, plan) : undefined;
  if (noted !== undefined) {
    tryNote.noted = noted;
  }
  return {
    tryNote,
    fail: ({ refusal, ...failure }) => {
      tryNote.failure = {
        ...withResultType(failure),
        ...(refusal !== undefined && { refusal }),
      };
    },
  };
}

/** RFC 8461 §5: under `testing`, what `enforce` would have refused is delivered and reported. */
function failureUnderTesting(channel: Channel, plan: HostPlan): FailureNote | undefined {
  const { sts } = plan;
  if (sts?.kind !== 'policy') {
    return undefined;
  }
  const enforced = requireOfHost({
    demand: 'default',
    sts: {
      ...sts,
      cached: { ...sts.cached, policy: { ...sts.cached.policy, mode: 'enforce' } },
    },
    host: channel.target.host,
    implicitMx: plan.implicitMx,
    secureMx: isSecureMx(plan),
    smartHost: false,
  });
  if (!enforced.use) {
    return withResultType(enforced);
  }
  if (channel.target.tls === 'clear') {
    // The first connection, whose handshake failed, has said why.
    return undefined;
  }
  if (channel.tls === undefined) {
    const code = channel.clearReason ?? 'starttls-not-offered';
    return withResultType({ code, reason: `${channel.target.host} was used in clear text` });
  }
  return channel.tls.pkix.verified ? undefined : withResultType(channel.tls.pkix);
}

function observeViolation(failure: FailureNote, plan: HostPlan, context: DeliveryContext): void {
  if (isPolicyFailure(failure.code)) {
    const { code } = failure;
    context.ports.observe({ kind: 'violation-prevented', code, domain: plan.domain });
  }
}
