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
  readonly policy: 'mta-sts' | 'dane';
  readonly reason: string;
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
  readonly smartHost?: SmartHost;
}

/** The delivery function. */
export interface DeliverEnvironment {
  readonly SEALPOST_NETWORK: NetworkSetting;
  readonly SEALPOST_DELIVERY: DeliverySettings;
  readonly SEALPOST_POLICY_TABLE: string;
  readonly SEALPOST_MESSAGE_TABLE: string;
  readonly SEALPOST_RETRY_TABLE: string;
  readonly SEALPOST_MESSAGE_BUCKET: string;
  readonly SEALPOST_DELIVERY_QUEUE_URL: string;
  readonly SEALPOST_DEAD_LETTER_QUEUE_URL: string;
}

/** The scheduled refresh of cached MTA-STS policies. */
export interface RefreshPoliciesEnvironment {
  readonly SEALPOST_NETWORK: NetworkSetting;
  readonly SEALPOST_POLICY_TABLE: string;
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
