/**
 * What is written at once, joined: one write, one TLS record or a few, no delay by Nagle's algorithm.
 */

/** Text is UTF-8 on the wire. */
export type Piece = string | Uint8Array;

/**
 * From this size on a write of its own costs less than a copy: a whole block of content. One that is smaller leaves together
 * with what is behind it, which saves a write, a TLS record and a turn of the event loop at either end.
 */
const joinedOctetsMax = 262_144;

/** The same octets in fewer pieces: all up to the last large one alone, and the small ones behind it as one. */
export function joinSmallPieces(pieces: readonly Piece[]): {
  readonly alone: readonly Piece[];
  /** Empty where nothing is behind the last large piece. */
  readonly joined: Piece;
} {
  const large = pieces.findLastIndex(({ length }) => length >= joinedOctetsMax);
  return { alone: pieces.slice(0, large + 1), joined: join(pieces.slice(large + 1)) };
}

function join(pieces: readonly Piece[]): Piece {
  const [first = ''] = pieces;
  if (pieces.length === 1) {
    return first;
  }
  let octets = 0;
  for (const piece of pieces) {
    octets += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
  }
  const whole = Buffer.allocUnsafe(octets);
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      at += whole.write(piece, at);
    } else {
      whole.set(piece, at);
      at += piece.length;
    }
  }
  return whole;
}
