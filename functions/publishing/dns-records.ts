/**
 * The DNS records that a domain with a policy and TLS reports publishes, in the order in which to create them.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-8.1 RFC 8461 §8.1}
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-3 RFC 8460 §3}
 */
import { policyHostName, type StsPolicy } from '../protocol/mta-sts/policy.ts';
import { policyId } from '../protocol/mta-sts/policy-id.ts';
import { formatStsRecord, stsRecordName } from '../protocol/mta-sts/record.ts';

/** A record as values; `name` and a CNAME's `value` have no trailing dot, a TXT value no quotes. */
export interface DnsRecord {
  readonly name: string;
  readonly type: 'CNAME' | 'TXT';
  readonly value: string;
}

export interface PublishedRecordsOptions {
  /** Lower-case A-labels. */
  readonly domain: string;
  readonly policy: StsPolicy;
  /** The name at which the policy host is reached. */
  readonly policyHostTarget: string;
  /** Where reports about TLS go: `mailto:` and `https:` URIs. None: no reports are asked for. */
  readonly reportUris?: readonly string[];
}

/**
 * Lists the records of a domain: the policy host, then what announces its policy. Created the other way round a sender
 * could see the new id, be given the old policy and keep it under that id (RFC 8461 §8.1).
 */
export function publishedRecords(options: PublishedRecordsOptions): readonly DnsRecord[] {
  const { domain, policy, policyHostTarget, reportUris = [] } = options;
  return [
    { name: policyHostName(domain), type: 'CNAME', value: policyHostTarget },
    { name: stsRecordName(domain), type: 'TXT', value: formatStsRecord({ id: policyId(policy) }) },
    ...(reportUris.length === 0
      ? []
      : [
          {
            name: `_smtp._tls.${domain}`,
            type: 'TXT',
            value: formatReportRecord(reportUris),
          } as const,
        ]),
  ];
}

/**
 * Formats the record that asks for TLS reports. A comma, semicolon or exclamation mark within a URI is percent-encoded:
 * RFC 8460 §3 uses them to tell URIs and fields apart.
 */
export function formatReportRecord(reportUris: readonly string[]): string {
  const uris = reportUris.map((uri) =>
    uri.replace(/[,;!]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
  );
  return `v=TLSRPTv1; rua=${uris.join(',')}`;
}
