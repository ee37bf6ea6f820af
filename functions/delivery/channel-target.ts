/** From a host's requirement to the channel that is asked for. */
import type { DaneLevel } from '../protocol/dane/dane-level.ts';
import { listReferenceIdentifiers } from '../protocol/dane/reference-identifiers.ts';
import { formatTlsaRecord } from '../protocol/dane/tlsa-record.ts';
import type { ChannelTarget, DaneDemand, TlsLevel } from './channel.ts';
import type { DeliveryContext } from './context.ts';
import type { ChannelRequirement } from './host-requirement.ts';
import { type HostPlan, policyKey } from './plan-delivery.ts';

/** One address of one host, and what holds for it. */
export interface AddressSituation {
  readonly address: string;
  readonly host: string;
  readonly requirement: ChannelRequirement;
  /** Undefined where TLSA records are not looked up. */
  readonly dane: DaneLevel | undefined;
  readonly plan: HostPlan;
  readonly context: DeliveryContext;
}

/** Describes the channel to open, at the level that is asked for or, after a failed handshake, in the clear. */
export async function describeTarget(
  { address, host, requirement, dane, plan, context }: AddressSituation,
  tls: TlsLevel,
): Promise<ChannelTarget> {
  const { smartHost } = context.settings;
  const demanded = tls === 'dane' ? demandDane(dane, requirement, plan) : undefined;
  const base = {
    host,
    address,
    tls,
    verdictKey: verdictKey(plan, demanded),
    ...(demanded === undefined ? {} : { dane: demanded }),
  };
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

function demandDane(
  dane: DaneLevel | undefined,
  { alsoPkix }: ChannelRequirement,
  { domain, mx }: HostPlan,
): DaneDemand {
  if (dane?.level !== 'usable') {
    throw new TypeError('level dane needs usable TLSA records');
  }
  const referenceIdentifiers = listReferenceIdentifiers(dane.base, { domain, mx });
  return { records: dane.records, referenceIdentifiers, alsoPkix };
}

/** The policy, and under DANE the TLSA set and the names: channels are shared only where all of it is the same. */
function verdictKey(plan: HostPlan, dane: DaneDemand | undefined): string {
  return dane === undefined
    ? policyKey(plan)
    : JSON.stringify([
        policyKey(plan),
        dane.records.map(formatTlsaRecord).toSorted(),
        dane.referenceIdentifiers,
        dane.alsoPkix,
      ]);
}
