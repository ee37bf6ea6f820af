/**
 * Each function's environment, typed once; `lib` shares it by `import type`.
 *
 * Values that are objects here travel as JSON in one variable each (Lambda allows 4 KB in all).
 */

/** Which network the functions live in (docs/architecture.md). Production leaves it all at its defaults. */
export interface NetworkSetting {
  /**
   * Recursive DNS servers, tried in order: `address:port` (UDP and TCP), or `https://name/path@address,address` (DNS over
   * HTTPS at pinned addresses, so that no other resolver is needed). They must hand DNSSEC records through, which the
   * resolver of a VPC does not. Absent: two public DoH providers of different vendors. None of them is trusted.
   */
  readonly resolvers?: readonly string[];
  /**
   * DS or DNSKEY records in presentation form, one a line: trust anchors beside the root's, or in their place where some
   * are of the root.
   */
  readonly trustAnchors?: string;
  /** Names at and below which DNSSEC is not validated (RFC 7646). */
  readonly negativeTrustAnchors?: readonly string[];
  /** Where MX hosts listen; default 25. */
  readonly smtpPort?: number;
  /** Where policy hosts listen; default 443. */
  readonly httpsPort?: number;
  /** PEM certificates trusted beside the Mozilla roots that Node bundles, for MX and policy hosts. */
  readonly extraRoots?: string;
  /** Whether a name of a stranger may lead to a private address; default false. */
  readonly allowPrivateAddresses?: boolean;
  /** Whether to connect over IPv6; default: where the machine has a global IPv6 address. */
  readonly ipv6?: boolean;
}

/** A domain to which a policy does not apply, until `expires`. */
export interface PolicyException {
  readonly domain: string;
  /** `tagging`: rules and the address tag ask for nothing there. */
  readonly policy: 'mta-sts' | 'dane' | 'tagging';
  readonly reason: string;
  /** Who said so; an exception made at run time always has one. */
  readonly author?: string;
  /** RFC 3339 date-time. */
  readonly expires: string;
}

/** All mail goes to this host instead of the recipients' MX hosts; its name is the policy domain (RFC 8461 §3.4). */
export interface SmartHost {
  readonly host: string;
  /** 465: TLS from the first byte (RFC 8314); 587: STARTTLS. Both authenticated by PKIX, always. */
  readonly port: number;
  /** Secrets Manager secret with JSON `{"username": …, "password": …}`. */
  readonly credentialsSecretArn?: string;
}

/** A text to compare with, whole and without case: literally, by glob (`*`, `?`), or by an RE2 expression. */
export type TextPattern =
  | { readonly equals: string }
  | { readonly glob: string }
  | { readonly regex: string };

/** Tags messages. The first rule that matches decides; all that is given under `match` must hold. */
export interface TaggingRule {
  /** Unique among the rules. */
  readonly name: string;
  readonly match: {
    /** The reverse-path; '' for the null one. */
    readonly sender?: TextPattern;
    /** One recipient that matches speaks for all (RFC 8689 §4.1). */
    readonly recipient?: TextPattern;
    /** One field of that name whose unfolded value matches. */
    readonly header?: { readonly field: string; readonly value: TextPattern };
    readonly bytesMin?: number;
    readonly bytesMax?: number;
  };
  /** `leave`: later rules are not asked. */
  readonly action: 'require' | 'optional' | 'leave';
}

/** A DKIM key (RFC 6376). Mail whose From is of `domain` is signed with every key of that domain. */
export interface DkimKeySetting {
  readonly domain: string;
  readonly selector: string;
  /** Secrets Manager secret that is a PKCS #8 private key in PEM, RSA or Ed25519 (RFC 8463). */
  readonly secretArn: string;
}

/** What an operator decides about sending; part of the config file. */
export interface DeliverySettings {
  /** The name in EHLO: an FQDN that resolves to a sending address (RFC 5321 §4.1.1.1). */
  readonly ehloName: string;
  readonly requireTls: boolean;
  readonly mtaSts: boolean;
  readonly mtaStsCache: boolean;
  /** DANE (RFC 7672): TLSA records of hosts in signed zones are looked up and obeyed. */
  readonly dane: boolean;
  /** Whether TLSA records count for a signed host behind an unsigned MX RRset too (RFC 7672 §2.2.1: MAY). */
  readonly daneInsecureMx: boolean;
  /** Next-hop domains that mail reaches over verified DANE or not at all (RFC 7672 §6). */
  readonly daneOnly: readonly string[];
  readonly keepAddressTag: boolean;
  readonly exceptions: readonly PolicyException[];
  /** Connections to one MX host at a time from one invocation. */
  readonly connectionsPerMxMax: number;
  /** Days after submission until an undelivered message is given up (RFC 5321 §4.5.4.1). */
  readonly expiryDays: number;
  /** Minutes to wait after attempt 1, 2, 3 …; the last one ever after. */
  readonly retryWaitsMinutes: readonly number[];
  /** Hours after submission until the sender is told of a delay; 0: never. */
  readonly delayNoticeHours: number;
  /** Days for which a finished message can be looked up. */
  readonly historyDays: number;
  /** The From address of delivery status notifications. */
  readonly bounceFrom: string;
  /** Notifications of REQUIRETLS messages are always redacted, and go by `default` (RFC 8689 §5). */
  readonly redactBounces: boolean;
  readonly rules: readonly TaggingRule[];
  readonly dkimKeys: readonly DkimKeySetting[];
  readonly smartHost?: SmartHost;
}

