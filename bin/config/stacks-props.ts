/** From the config to what the stacks are made of. */
import { policyHostName } from '../../functions/protocol/mta-sts/policy.ts';
import { policyId } from '../../functions/protocol/mta-sts/policy-id.ts';
import { formatStsRecord, stsRecordName } from '../../functions/protocol/mta-sts/record.ts';
import type { PublishedDomain } from '../../lib/policy-host-stack.ts';
import type { SealpostStacksProps } from '../../lib/sealpost-stacks.ts';
import { toDeliverySettings } from './delivery.ts';
import type { DomainConfig } from './domains.ts';
import { toNetworkSetting } from './network.ts';
import { toReportInbox } from './report-inbox.ts';
import { toReportingProps } from './reports.ts';
import type { SealpostConfig } from './schema.ts';

/** Translates a checked config; the names and ids of the records that it implies are derived here. */
export function toStacksProps(config: SealpostConfig): SealpostStacksProps {
  const { account, region, delivery, egress } = config;
  return {
    organization: config.organization,
    env: {
      ...(account !== undefined && { account }),
      ...(region !== undefined && { region }),
    },
    domains: config.domains.map(toPublishedDomain),
    delivery: toDeliverySettings(delivery, egress),
    invocationsMax: delivery.invocationsMax,
    egress,
    api: config.api,
    ...toReportingProps(config),
    network: toNetworkSetting(config.network),
    ...(config.reportInbox !== undefined && {
      reportInbox: toReportInbox(config.reportInbox, config.domains),
    }),
  };
}

function toPublishedDomain({ domain, mtaSts, hostedZone }: DomainConfig): PublishedDomain {
  return {
    domain,
    policy: mtaSts,
    policyHost: policyHostName(domain),
    announcement: {
      name: stsRecordName(domain),
      text: formatStsRecord({ id: policyId(mtaSts) }),
    },
    ...(hostedZone !== undefined && { hostedZone }),
  };
}
