/**
 * Trust anchors: where a chain of trust may begin.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4033.html#section-2 RFC 4033 §2}
 * @see {@link https://www.iana.org/dnssec/files IANA's root trust anchors}
 */
import type { DsData } from '../dns/dnssec-data.ts';
import { type DnsName, parseName } from '../dns/name.ts';
import { TransportSecurityError } from '../errors.ts';
import { digestKey } from './delegation.ts';
import { keyTagOf } from './keys.ts';

/** A key of a zone that is trusted without anybody vouching for it, given by its digest. */
export interface TrustAnchor extends DsData {
  readonly name: DnsName;
}

/**
 * The root's keys: KSK-2017 (20326), which is being retired, and KSK-2024 (38696), which signs since October 2026.
 * Validation needs one of them.
 */
export const rootAnchors: readonly TrustAnchor[] = parseTrustAnchors(`
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
`);

/** RFC 4509: what a DNSKEY anchor is turned into. */
const sha256Digest = 2;

/**
 * Parses DS and DNSKEY records in presentation format (RFC 4034 §2.2, §5.3), one a line or within parentheses, with
 * comments behind `;`: what `dig` prints, what IANA publishes, what a signer leaves beside its zone.
 *
 * @throws {TransportSecurityError} `settings-invalid`, with the line
 */
export function parseTrustAnchors(text: string): readonly TrustAnchor[] {
  return joinLines(text).map(parseTrustAnchor);
}

/** Records without comments and parentheses (RFC 1035 §5.1). */
function joinLines(text: string): readonly string[] {
  const lines: string[] = [];
  let open = '';
  for (const line of text.split(/\r?\n/)) {
    open += ` ${line.replace(/;.*/, '')}`;
    if (!open.includes('(') || open.includes(')')) {
      lines.push(open.replace(/[()]/g, ' ').trim());
      open = '';
    }
  }
  lines.push(open.trim());
  return lines.filter((line) => line !== '');
}

function parseTrustAnchor(line: string): TrustAnchor {
  const [, owner, type, rdata] =
    /^(\S+)(?:\s+\d+)?(?:\s+IN)?(?:\s+\d+)?\s+(DS|DNSKEY)\s+(.+)$/i.exec(line) ?? [];
  const name = owner === undefined ? undefined : readName(owner);
  if (name === undefined || rdata === undefined) {
    throw invalid(line, 'give lines like `example.com. IN DS 12345 13 2 0123…`');
  }
  return type?.toUpperCase() === 'DS'
    ? { name, ...parseDs(line, rdata) }
    : { name, ...parseDnskey(line, rdata, name) };
}

function readName(text: string): DnsName | undefined {
  try {
    return parseName(text);
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}

function parseDs(line: string, rdata: string): DsData {
  const [, keyTag, algorithm, digestType, hex] =
    /^(\d{1,5})\s+(\d{1,3})\s+(\d{1,3})\s+([0-9a-f\s]+)$/i.exec(rdata) ?? [];
  const digest = Buffer.from(hex?.replace(/\s/g, '') ?? '', 'hex');
  if (hex === undefined || digest.length * 2 !== hex.replace(/\s/g, '').length) {
    throw invalid(line, 'a DS record has a key tag, an algorithm, a digest type and hex digits');
  }
  return {
    keyTag: Number(keyTag),
    algorithm: Number(algorithm),
    digestType: Number(digestType),
    digest,
  };
}

function parseDnskey(line: string, rdata: string, name: DnsName): DsData {
  const [, flags, protocol, algorithm, base64] =
    /^(\d{1,5})\s+(\d{1,3})\s+(\d{1,3})\s+([0-9A-Za-z+/=\s]+)$/.exec(rdata) ?? [];
  const publicKey = Buffer.from(base64 ?? '', 'base64');
  if (publicKey.length === 0) {
    throw invalid(line, 'a DNSKEY record has flags, a protocol, an algorithm and a key in base64');
  }
  const head = [Number(flags) >> 8, Number(flags) & 0xff, Number(protocol), Number(algorithm)];
  const octets = Uint8Array.of(...head, ...publicKey);
  return {
    keyTag: keyTagOf(octets),
    algorithm: Number(algorithm),
    digestType: sha256Digest,
    digest: digestKey(name, octets, sha256Digest) ?? new Uint8Array(0),
  };
}

function invalid(line: string, remedy: string): TransportSecurityError {
  return new TransportSecurityError(
    'settings-invalid',
    `not a trust anchor: ${JSON.stringify(line.slice(0, 80))}; ${remedy}`,
  );
}
