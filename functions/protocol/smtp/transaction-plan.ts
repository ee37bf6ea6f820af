/**
 * What a transaction will say on a session that offers certain extensions, or why it must not begin.
 *
 * A message that the peer cannot take whole is refused here, before MAIL: nothing is converted down.
 */
import { type Capabilities, readSizeLimit } from './capabilities.ts';
import { formatMail, formatRcpt } from './command.ts';
import { canonicalizeContent, stuffDots } from './content.ts';
import { isMailbox } from './mailbox.ts';
import { failedFor } from './recipient-result.ts';
import type { RecipientResult, Transaction, TransactionRecipient } from './transaction.ts';

/** What the session is, after its last EHLO. */
export interface SessionOffer {
  readonly capabilities: Capabilities;
  /** Whether it runs over TLS. */
  readonly isEncrypted: boolean;
}

/** The lines and octets of one transaction. Recipients are named by their place in the transaction. */
export interface TransactionPlan {
  readonly mail: string;
  readonly rcpts: readonly { readonly recipient: number; readonly command: string }[];
  /** Recipients that are settled before anything is said. With all of them here, `rcpts` is empty. */
  readonly refused: ReadonlyMap<number, RecipientResult>;
  /** `bdat` (RFC 3030) or `data`; the octets are dot-stuffed for the latter. */
  readonly transfer: 'bdat' | 'data';
  readonly octets: Buffer;
}

/**
 * Plans a transaction.
 *
 * A refusal that concerns the message refuses every recipient; an address that cannot be said on this session refuses
 * its own recipient only.
 */
export function planTransaction(transaction: Transaction, offer: SessionOffer): TransactionPlan {
  const { capabilities } = offer;
  const content = canonicalizeContent(transaction.content);
  const isInternational =
    !isAscii(transaction.mailFrom) ||
    content.eightBitHeader ||
    // RFC 6531 §3.4: said by the sender, and not ruled out by content that is all ASCII, headers of parts included.
    (transaction.smtpUtf8 && content.eightBit);

  const wholeRefusal =
    refuseReversePath(transaction) ??
    refuseRequireTls(transaction, offer) ??
    refuseContent({
      capabilities,
      isInternational,
      eightBit: content.eightBit,
      sizeOctets: content.octets.length,
    });

  const offersSmtpUtf8 = capabilities.has('SMTPUTF8');
  const refused = new Map<number, RecipientResult>();
  const said: { recipient: number; address: TransactionRecipient }[] = [];
  for (const [recipient, address] of transaction.recipients.entries()) {
    const refusal = wholeRefusal ?? refuseRecipient(address, offersSmtpUtf8);
    if (refusal === undefined) {
      said.push({ recipient, address });
    } else {
      refused.set(recipient, refusal);
    }
  }

  const offersDsn = capabilities.has('DSN');
  const transfer = capabilities.has('CHUNKING') ? 'bdat' : 'data';
  return {
    mail:
      wholeRefusal !== undefined
        ? ''
        : formatMail(transaction.mailFrom, {
            ...(capabilities.has('SIZE') ? { sizeOctets: content.octets.length } : {}),
            eightBit: content.eightBit,
            // RFC 6531 §3.4: an address beyond ASCII on any path needs the parameter.
            smtpUtf8: isInternational || said.some(({ address }) => !isAscii(address.address)),
            requireTls: transaction.requireTls,
            ...(offersDsn && transaction.ret !== undefined ? { ret: transaction.ret } : {}),
            ...(offersDsn && transaction.envid !== undefined ? { envid: transaction.envid } : {}),
          }),
    rcpts: said.map(({ recipient, address }) => ({
      recipient,
      command: formatRcpt(address, offersDsn),
    })),
    refused,
    transfer,
    octets: transfer === 'bdat' ? content.octets : stuffDots(content.octets),
  };
}

function refuseReversePath(transaction: Transaction): RecipientResult | undefined {
  if (transaction.mailFrom === '' || isMailbox(transaction.mailFrom)) {
    return undefined;
  }
  return failedFor('address-invalid', 'the reverse-path is not a mailbox (RFC 5321 §4.1.2)');
}

/** RFC 8689 §4.2.1 and §2: the parameter goes only to a peer that offers it, over TLS. */
function refuseRequireTls(
  transaction: Transaction,
  offer: SessionOffer,
): RecipientResult | undefined {
  if (!transaction.requireTls || (offer.isEncrypted && offer.capabilities.has('REQUIRETLS'))) {
    return undefined;
  }
  return failedFor('requiretls-not-offered', 'the session does not offer REQUIRETLS over TLS');
}

function refuseContent(demand: {
  readonly capabilities: Capabilities;
  readonly isInternational: boolean;
  readonly eightBit: boolean;
  readonly sizeOctets: number;
}): RecipientResult | undefined {
  const { capabilities, isInternational, eightBit, sizeOctets } = demand;
  // RFC 6531 §3.2: an internationalized message MUST NOT go to a server without SMTPUTF8.
  if (isInternational && !capabilities.has('SMTPUTF8')) {
    return failedFor(
      'smtputf8-not-offered',
      'the message has a reverse-path or header beyond ASCII and the peer does not offer SMTPUTF8',
    );
  }
  // RFC 6152 §3: without the extension 8-bit content is to be converted or refused.
  if (eightBit && !capabilities.has('8BITMIME')) {
    return failedFor(
      'eightbitmime-not-offered',
      'the message has 8-bit content and the peer does not offer 8BITMIME',
    );
  }
  // RFC 1870 §6.1: a message known to be too large is not worth a transaction.
  const sizeLimit = readSizeLimit(capabilities);
  if (sizeLimit !== undefined && sizeOctets > sizeLimit) {
    return failedFor(
      'size-exceeded',
      `the message has ${sizeOctets} octets and the peer takes ${sizeLimit}`,
    );
  }
  return undefined;
}

function refuseRecipient(
  recipient: TransactionRecipient,
  offersSmtpUtf8: boolean,
): RecipientResult | undefined {
  if (!isMailbox(recipient.address)) {
    return failedFor('address-invalid', 'the address is not a mailbox (RFC 5321 §4.1.2)');
  }
  if (!offersSmtpUtf8 && !isAscii(recipient.address)) {
    return failedFor(
      'smtputf8-not-offered',
      'the address is beyond ASCII and the peer does not offer SMTPUTF8',
    );
  }
  return undefined;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}
