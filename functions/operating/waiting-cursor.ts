/** Where a list of what waits goes on: a place in each shard, as one opaque text. */
import * as z from 'zod';
import type { WaitingPosition } from '../delivery/stored-delivery.ts';

/** A shard's place: behind a delivery, at its beginning (`null`), or at its end. */
export type ShardPlace = WaitingPosition | 'end' | null;

export interface WaitingCursor {
  /** A place holds in the order in which it was found. */
  readonly order: 'age' | 'due';
  readonly places: readonly ShardPlace[];
}

/** More than any table has. */
const shardsMax = 64;

const placeSchema: z.ZodType<ShardPlace> = z.union([
  z.strictObject({
    id: z.string().min(1).max(200),
    domain: z.string().min(1).max(300),
    atMs: z.int(),
  }),
  z.literal('end'),
  z.null(),
]);

const contentSchema: z.ZodType<WaitingCursor> = z.strictObject({
  order: z.enum(['age', 'due']),
  places: z.array(placeSchema).min(1).max(shardsMax),
});

export function encodeCursor(cursor: WaitingCursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

/** A cursor from outside, 32 KB at most: whoever makes one up sees no more than the list shows anyhow. */
export const waitingCursorSchema: z.ZodType<WaitingCursor, string> = z
  .string()
  .max(32_768)
  .transform((text, context) => {
    const parsed = contentSchema.safeParse(parseJson(text));
    if (!parsed.success) {
      context.addIssue({ code: 'custom', message: 'not a cursor of this list: leave it out' });
      return z.NEVER;
    }
    return parsed.data;
  });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    // No cursor of ours; the schema says so.
    return undefined;
  }
}
