/** The DNS records by which TLS reports come in (RFC 8460 §3): made where we have the zone, else described by an output. */
import { createHash } from 'node:crypto';
import { CfnOutput, Duration, Fn, type Stack } from 'aws-cdk-lib';
import {
  CnameRecord,
  HostedZone,
  type IHostedZone,
  MxRecord,
  TxtRecord,
} from 'aws-cdk-lib/aws-route53';
import { CfnEmailIdentity } from 'aws-cdk-lib/aws-ses';
import type { Construct } from 'constructs';
import type { ReportInboxSetting } from '../functions/environment.ts';
import { tlsrptRecordName } from '../functions/protocol/tlsrpt/record.ts';

/** A zone that Route 53 serves. */
export interface ZoneChoice {
  readonly id: string;
  readonly name: string;
}

/** Which mailbox, and whose reports. */
export interface ReportInboxChoice {
  readonly mailbox: string;
  /** The zone of the mailbox's domain; without it outputs say what to create. */
  readonly hostedZone?: ZoneChoice;
  /** Whether SES is to be told of the mailbox's domain; false where it knows that already. */
  readonly createsIdentity: boolean;
  /** Whether `POST /tlsrpt` is served, and named in the records. */
  readonly https: boolean;
  readonly setting: ReportInboxSetting;
  /** Whom alarms are told to. */
  readonly alarmTopicArn?: string;
  /** Our policy domains, each with its zone where we have it. */
  readonly domains: readonly { readonly domain: string; readonly hostedZone?: ZoneChoice }[];
}

/** What the records say. */
export interface ReportRecordsProps {
  readonly inbox: ReportInboxChoice;
  /** Of the HTTP API. */
  readonly apiEndpoint: string;
}

/** Adds the records of the mailbox's domain, and those of our domains that name the mailbox. */
export function addReportRecords(stack: Stack, props: ReportRecordsProps): void {
  const zones = new Zones(stack);
  addMailboxRecords(stack, props, zones);
  addTlsrptRecords(stack, props, zones);
}

/** Zones by id, each imported once. */
class Zones {
  readonly #scope: Construct;
  readonly #byId = new Map<string, IHostedZone>();

  constructor(scope: Construct) {
    this.#scope = scope;
  }

  of({ id, name }: ZoneChoice): IHostedZone {
    const attributes = { hostedZoneId: id, zoneName: name };
    const zone =
      this.#byId.get(id) ??
      HostedZone.fromHostedZoneAttributes(this.#scope, `Zone-${id}`, attributes);
    this.#byId.set(id, zone);
    return zone;
  }
}

/** The domain of the mailbox: SES takes mail for a domain that it knows to be ours. */
function addMailboxRecords(
  stack: Stack,
  { inbox: { mailbox, hostedZone, createsIdentity } }: ReportRecordsProps,
  zones: Zones,
): void {
  const domain = mailbox.slice(mailbox.lastIndexOf('@') + 1);
  const mxHost = `inbound-smtp.${stack.region}.amazonaws.com`;
  const identity = createsIdentity
    ? new CfnEmailIdentity(stack, 'Identity', { emailIdentity: domain })
    : undefined;
  const keys = identity === undefined ? [] : keyRecordsOf(identity);
  if (hostedZone === undefined) {
    new CfnOutput(stack, 'ReportMailboxRecords', {
      description: `To create for ${domain}, so that SES takes mail for it`,
      value: Fn.join('; ', [
        `${domain} MX 10 ${mxHost}`,
        ...keys.map(({ name, value }) => Fn.join(' CNAME ', [name, value])),
      ]),
    });
    return;
  }
  const zone = zones.of(hostedZone);
  new MxRecord(stack, 'Mx', {
    zone,
    recordName: domain,
    values: [{ priority: 10, hostName: mxHost }],
  });
  for (const [index, { name, value }] of keys.entries()) {
    // With the dot at its end it is taken for a full name; the CDK cannot see that, as it is a token.
    const recordName = `${name}.`;
    new CnameRecord(stack, `Key${index + 1}`, { zone, recordName, domainName: value });
  }
}

/** Easy DKIM: by these records SES learns that the domain is ours. */
function keyRecordsOf(
  identity: CfnEmailIdentity,
): readonly { readonly name: string; readonly value: string }[] {
  return [
    { name: identity.attrDkimDnsTokenName1, value: identity.attrDkimDnsTokenValue1 },
    { name: identity.attrDkimDnsTokenName2, value: identity.attrDkimDnsTokenValue2 },
    { name: identity.attrDkimDnsTokenName3, value: identity.attrDkimDnsTokenValue3 },
  ];
}

/** RFC 8460 §3: by its record a domain asks for reports. */
function addTlsrptRecords(
  stack: Stack,
  { inbox, apiEndpoint }: ReportRecordsProps,
  zones: Zones,
): void {
  const mailto = `mailto:${encodeUri(inbox.mailbox)}`;
  const rua = inbox.https ? `${mailto},${apiEndpoint}/tlsrpt` : mailto;
  const text = `v=TLSRPTv1; rua=${rua}`;
  for (const { domain, hostedZone } of inbox.domains) {
    const recordName = tlsrptRecordName(domain);
    if (hostedZone !== undefined) {
      new TxtRecord(stack, `Txt-${domain}`, {
        zone: zones.of(hostedZone),
        recordName,
        values: [text],
        // RFC 8460 §7: the longer it is kept, the less an attacker gains by hiding it.
        ttl: Duration.days(1),
      });
      continue;
    }
    // Output names are letters and digits only; the hash keeps a-b.example and ab.example apart.
    const hash = createHash('sha256').update(domain).digest('hex').slice(0, 8);
    new CfnOutput(stack, `ReportRecord${domain.replace(/[^a-z0-9]/g, '')}${hash}`, {
      description: `To create for ${domain}, once the mailbox takes mail`,
      value: `${recordName} TXT "${text}"`,
    });
  }
}

/** RFC 8460 §3, RFC 6068 §2: what an address may have and a URI, or the record, may not. */
function encodeUri(mailbox: string): string {
  return mailbox.replaceAll(/[^A-Za-z0-9@._~+-]/g, (char) =>
    encodeURIComponent(char).replace('!', '%21'),
  );
}
