/**
 * Fetches MTA-STS policies from their policy hosts.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 */
import type { SecureContext } from 'node:tls';
import type { NetworkSetting } from '../../environment.ts';
import type { FetchPolicy, PolicyResponse } from '../../policy/ports.ts';
import type { Resolver } from '../../protocol/dns/answer.ts';
import { isDomainName } from '../../protocol/domain-name.ts';
import {
  policyFetchTimeMs,
  policyHostName,
  policyPath,
  policySizeBytesMax,
} from '../../protocol/mta-sts/policy.ts';
import { resolveDeliveryNetwork } from './delivery-network.ts';
import { findHttpsAddresses } from './https-addresses.ts';
import { exchangeOverHttps, type HttpsAnswer } from './https-exchange.ts';
import { HttpsFailure } from './https-failure.ts';
import { createSecureContexts } from './tls-contexts.ts';

/** So that an address that swallows packets leaves time for the others. */
const connectTimeMs = 10_000;

export interface PolicyFetcherOptions {
  readonly resolver: Resolver;
  readonly network: NetworkSetting;
  /** Epoch milliseconds; default: the machine's clock. */
  readonly now?: () => number;
}

type Failed = Extract<PolicyResponse, { readonly kind: 'failed' }>;

/**
 * Creates the function that fetches policies. Keep one per process: the roots take a while to load.
 *
 * Trusted are the Mozilla roots that Node bundles and `network.extraRoots`, whatever NODE_EXTRA_CA_CERTS adds to them.
 * Each fetch is bounded by its deadline and a minute, looks the policy host up anew, and connects to public addresses
 * only unless `network.allowPrivateAddresses`.
 *
 * @throws {TransportSecurityError} `settings-invalid` for `extraRoots` that cannot be read
 */
export function createPolicyFetcher(options: PolicyFetcherOptions): FetchPolicy {
  const { resolver, network, now = Date.now } = options;
  const { extraRoots, httpsPort = 443 } = network;
  const { ipv6, allowPrivateAddresses } = resolveDeliveryNetwork(network);
  const contexts = createSecureContexts(extraRoots === undefined ? {} : { extraRoots });

  return async (domain, deadlineMs) => {
    const host = policyHostName(domain);
    const endMs = Math.min(deadlineMs, now() + policyFetchTimeMs);
    // Nothing but a plain host name gets into a URL.
    if (!isDomainName(host)) {
      return failed(`${JSON.stringify(host.slice(0, 80))} is not a host name`);
    }
    const found = await findHttpsAddresses(host, {
      resolver,
      ipv6,
      allowPrivateAddresses,
      deadlineMs: endMs,
    });
    if (found.kind === 'none') {
      return failed(found.reason);
    }
    const leftMs = endMs - now();
    if (leftMs <= 0) {
      return failed('no time left after the look-up of its address');
    }
    return tryAddresses(found.addresses, {
      host,
      port: httpsPort,
      secureContext: contexts('pkix'),
      signal: AbortSignal.timeout(leftMs),
    });
  };
}

interface Exchange {
  readonly host: string;
  readonly port: number;
  readonly secureContext: SecureContext;
  readonly signal: AbortSignal;
}

/** Tries one address after the other until one answers, whatever the answer is. */
async function tryAddresses(
  addresses: readonly string[],
  exchange: Exchange,
): Promise<PolicyResponse> {
  const failures: Failed[] = [];
  for (const address of addresses) {
    if (exchange.signal.aborted) {
      break;
    }
    try {
      const answer = await exchangeOverHttps({
        ...exchange,
        addresses: [address],
        method: 'GET',
        path: policyPath,
        headers: { accept: 'text/plain' },
        connectTimeoutMs: connectTimeMs,
        bodyBytesMax: policySizeBytesMax,
      });
      return toResponse(answer);
    } catch (error) {
      const failure = toFailed(error, address);
      if (failure.code === 'sts-policy-invalid') {
        return failure;
      }
      failures.push(failure);
    }
  }
  return summarize(failures);
}

function toResponse(answer: HttpsAnswer): PolicyResponse {
  const { status, contentType, contentEncoding, body } = answer;
  if (status === 200 && contentEncoding !== undefined && contentEncoding !== 'identity') {
    const shown = JSON.stringify(contentEncoding.slice(0, 40));
    return failed(`content coding ${shown}, which was not asked for`, 'sts-policy-invalid');
  }
  return { kind: 'response', status, contentType, body };
}

const codes = {
  certificate: 'sts-webpki-invalid',
  'too-large': 'sts-policy-invalid',
  timeout: 'sts-policy-fetch-error',
  connection: 'sts-policy-fetch-error',
} as const satisfies Record<HttpsFailure['kind'], Failed['code']>;

function toFailed(error: unknown, address: string): Failed {
  if (!(error instanceof HttpsFailure)) {
    throw error;
  }
  const reason =
    error.kind === 'too-large' ? `more than ${policySizeBytesMax} octets` : error.message;
  return failed(`${address}: ${reason}`, codes[error.kind]);
}

/** One failure for all addresses: a bad certificate says more than silence elsewhere. */
function summarize(failures: readonly Failed[]): Failed {
  const certificate = failures.find(({ code }) => code === 'sts-webpki-invalid');
  const reason = failures.map((failure) => failure.reason).join('; ');
  return failed(reason, certificate?.code ?? 'sts-policy-fetch-error');
}

function failed(reason: string, code: Failed['code'] = 'sts-policy-fetch-error'): Failed {
  return { kind: 'failed', code, reason };
}
