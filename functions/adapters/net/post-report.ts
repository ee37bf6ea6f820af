/**
 * Hands a report over by POST.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8460.html#section-5.4 RFC 8460 §5.4}
 */
import type { SecureContext } from 'node:tls';
import type { NetworkSetting } from '../../environment.ts';
import type { Resolver } from '../../protocol/dns/answer.ts';
import { isDomainName } from '../../protocol/domain-name.ts';
import type { OutgoingReport, SendOutcome } from '../../reporting/ports.ts';
import { resolveDeliveryNetwork } from './delivery-network.ts';
import { findHttpsAddresses } from './https-addresses.ts';
import { exchangeOverHttps } from './https-exchange.ts';
import { HttpsFailure } from './https-failure.ts';
import { createSecureContexts } from './tls-contexts.ts';

/** So that an address that swallows packets leaves time for the others. */
const connectTimeMs = 10_000;

/** For one POST, from the look-up to the status. */
const postTimeMs = 60_000;

export interface ReportPosterOptions {
  readonly resolver: Resolver;
  readonly network: NetworkSetting;
  /** Epoch milliseconds; default: the machine's clock. */
  readonly now?: () => number;
}

/** Posts a report to an `https:` URI, until `deadlineMs`. Never rejects for what the other side does. */
export type PostReport = (
  uri: string,
  report: Pick<OutgoingReport, 'gzip'>,
  deadlineMs: number,
) => Promise<SendOutcome>;

/**
 * Creates the function that posts reports. Keep one per process: the roots take a while to load.
 *
 * A name of a stranger leads to public addresses only, unless `network.allowPrivateAddresses`; no redirect is followed, and of
 * the answer the status counts alone.
 *
 * @throws {TransportSecurityError} `settings-invalid` for `extraRoots` that cannot be read
 */
export function createReportPoster(options: ReportPosterOptions): PostReport {
  const { resolver, network, now = Date.now } = options;
  const { extraRoots, httpsPort = 443 } = network;
  const { ipv6, allowPrivateAddresses } = resolveDeliveryNetwork(network);
  const contexts = createSecureContexts(extraRoots === undefined ? {} : { extraRoots });

  return async (uri, { gzip }, deadlineMs) => {
    const { hostname: host, port, pathname, search } = new URL(uri);
    const endMs = Math.min(deadlineMs, now() + postTimeMs);
    // An address literal is no name that a certificate of this kind is for, and could be any machine of ours.
    if (!isDomainName(host)) {
      return { kind: 'failed', detail: `${JSON.stringify(host.slice(0, 80))} is not a host name` };
    }
    const reach = { resolver, ipv6, allowPrivateAddresses, deadlineMs: endMs };
    const found = await findHttpsAddresses(host, reach);
    if (found.kind === 'none') {
      return { kind: 'failed', detail: found.reason };
    }
    const leftMs = endMs - now();
    if (leftMs <= 0) {
      return { kind: 'failed', detail: 'no time left after the look-up of its address' };
    }
    return post({
      host,
      addresses: found.addresses,
      port: port === '' ? httpsPort : Number(port),
      path: `${pathname}${search}`,
      secureContext: contexts('pkix'),
      signal: AbortSignal.timeout(leftMs),
      body: gzip,
    });
  };
}

interface Post {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly path: string;
  readonly secureContext: SecureContext;
  readonly signal: AbortSignal;
  readonly body: Uint8Array;
}

async function post(request: Post): Promise<SendOutcome> {
  let fault = '';
  try {
    const { status } = await exchangeOverHttps({
      ...request,
      method: 'POST',
      headers: { 'content-type': 'application/tlsrpt+gzip' },
      connectTimeoutMs: connectTimeMs,
      bodyBytesMax: 0,
      // RFC 8460 §3: certificate errors MAY be ignored, and a report may be about the very fault.
      onCertificateFault: (reason) => {
        fault = `; its certificate is not valid: ${reason}`;
      },
    });
    return { kind: judgeStatus(status), detail: `HTTP ${status}${fault}` };
  } catch (error) {
    if (!(error instanceof HttpsFailure)) {
      throw error;
    }
    return { kind: 'failed', detail: `${error.message}${fault}` };
  }
}

/** RFC 8460 §5.4: a successful response, typically 200 or 201; RFC 9110 §15.5.14: 413 says that the content is too large. */
function judgeStatus(status: number): SendOutcome['kind'] {
  if (status >= 200 && status < 300) {
    return 'delivered';
  }
  return status === 413 ? 'too-large' : 'failed';
}
