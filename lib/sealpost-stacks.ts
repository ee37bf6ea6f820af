/** The stacks of an installation. */
import type { App, Environment } from 'aws-cdk-lib';
import type { DeliverySettings, NetworkSetting } from '../functions/environment.ts';
import { ApiStack, type ApiStackProps } from './api-stack.ts';
import { DeliveryStack, type DeliveryStackProps } from './delivery-stack.ts';
import { PolicyHostStack, type PublishedDomain } from './policy-host-stack.ts';
import { ReportInboxStack } from './report-inbox-stack.ts';
import type { ReportInboxChoice } from './report-records.ts';
import { type ReportingProps, ReportingStack } from './reporting-stack.ts';
import { StateStack } from './state-stack.ts';

/** All that an installation is made of. */
export interface SealpostStacksProps {
  /** The name of whose installation it is; shown in the stacks' descriptions. */
  readonly organization: string;
  /** Where to deploy to; what is left out is decided by the credentials in use. */
  readonly env: Environment;
  readonly domains: readonly PublishedDomain[];
  readonly delivery: DeliverySettings;
  readonly invocationsMax: number;
  readonly egress: DeliveryStackProps['egress'];
  readonly api: ApiStackProps['api'];
  /** Absent: no TLS reports are sent. */
  readonly reports?: ReportingProps;
  /** Where reports are sent: what their sessions are recorded with. */
  readonly recording?: DeliveryStackProps['recording'];
  readonly network: NetworkSetting;
  /** Where TLS reports of others come in; absent: nowhere. */
  readonly reportInbox?: ReportInboxChoice;
}

/**
 * Adds SealpostState, SealpostDelivery, SealpostApi and, where reports are sent, SealpostReporting and, where there is a domain to
 * publish for, SealpostPolicyHost.
 */
export function addSealpostStacks(app: App, props: SealpostStacksProps): void {
  const { organization, env, egress } = props;
  const state = new StateStack(app, 'SealpostState', {
    env,
    description: `Sealpost for ${organization}: tables, message contents, TLS reports, sending addresses`,
    sendingAddressCount: egress.kind === 'nat' && egress.elasticIps === undefined ? 2 : 0,
    receivesReports: props.reportInbox !== undefined,
  });
  const queues = new DeliveryStack(app, 'SealpostDelivery', {
    env,
    description: `Sealpost for ${organization}: queue and delivery`,
    state,
    delivery: props.delivery,
    invocationsMax: props.invocationsMax,
    egress,
    recording: props.recording,
    network: props.network,
  });
  const { reportInbox } = props;
  const { apiEndpoint } = new ApiStack(app, 'SealpostApi', {
    env,
    description: `Sealpost for ${organization}: HTTP API`,
    state,
    queues,
    delivery: props.delivery,
    network: props.network,
    api: props.api,
    recording: props.recording,
    ...(reportInbox?.https === true && { postedReports: reportInbox.setting }),
  });
  if (reportInbox !== undefined) {
    new ReportInboxStack(app, 'SealpostReportInbox', {
      env,
      description: `Sealpost for ${organization}: TLS reports of others`,
      state,
      network: props.network,
      inbox: reportInbox,
      apiEndpoint,
    });
  }
  if (props.reports !== undefined) {
    new ReportingStack(app, 'SealpostReporting', {
      env,
      description: `Sealpost for ${organization}: TLS reports`,
      state,
      reports: props.reports,
      network: props.network,
    });
  }
  if (props.domains.length > 0) {
    new PolicyHostStack(app, 'SealpostPolicyHost', {
      env,
      description: `Sealpost for ${organization}: MTA-STS policy host`,
      domains: props.domains,
    });
  }
}
