/**
 * The OPT pseudo record: what EDNS adds to a message.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6891.html#section-6.1 RFC 6891 §6.1}
 * @see {@link https://www.rfc-editor.org/rfc/rfc8914.html RFC 8914} (extended DNS errors)
 */
import { type Reader, readOctets, readUint16 } from './reader.ts';

/** An option as sent. */
export interface EdnsOption {
  readonly code: number;
  readonly data: Uint8Array;
}

/** Why a server answered as it did (RFC 8914 §2). For people; nothing is decided on it. */
export interface ExtendedError {
  readonly infoCode: number;
  /** Printable ASCII, at most 200 characters; often ''. */
  readonly text: string;
}

/** An OPT record, taken apart. */
export interface Edns {
  /** The sender's UDP payload size, in octets. */
  readonly payloadSizeBytes: number;
  /** The upper eight bits of the response code. */
  readonly extendedRcode: number;
  readonly version: number;
  /** DO: DNSSEC records are welcome (RFC 3225). */
  readonly dnssecOk: boolean;
  readonly options: readonly EdnsOption[];
  readonly extendedErrors: readonly ExtendedError[];
}

/** RFC 8914 §2. */
const extendedErrorOption = 15;
const textLengthMax = 200;

/**
 * Decodes an OPT record from its class and TTL fields and the reader over its RDATA.
 *
 * @throws {TransportSecurityError} `dns-malformed` for options that do not fill the RDATA exactly
 */
export function decodeEdns(classField: number, ttlField: number, rdata: Reader): Edns {
  const options: EdnsOption[] = [];
  while (rdata.offset < rdata.end) {
    const code = readUint16(rdata);
    options.push({ code, data: readOctets(rdata, readUint16(rdata)) });
  }
  return {
    payloadSizeBytes: classField,
    extendedRcode: Math.floor(ttlField / 0x100_0000),
    version: Math.floor(ttlField / 0x1_0000) & 0xff,
    dnssecOk: (ttlField & 0x8000) !== 0,
    options,
    extendedErrors: options.flatMap(decodeExtendedError),
  };
}

/** An extended error too short for its code says nothing, which is no reason to lose the answer it came with. */
function decodeExtendedError({ code, data }: EdnsOption): readonly ExtendedError[] {
  const [high, low] = data;
  if (code !== extendedErrorOption || high === undefined || low === undefined) {
    return [];
  }
  // RFC 8914 §6: the text is unauthenticated, and it ends up in logs and terminals.
  const text = Array.from(data.subarray(2, 2 + textLengthMax), (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '?',
  );
  return [{ infoCode: high * 0x100 + low, text: text.join('') }];
}

/** The server's own explanation of a response code, where it gave one: ` (EDE 23: …)` or ''. */
export function explainFailure({ edns }: { readonly edns?: Edns }): string {
  const errors = edns?.extendedErrors ?? [];
  const texts = errors.map(({ infoCode, text }) => `EDE ${infoCode}${text && `: ${text}`}`);
  return texts.length === 0 ? '' : ` (${texts.slice(0, 3).join(', ')})`;
}
