/**
 * Names as places in the tree: ancestors, label counts, and the order that DNSSEC's proofs of absence rest on.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4034.html#section-6.1 RFC 4034 §6.1}
 */
import { type DnsName, foldName } from './name.ts';

/** The root. */
export const rootName: DnsName = Uint8Array.of(0);

/** The number of labels without the root's: 2 for `example.com`. */
export function countLabels(name: DnsName): number {
  let count = 0;
  for (let at = 0; name[at]; at += 1 + (name[at] ?? 0)) {
    count += 1;
  }
  return count;
}

/**
 * The ancestor of `name` that has `labels` labels, or `name` itself where it has no more than that.
 *
 * @example
 * ancestorOf(parseName('a.b.example.com'), 2); // example.com
 */
export function ancestorOf(name: DnsName, labels: number): DnsName {
  let at = 0;
  for (let surplus = countLabels(name) - labels; surplus > 0; surplus -= 1) {
    at += 1 + (name[at] ?? 0);
  }
  return name.subarray(at);
}

/** The name without its first label; the root's parent is the root. */
export function parentOf(name: DnsName): DnsName {
  return name.subarray(name[0] ? 1 + name[0] : 0);
}

/** Reports whether the first label is the asterisk label (RFC 4592 §2.1.1), whatever follows. */
export function isWildcard(name: DnsName): boolean {
  return name[0] === 1 && name[1] === 0x2a;
}

/** The wildcard directly under a name; undefined where that would be over 255 octets. */
export function wildcardUnder(name: DnsName): DnsName | undefined {
  return name.length > 253 ? undefined : Uint8Array.of(1, 0x2a, ...name);
}

/**
 * Compares two names in canonical order: label by label from the root on, octet by octet, letters as if lower-case, what
 * is missing before what is there (RFC 4034 §6.1). Negative, zero or positive, as a sort function wants it.
 */
export function compareNames(a: DnsName, b: DnsName): number {
  const left = foldName(a);
  const right = foldName(b);
  const leftStarts = labelStarts(left);
  const rightStarts = labelStarts(right);
  const shared = Math.min(leftStarts.length, rightStarts.length);
  for (let back = 1; back <= shared; back += 1) {
    const order = Buffer.compare(
      labelAt(left, leftStarts.at(-back) ?? 0),
      labelAt(right, rightStarts.at(-back) ?? 0),
    );
    if (order !== 0) {
      return order;
    }
  }
  return leftStarts.length - rightStarts.length;
}

/** The longest name that is an ancestor of both, or equal to them. */
export function commonAncestor(a: DnsName, b: DnsName): DnsName {
  const left = foldName(a);
  const right = foldName(b);
  const leftStarts = labelStarts(left);
  const rightStarts = labelStarts(right);
  let same = 0;
  while (same < Math.min(leftStarts.length, rightStarts.length)) {
    const leftLabel = labelAt(left, leftStarts.at(-1 - same) ?? 0);
    const rightLabel = labelAt(right, rightStarts.at(-1 - same) ?? 0);
    if (Buffer.compare(leftLabel, rightLabel) !== 0) {
      break;
    }
    same += 1;
  }
  return ancestorOf(a, same);
}

/** A string that is equal for equal names, whatever their case; for the keys of a Map. */
export function nameKey(name: DnsName): string {
  const { buffer, byteOffset, length } = foldName(name);
  return Buffer.from(buffer, byteOffset, length).toString('latin1');
}

function labelStarts(name: DnsName): readonly number[] {
  const starts: number[] = [];
  for (let at = 0; name[at]; at += 1 + (name[at] ?? 0)) {
    starts.push(at);
  }
  return starts;
}

/** The label's octets without its length, which has no part in the order. */
function labelAt(name: DnsName, start: number): Uint8Array {
  return name.subarray(start + 1, start + 1 + (name[start] ?? 0));
}
