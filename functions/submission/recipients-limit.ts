/** How many recipients one delivery may have: its row in the message table holds all of them. */
import { deliveryRecipientsBytesMax } from './limits.ts';
import type { PreparedMessage } from './queue-message.ts';

/** `"state":"pending"` and its comma, which the row adds to each. */
const stateBytes = 18;

/** Whether a row has room for the recipients of a message. */
export function fitsDelivery({ rcptTo }: Pick<PreparedMessage, 'rcptTo'>): boolean {
  const bytes = Buffer.byteLength(JSON.stringify(rcptTo)) + rcptTo.length * stateBytes;
  return bytes <= deliveryRecipientsBytesMax;
}
