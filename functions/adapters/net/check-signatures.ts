/**
 * DKIM signatures of received mail, verified by mailauth with keys from our own resolver.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6376.html#section-6 RFC 6376 §6}
 */
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import type { Resolver } from '../../protocol/dns/answer.ts';
import { isDomainName } from '../../protocol/domain-name.ts';
import { fieldValues, readHeaderFields } from '../../protocol/message/header.ts';
import { toDomain } from '../../protocol/tlsrpt/report-fields.ts';
import type { CheckedSignature, CheckSignatures } from '../../reporting/judge-signatures.ts';

/** Each costs a look-up in a zone that the sender of the mail chooses; RFC 6376 §6.1 allows to stop. */
const signaturesMax = 10;

type VerifyOptions = NonNullable<Parameters<typeof dkimVerify>[1]>;
type VerifyResult = Awaited<ReturnType<typeof dkimVerify>>['results'][number];

/** Makes the verifier. */
export function createSignatureCheck(resolver: Resolver): CheckSignatures {
  return async (mail, { receivedAtMs, deadlineMs }) => {
    const signatures = fieldValues(readHeaderFields(mail), 'DKIM-Signature').length;
    if (signatures === 0 || signatures > signaturesMax) {
      return [];
    }
    const { results, headerFrom } = await dkimVerify(
      Buffer.from(mail.buffer, mail.byteOffset, mail.byteLength),
      {
        curTime: new Date(receivedAtMs),
        // RFC 8301 §3: neither rsa-sha1 nor RSA keys below 1024 bits.
        minBitLength: 1_024,
        rejectRsaSha1: true,
        resolver: (name: string) => lookUpKey(resolver, name, deadlineMs),
      } as VerifyOptions,
    );
    const [author = '', ...others] = headerFrom ?? [];
    const authorDomain =
      others.length === 0 ? toDomain(author.slice(author.lastIndexOf('@') + 1)) : undefined;
    return results.flatMap((result) => toChecked(result, authorDomain));
  };
}

function toChecked(
  result: VerifyResult,
  authorDomain: string | undefined,
): readonly CheckedSignature[] {
  const { signingDomain, status, canonBodyLengthLimited } = result;
  const domain = toDomain(signingDomain ?? '');
  if (domain === undefined) {
    return [];
  }
  const outcomes = { pass: 'valid', temperror: 'unknown' } as const;
  const isDecided = status.result === 'pass' || status.result === 'temperror';
  return [
    {
      domain,
      outcome: isDecided ? outcomes[status.result as keyof typeof outcomes] : 'invalid',
      detail: status.comment || status.result,
      coversBody: canonBodyLengthLimited !== true,
      // As mailauth reads From, by which it has found the two aligned: another reading might name somebody else.
      ...(authorDomain !== undefined && typeof status.aligned === 'string' && { authorDomain }),
    },
  ];
}

/** Answers as `dns.resolve` does. */
async function lookUpKey(
  resolver: Resolver,
  name: string,
  deadlineMs: number,
): Promise<string[][]> {
  const folded = name.toLowerCase();
  if (!isDomainName(folded, { underscores: true })) {
    throw dnsError('ENOTFOUND', 'not a name');
  }
  const answer = await resolver.lookup(folded, 'TXT', deadlineMs);
  if (answer.kind === 'failed') {
    throw dnsError('ESERVFAIL', answer.reason);
  }
  if (answer.status === 'bogus') {
    throw dnsError('ESERVFAIL', 'DNSSEC validation failed');
  }
  // RFC 6376 §3.6.2.2: one record at a name. Where something else stands beside it, that is not taken for it.
  const record =
    answer.kind === 'records' && answer.records.find((text) => /(?:^|;)\s*p\s*=/.test(text));
  if (record === false || record === undefined) {
    throw dnsError('ENOTFOUND', 'no key');
  }
  return [[forReports(record)]];
}

/**
 * RFC 8460 §3: a key of service type `tlsrpt` is one for reports. mailauth knows `email` and `*` alone, so the tag is taken
 * out where it names ours.
 */
function forReports(record: string): string {
  const tags = record.split(';');
  const services = tags.find((tag) => /^\s*s\s*=/.test(tag))?.split('=')[1] ?? '';
  const isForReports = services.split(':').some((service) => service.trim() === 'tlsrpt');
  return isForReports ? tags.filter((tag) => !/^\s*s\s*=/.test(tag)).join(';') : record;
}

function dnsError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
