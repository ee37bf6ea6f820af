/**
 * What a policy host answered, and whether that is a policy.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.3 RFC 8461 §3.3}
 */
import { TransportSecurityError } from '../errors.ts';
import { parsePolicy, policySizeBytesMax, type StsPolicy } from './policy.ts';

/** An HTTP answer as it came. */
export interface PolicyAnswer {
  readonly status: number;
  /** The Content-Type field's value. */
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** The verdict on an answer; the codes are RFC 8460 §4.3.2.2 result types too. */
export type PolicyVerdict =
  | {
      readonly kind: 'policy';
      readonly policy: StsPolicy;
      /** The body, which TLS reports quote. */
      readonly text: string;
    }
  | {
      readonly kind: 'failed';
      readonly code: 'sts-policy-fetch-error' | 'sts-policy-invalid';
      readonly reason: string;
    };

/**
 * Decides whether an answer of a policy host carries a policy. Certificate, redirects and time are matters of whoever
 * fetched it.
 */
export function processPolicyResponse(answer: PolicyAnswer): PolicyVerdict {
  // RFC 8461 §3.3: valid "only if the HTTP response code is 200", so not another 2xx, nor what a 3xx points to.
  if (answer.status !== 200) {
    return failed('sts-policy-fetch-error', `HTTP status ${answer.status}`);
  }
  const type = parseMediaType(answer.contentType ?? '');
  // RFC 8461 §3.2: guards against hosts where strangers may place pages and images. An absent type is no text/plain.
  if (type.name !== 'text/plain') {
    return failed('sts-policy-invalid', `media type ${show(answer.contentType)}, not text/plain`);
  }
  if (answer.body.byteLength > policySizeBytesMax) {
    return failed('sts-policy-invalid', `more than ${policySizeBytesMax} octets`);
  }
  const text = decodeBody(answer.body, type.charset);
  if (text === undefined) {
    return failed('sts-policy-invalid', `not ${type.charset}`);
  }
  try {
    return { kind: 'policy', policy: parsePolicy(text), text };
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return failed('sts-policy-invalid', error.message);
    }
    throw error;
  }
}

interface MediaType {
  readonly name: string;
  readonly charset: 'utf-8' | 'us-ascii';
}

function parseMediaType(value: string): MediaType {
  const [name = '', ...parameters] = value.split(';').map((part) => part.trim().toLowerCase());
  // RFC 8461 §3.2: every other parameter is ignored, and so is every other charset. What is not said to be US-ASCII is
  // read as UTF-8, the larger of the two.
  const ascii = parameters.some((parameter) => /^charset=("?)us-ascii\1$/.test(parameter));
  return { name, charset: ascii ? 'us-ascii' : 'utf-8' };
}

/** Undefined for octets that the charset does not allow. */
function decodeBody(body: Uint8Array, charset: MediaType['charset']): string | undefined {
  if (charset === 'us-ascii' && body.some((octet) => octet > 0x7f)) {
    return undefined;
  }
  try {
    // A byte order mark is kept, for it is no part of the grammar, and because the text is quoted as served.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    // A replacement character could turn one host name into another, so octets that are no UTF-8 fail the whole body.
    return undefined;
  }
}

function failed(
  code: 'sts-policy-fetch-error' | 'sts-policy-invalid',
  reason: string,
): PolicyVerdict {
  return { kind: 'failed', code, reason };
}

function show(contentType: string | undefined): string {
  return contentType === undefined ? 'absent' : JSON.stringify(contentType.slice(0, 80));
}
