/**
 * Walks the hosts of a plan, in order, and yields every channel that shows what its row of the channel table asks.
 *
 * What stood in the way is noted as it is met: for the `why` record, and for the verdict when no host is left.
 */
import { failures, TransportSecurityError } from '../protocol/errors.ts';
import type { Channel, ChannelTarget, TlsLevel } from './channel.ts';
import type { HostFailures } from './conclude.ts';
import { isPolicyFailure } from './conclude.ts';
import type { DeliveryContext } from './context.ts';
import { findAddresses } from './find-addresses.ts';
import type { MailHost } from './find-mail-hosts.ts';
import { type HostRequirement, requireOfHost } from './host-requirement.ts';
import { type DeliveryPlan, policyKey } from './plan-delivery.ts';
import type { FailureNote, HostNote, TryNote } from './why.ts';

type UsedRequirement = Extract<HostRequirement, { use: true }>;
type HostPlan = Extract<DeliveryPlan, { kind: 'hosts' }>;

/** A channel that a message may use, and why. */
export interface OpenedChannel {
  readonly channel: Channel;
  readonly row: string;
  /** MAIL carries REQUIRETLS. */
  readonly requireTls: boolean;
  /** Notes why this channel was given up before it had carried a message. */
  readonly fail: (failure: FailureNote) => void;
}

/** What was met on the way, host by host. */
export interface HostLog {
  readonly hosts: readonly HostNote[];
  /** The row of the channel table that held for the last host. */
  readonly row: string;
  /** The time was over before every host was tried. */
  readonly outOfTime: boolean;
  readonly failures: () => HostFailures[];
}

interface MutableHostLog extends HostLog {
  readonly hosts: MutableHostNote[];
  row: string;
  outOfTime: boolean;
}

interface MutableHostNote extends HostNote {
  readonly tries: TryNote[];
  skipped?: FailureNote;
}

/** An empty log, filled by {@link openChannels}. */
export function createHostLog(): MutableHostLog {
  const hosts: MutableHostNote[] = [];
  return {
    hosts,
    row: 'no host',
    outOfTime: false,
    failures: () =>
      hosts
        .map(({ host, skipped, tries }) => ({
          host,
          failures: [
            ...(skipped === undefined ? [] : [skipped]),
            ...tries.flatMap(({ failure }) => (failure === undefined ? [] : [failure])),
          ],
        }))
        .filter((host) => host.failures.length > 0),
  };
}

/**
 * Yields channels until the consumer stops or no host is left. The consumer sends back whether the channel carried a
 * message: then the same address is worth another connection; else the next one is tried.
 */
export async function* openChannels(
  plan: HostPlan,
  context: DeliveryContext,
  log: MutableHostLog,
): AsyncGenerator<OpenedChannel, void, boolean> {
  for (const mailHost of plan.hosts) {
    const note: MutableHostNote = { ...mailHost, tries: [] };
    log.hosts.push(note);
    const requirement = requireOfHost({
      demand: plan.demand,
      sts: plan.sts,
      host: mailHost.host,
      implicitMx: plan.implicitMx,
      smartHost: context.settings.smartHost !== undefined,
    });
    log.row = requirement.row;
    if (!requirement.use) {
      note.skipped = withResultType({ code: requirement.code, reason: requirement.reason });
      observeViolation(note.skipped, plan, context);
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
    for (const address of found.addresses) {
      if (context.ports.now() >= context.contentDeadlineMs) {
        log.outOfTime = true;
        return;
      }
      yield* connectWhileUseful({ address, mailHost, requirement, note, plan, context });
    }
  }
}

interface AddressSituation {
  readonly address: string;
  readonly mailHost: MailHost;
  readonly requirement: UsedRequirement;
  readonly note: MutableHostNote;
  readonly plan: HostPlan;
  readonly context: DeliveryContext;
}

async function* connectWhileUseful(
  situation: AddressSituation,
): AsyncGenerator<OpenedChannel, void, boolean> {
  for (;;) {
    const opened = await connect(situation);
    if (opened === undefined) {
      return;
    }
    const carriedMessage = yield opened;
    if (!carriedMessage) {
      return;
    }
  }
}

/** One address: TLS as required and, where the row allows it, clear text on a second connection. */
async function connect(situation: AddressSituation): Promise<OpenedChannel | undefined> {
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
  situation: AddressSituation,
  tls: TlsLevel,
): Promise<OpenedChannel | 'handshake-failed' | undefined> {
  const { address, note, plan, context, requirement } = situation;
  const target = await describeTarget(situation, tls);
  try {
    const channel = await context.pool.acquire(target, context.deadlineMs);
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
    const failure = withResultType({ code: error.code, reason: error.message });
    const mayGoOnInClear =
      tls === 'opportunistic' &&
      failures[error.code].resultType !== null &&
      error.code !== 'dns-bogus';
    note.tries.push({
      address,
      level: tls,
      ...(mayGoOnInClear ? { noted: failure } : { failure }),
    });
    if (mayGoOnInClear) {
      return 'handshake-failed';
    }
    observeViolation(failure, plan, context);
    return undefined;
  }
}

async function describeTarget(
  { address, mailHost, plan, context }: AddressSituation,
  tls: TlsLevel,
): Promise<ChannelTarget> {
  const { smartHost } = context.settings;
  const base = { host: mailHost.host, address, tls, verdictKey: policyKey(plan) };
  if (smartHost === undefined) {
    return { ...base, port: context.network.smtpPort };
  }
  const credentials = await context.smartHostCredentials?.();
  return {
    ...base,
    port: smartHost.port,
    implicitTls: smartHost.port === 465,
    ...(credentials === undefined ? {} : { credentials }),
  };
}

/** The try's line in the log; `fail` completes it when the channel turns out to be of no use. */
function noteTry(
  channel: Channel,
  { address, requirement, plan }: AddressSituation,
): { tryNote: TryNote; fail: (failure: FailureNote) => void } {
  const tryNote: { -readonly [K in keyof TryNote]: TryNote[K] } = {
    address,
    level: channel.target.tls,
  };
  if (channel.tls !== undefined) {
    const { version, cipher, fingerprint, resumed, pkix } = channel.tls;
    const verdict = pkix.verified ? 'verified' : pkix.code;
    tryNote.tls = { version, cipher, fingerprint, resumed, verdict };
  }
  const noted = requirement.testing ? failureUnderTesting(channel, plan) : undefined;
  if (noted !== undefined) {
    tryNote.noted = noted;
  }
  return {
    tryNote,
    fail: (failure) => {
      tryNote.failure = withResultType(failure);
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

function withResultType({ code, reason }: FailureNote): FailureNote {
  const { resultType } = failures[code];
  return { code, reason, ...(resultType === null ? {} : { resultType }) };
}

function observeViolation(failure: FailureNote, plan: HostPlan, context: DeliveryContext): void {
  if (isPolicyFailure(failure.code)) {
    const { code } = failure;
    context.ports.observe({ kind: 'violation-prevented', code, domain: plan.domain });
  }
}