/** The delivery function. */
export interface DeliverEnvironment {
  readonly SEALPOST_NETWORK: NetworkSetting;
  readonly SEALPOST_DELIVERY: DeliverySettings;
  readonly SEALPOST_POLICY_TABLE: string;
  readonly SEALPOST_MESSAGE_TABLE: string;
  readonly SEALPOST_RETRY_TABLE: string;
  readonly SEALPOST_CONTROL_TABLE: string;
  readonly SEALPOST_MESSAGE_BUCKET: string;
  readonly SEALPOST_DELIVERY_QUEUE_URL: string;
  readonly SEALPOST_DEAD_LETTER_QUEUE_URL: string;
  /** Absent: nobody sends TLS reports, and no session is recorded. */
  readonly SEALPOST_REPORT_TABLE?: string;
  /** Our own public address (RFC 8460 §4.4 sending-mta-ip), where there is one for all. */
  readonly SEALPOST_SENDING_MTA_IP?: string;
}

/** The results of other mail servers, over HTTP. */
export interface CollectEnvironment {
  readonly SEALPOST_NETWORK: NetworkSetting;
  readonly SEALPOST_REPORT_TABLE: string;
}

/** The HTTP API by which messages are submitted and looked up. */
export interface SubmitEnvironment {
  readonly SEALPOST_DELIVERY: DeliverySettings;
  readonly SEALPOST_MESSAGE_TABLE: string;
  readonly SEALPOST_CONTROL_TABLE: string;
  readonly SEALPOST_MESSAGE_BUCKET: string;
  readonly SEALPOST_DELIVERY_QUEUE_URL: string;
}

/** The operating half of the HTTP API. It cancels as delivery settles, so it sees what delivery sees. */
export type OperateEnvironment = DeliverEnvironment;

/** The return of what is due to the delivery queue, once a minute. */
export interface RequeueEnvironment {
  readonly SEALPOST_RETRY_TABLE: string;
  readonly SEALPOST_DELIVERY_QUEUE_URL: string;
  readonly SEALPOST_DEAD_LETTER_QUEUE_URL: string;
}

/** The hourly search for what is overdue. */
export interface ReconcileEnvironment {
  readonly SEALPOST_MESSAGE_TABLE: string;
  readonly SEALPOST_RETRY_TABLE: string;
  readonly SEALPOST_CONTROL_TABLE: string;
  /** Those of the config, to warn of their end. */
  readonly SEALPOST_EXCEPTIONS: readonly PolicyException[];
}

/** Whose TLS reports are counted. */
export interface ReportInboxSetting {
  /** Policy domains. */
  readonly domains: readonly string[];
  /** `mx` patterns of their policies: under DANE reports are about MX hosts (RFC 8460 §1.1). */
  readonly mxHosts: readonly string[];
  /** Of the sessions of a day; a metric tells of more. */
  readonly failurePercentMax: number;
}

/** The reading of TLS reports that came in. */
export interface ReceiveReportEnvironment {
  readonly SEALPOST_NETWORK: NetworkSetting;
  readonly SEALPOST_REPORT_TABLE: string;
  readonly SEALPOST_REPORT_BUCKET: string;
  readonly SEALPOST_REPORT_INBOX: ReportInboxSetting;
}

/** `POST /tlsrpt`. */
export interface PostReportEnvironment {
  readonly SEALPOST_REPORT_BUCKET: string;
  readonly SEALPOST_REPORT_INBOX: ReportInboxSetting;
}

/** The daily look at received TLS reports. */
export interface CheckReportsEnvironment {
  readonly SEALPOST_REPORT_TABLE: string;
  readonly SEALPOST_REPORT_INBOX: ReportInboxSetting;
}

/** The scheduled refresh of cached MTA-STS policies. */
export interface RefreshPoliciesEnvironment {
  readonly SEALPOST_NETWORK: NetworkSetting;
  readonly SEALPOST_POLICY_TABLE: string;
}

/** What an operator decides about the TLS reports that are sent (RFC 8460); part of the config file. */
export interface ReportSettings {
  readonly organizationName: string;
  /** An address that is read; reports come from it, and its domain is the submitter, whose DKIM keys sign. */
  readonly contactInfo: string;
  /** Only days with a failed session are reported. */
  readonly onlyFailures: boolean;
  /** Destinations that are sent to another place, or to none. */
  readonly destinations: readonly { readonly from: string; readonly to?: string }[];
}

/** The planning of TLS reports. */
export interface PlanReportsEnvironment {
  readonly SEALPOST_REPORT_TABLE: string;
  readonly SEALPOST_REPORT_BUCKET: string;
  readonly SEALPOST_REPORT_QUEUE_URL: string;
}

/** The sending of TLS reports. */
export interface SendReportEnvironment extends PlanReportsEnvironment {
  readonly SEALPOST_NETWORK: NetworkSetting;
  readonly SEALPOST_REPORTS: ReportSettings;
  /** Those of the contact's domain. */
  readonly SEALPOST_REPORT_DKIM_KEYS: readonly DkimKeySetting[];
  /** Of SES, with TLS optional. */
  readonly SEALPOST_REPORT_CONFIGURATION_SET: string;
}

/** What takes note of reports that came back. */
export interface SuppressBouncedEnvironment {
  readonly SEALPOST_REPORT_TABLE: string;
}

/** A policy that this installation publishes. */
export interface PublishedPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  readonly mx: readonly string[];
  readonly maxAgeSeconds: number;
}

/** The policy host: policy domain -> policy. */
export interface PolicyHostEnvironment {
  readonly SEALPOST_POLICIES: Readonly<Record<string, PublishedPolicy>>;
}
