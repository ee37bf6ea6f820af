/**
 * DynamoDB items, written and read by hand.
 *
 * An item that is not as this code writes it, whoever damaged it, is a `store-damaged` error that names the item and
 * the attribute; it costs one record an attempt, never the batch.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { z } from 'zod';
import { TransportSecurityError } from '../../protocol/errors.ts';

export type Item = Readonly<Record<string, AttributeValue>>;

export function text(value: string): AttributeValue {
  return { S: value };
}

export function integer(value: number): AttributeValue {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`${value} is not an integer`);
  }
  return { N: String(value) };
}

export function flag(value: boolean): AttributeValue {
  return { BOOL: value };
}

/** Reads attributes of one item by their type. Each method throws `store-damaged`. */
export interface ItemReader {
  has(name: string): boolean;
  text(name: string): string;
  integer(name: string): number;
  flag(name: string): boolean;
  /** A text attribute that holds JSON of a known shape. */
  json<T>(name: string, schema: z.ZodType<T>): T;
}

/** @param what Names the item in errors, e.g. `row (id, domain) of table mail`. */
export function itemReader(item: Item, what: string): ItemReader {
  const damaged = (name: string, cause?: unknown): TransportSecurityError =>
    new TransportSecurityError('store-damaged', `${what}: attribute ${name} is not as written`, {
      cause,
    });
  const readText = (name: string): string => {
    const value = item[name]?.S;
    if (value === undefined) {
      throw damaged(name);
    }
    return value;
  };
  return {
    has: (name) => item[name] !== undefined,
    text: readText,
    integer: (name) => {
      const value = Number(item[name]?.N ?? Number.NaN);
      if (!Number.isSafeInteger(value)) {
        throw damaged(name);
      }
      return value;
    },
    flag: (name) => {
      const value = item[name]?.BOOL;
      if (value === undefined) {
        throw damaged(name);
      }
      return value;
    },
    json: (name, schema) => {
      try {
        return schema.parse(JSON.parse(readText(name)));
      } catch (cause) {
        throw cause instanceof TransportSecurityError ? cause : damaged(name, cause);
      }
    },
  };
}
