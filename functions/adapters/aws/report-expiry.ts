/** When items of the report table go: so many days after the day that they tell of. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { dayRange, type UtcDay } from '../../protocol/tlsrpt/report.ts';
import { integer } from './item.ts';

/** The value of `removeAtSeconds`. */
export function removeAfter(day: UtcDay, keptDays: number): AttributeValue {
  return integer(dayRange(day).endMs / 1_000 + keptDays * 86_400);
}
