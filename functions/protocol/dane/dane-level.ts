/**
 * What a TLSA look-up asks of the channel to a host.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7672.html#section-2.2 RFC 7672 §2.2}
 */
import type { Answer } from '../dns/answer.ts';
import type { FailureCode } from '../errors.ts';
import { findChainStatus } from './chain-status.ts';
import { selectTlsaRecords, type TlsaRecord } from './tlsa-record.ts';

/** RFC 7672 §2.2 has four outcomes, and so has this. */
export type DaneLevel =
  | {
      /** The certificate must match: `verifyDane` with these records, the whole RRset. */
      readonly level: 'usable';
      readonly base: string;
      readonly records: readonly TlsaRecord[];
    }
  | {
      /** No content without TLS; the certificate authenticates nobody. The code is for TLS reports, it stops nothing. */
      readonly level: 'unusable';
      readonly base: string;
      readonly records: readonly TlsaRecord[];
      readonly code: 'tlsa-invalid';
      readonly reason: string;
    }
  | {
      /** As if nothing were published at this base domain: the next candidate is asked, else DANE does not apply. */
      readonly level: 'absent';
      readonly reason: string;
    }
  | {
      /** The host is passed over; a downgrade is what an attacker would be after (RFC 7672 §2.1.2). */
      readonly level: 'failed';
      readonly code: Extract<FailureCode, `dns-${string}`>;
      readonly reason: string;
      /** INFO-CODE of RFC 8914 for it, where there is one. */
      readonly infoCode?: number;
    };

/** Decides what the answer at one candidate base domain asks for. */
export function decideDaneLevel(base: string, answer: Answer<'TLSA'>): DaneLevel {
  if (answer.kind === 'failed') {
    const { code, reason, infoCode } = answer;
    return {
      level: 'failed',
      code,
      reason: `TLSA of ${base}: ${reason}`,
      ...(infoCode !== undefined && { infoCode }),
    };
  }
  const status = findChainStatus(answer);
  if (status === 'bogus' || status === 'indeterminate') {
    // RFC 7672 §2.1.1: indeterminate "MUST be treated" as bogus is.
    return { level: 'failed', code: 'dns-bogus', reason: `TLSA of ${base} is ${status}` };
  }
  if (answer.kind !== 'records') {
    // Secure or insecure, non-existence is an answer (RFC 7672 §2.1.1).
    return { level: 'absent', reason: `no TLSA records at ${base}` };
  }
  if (status === 'insecure') {
    return { level: 'absent', reason: `TLSA of ${base} is insecure` };
  }
  return judgeRecords(base, answer.records);
}

function judgeRecords(base: string, records: readonly TlsaRecord[]): DaneLevel {
  const { usable, unusable } = selectTlsaRecords(records);
  if (usable.length > 0) {
    return { level: 'usable', base, records };
  }
  const reasons = [...new Set(unusable.map(({ reason }) => reason))].slice(0, 3).join('; ');
  return {
    level: 'unusable',
    base,
    records,
    code: 'tlsa-invalid',
    reason: `no TLSA record of ${base} can be used: ${reasons}`,
  };
}
