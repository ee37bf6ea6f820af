/** Messages of every size with what is hard to carry in them; the same ones at every run. */
import { createCipheriv, createHash } from 'node:crypto';

/** A message to be carried, and the header line by which it is told from others. */
export interface CorpusMessage {
  readonly marker: string;
  readonly content: Buffer;
}

/** RFC 5322 §2.1.1, RFC 5321 §4.5.3.1.6: a line may have this many octets beside its CRLF. */
const lineOctetsMax = 998;

/** What a line may begin with, to be mistaken for the end of the content or for an envelope (RFC 5321 §4.5.2). */
const beginnings: readonly string[] = ['.', '..', '...', '.\r\n.', 'From ', ' ', '\t'];

/** Makes `count` messages, from `octetsMin` to `octetsMax` in even steps of proportion. */
export function createCorpus(
  count: number,
  { octetsMin, octetsMax }: { readonly octetsMin: number; readonly octetsMax: number },
): readonly CorpusMessage[] {
  const step = (octetsMax / octetsMin) ** (1 / (count - 1));
  return Array.from({ length: count }, (_, index) =>
    createMessage(index, Math.round(octetsMin * step ** index)),
  );
}

function createMessage(index: number, octets: number): CorpusMessage {
  const eightBit = index % 2 === 0;
  const marker = `Message-ID: <corpus-${index}@sender.example>`;
  const header = [
    marker,
    'From: Alice <alice@sender.example>',
    'To: Bob <bob@receiver.example>',
    `Subject: ${octets} octets`,
    'Date: Tue, 24 Nov 2026 12:00:00 +0000',
    'MIME-Version: 1.0',
    `Content-Type: text/plain; charset=${eightBit ? 'ISO-8859-1' : 'US-ASCII'}`,
    `Content-Transfer-Encoding: ${eightBit ? '8bit' : '7bit'}`,
    '\r\n',
  ].join('\r\n');
  const content = Buffer.alloc(octets);
  const start = content.write(header, 'latin1');
  fillBody(content.subarray(start), { noise: createNoise(index, octets), eightBit });
  // Every third message ends without CRLF.
  content.write(index % 3 === 0 ? 'xy' : '\r\n', octets - 2, 'latin1');
  return { marker, content };
}

/** Octets that look random and follow from the index. */
function createNoise(index: number, octets: number): Buffer {
  const key = createHash('sha256').update(`corpus ${index}`).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(octets));
}

function fillBody(
  body: Buffer,
  { noise, eightBit }: { readonly noise: Buffer; readonly eightBit: boolean },
): void {
  // The caller writes over the last two octets, which must not be half of a CRLF.
  const limit = body.length - 4;
  let at = 0;
  while (at < limit) {
    const [kind = 0, length = 0] = noise.subarray(at);
    const beginning = kind % 4 === 0 ? (beginnings[(kind >> 2) % beginnings.length] ?? '') : '';
    // The longest lines, the shortest ones, and what lies between.
    const asked = kind % 8 === 1 ? lineOctetsMax : kind % 8 === 2 ? 0 : length * 3;
    const end = Math.min(at + Math.max(asked, beginning.length), limit);
    if (at + beginning.length <= end) {
      at += body.write(beginning, at, 'latin1');
    }
    for (; at < end; at += 1) {
      body[at] = toPrintable(noise[at] ?? 0, eightBit);
    }
    at += body.write('\r\n', at, 'latin1');
  }
  body.fill('x', at);
}

/** Neither CR nor LF nor any other control octet. */
function toPrintable(octet: number, eightBit: boolean): number {
  const printable = 0x20 + (octet % 95);
  return eightBit && octet >= 0xa0 ? octet : printable;
}
