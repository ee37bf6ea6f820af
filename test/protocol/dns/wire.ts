/** DNS octets by hand: says what is on the wire without asking the code under test. */

export type Octets = readonly number[];

export const u16 = (value: number): Octets => [(value >> 8) & 0xff, value & 0xff];

export const u32 = (value: number): Octets => [...u16(value >>> 16), ...u16(value & 0xffff)];

/** One char, one octet. */
export const chars = (text: string): Octets => Array.from(text, (char) => char.charCodeAt(0));

/** One label for each argument; dots in it are dots in the label. */
export const labels = (...texts: readonly string[]): Octets => [
  ...texts.flatMap((text) => [text.length, ...chars(text)]),
  0,
];

/** A name of plain labels. */
export const name = (text: string): Octets =>
  labels(...text.split('.').filter((label) => label !== ''));

/** RFC 1035 §4.1.4. */
export const pointer = (offset: number): Octets => u16(0xc000 + offset);

/** Where the question's name is in every message of {@link message}. */
export const questionName: Octets = pointer(12);

export const A = 1;
export const NS = 2;
export const CNAME = 5;
export const SOA = 6;
export const MX = 15;
export const TXT = 16;
export const AAAA = 28;
export const OPT = 41;

export interface RecordFields {
  readonly owner?: Octets;
  readonly type: number;
  readonly class?: number;
  readonly ttl?: number;
  readonly rdata: Octets;
  /** Where RDLENGTH is to lie. */
  readonly length?: number;
}

export const record = (fields: RecordFields): Octets => [
  ...(fields.owner ?? questionName),
  ...u16(fields.type),
  ...u16(fields.class ?? 1),
  ...u32(fields.ttl ?? 300),
  ...u16(fields.length ?? fields.rdata.length),
  ...fields.rdata,
];

export const character = (text: string): Octets => [text.length, ...chars(text)];

export const soa = (zone: string, ttl = 900, minimum = 60): Octets =>
  record({
    owner: name(zone),
    type: SOA,
    ttl,
    rdata: [
      ...name('ns.example'),
      ...name('hostmaster.example'),
      ...u32(7),
      ...u32(1),
      ...u32(2),
      ...u32(3),
      ...u32(minimum),
    ],
  });

export const opt = (options: Octets = [], fields: Partial<RecordFields> = {}): Octets =>
  record({ owner: [0], type: OPT, class: 1232, ttl: 0, rdata: options, ...fields });

export interface MessageFields {
  readonly id?: number;
  /** The two octets of flags; default: QR, RD, RA. */
  readonly flags?: number;
  readonly question?: string;
  readonly type?: number;
  readonly answers?: readonly Octets[];
  readonly authorities?: readonly Octets[];
  readonly additionals?: readonly Octets[];
  /** Where the counts are to lie. */
  readonly counts?: readonly [number, number, number, number];
}

export const response = 0x8180;
export const nxdomain = 0x8183;

export function message(fields: MessageFields): Uint8Array {
  const { answers = [], authorities = [], additionals = [] } = fields;
  const counts = fields.counts ?? [1, answers.length, authorities.length, additionals.length];
  return Uint8Array.from([
    ...u16(fields.id ?? 0x1234),
    ...u16(fields.flags ?? response),
    ...counts.flatMap(u16),
    ...name(fields.question ?? 'example.com'),
    ...u16(fields.type ?? A),
    ...u16(1),
    ...[...answers, ...authorities, ...additionals].flat(),
  ]);
}
