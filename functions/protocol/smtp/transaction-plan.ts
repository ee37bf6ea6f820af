/**
 * What a transaction will say on a session that offers certain extensions, or why it must not begin.
 *
 * A message that the peer cannot take whole is refused here, before MAIL: nothing is converted down.
 */
import { parseDomainName } from '../domain-name.ts';
import { TransportSecurityError } from '../errors.ts';
import { type Capabilities, readSizeLimit } from './capabilities.ts';
import { formatMail, formatRcpt } from './command.ts';
import { type CanonicalContent, canonicalizeContent, stuffDots } from './content.ts';
import { isMailbox, parseMailbox } from './mailbox.ts';
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
  /** Without those in `refused`; where there is none left, nothing is said. */
  readonly rcpts: readonly { readonly recipient: number; readonly command: string }[];
  /** Recipients that are settled beforehand. */
  readonly refused: ReadonlyMap<number, RecipientResult>;
  /** `bdat` (RFC 3030) or `data`; the octets are dot-stuffed for the latter. */
  readonly transfer: 'bdat' | 'data';
  /** What goes over the wire, in pieces. */
  readonly pieces: readonly Buffer[];
  /** Of the message, without dot-stuffing. */
  readonly sizeOctets: number;
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
  const mailFrom = transaction.mailFrom === '' ? '' : formatAddress(transaction.mailFrom);
  const sizeOctets = content.octets.length;
  const isInternational = needsSmtpUtf8(transaction, content, mailFrom);
  const refusal =
    (mailFrom === undefined ? reversePathRefusal : undefined) ??
    refuseRequireTls(transaction, offer) ??
    refuseContent(content, { capabilities, isInternational });
  const { said, refused } = sortRecipients(transaction, refusal, capabilities);
  const offersDsn = capabilities.has('DSN');
  const transfer = capabilities.has('CHUNKING') ? 'bdat' : 'data';
  return {
    mail: formatMail(mailFrom ?? '', {
      sizeOctets: capabilities.has('SIZE') ? sizeOctets : undefined,
      eightBit: content.eightBit,
      // RFC 6531 §3.4: an address beyond ASCII on any path needs the parameter.
      smtpUtf8: isInternational || said.some(({ path }) => !isAscii(path.address)),
      requireTls: transaction.requireTls,
      ret: offersDsn ? transaction.ret : undefined,
      envid: offersDsn ? transaction.envid : undefined,
    }),
    rcpts: said.map(({ recipient, path }) => ({ recipient, command: formatRcpt(path, offersDsn) })),
    refused,
    transfer,
    pieces: transfer === 'bdat' ? [content.octets] : stuffDots(content),
    sizeOctets,
  };
}

/** A recipient with its address as it is said. */
interface SaidRecipient {
  readonly recipient: number;
  readonly path: TransactionRecipient;
}

interface SortedRecipients {
  readonly said: readonly SaidRecipient[];
  readonly refused: ReadonlyMap<number, RecipientResult>;
}

function sortRecipients(
  transaction: Transaction,
  refusal: RecipientResult | undefined,
  capabilities: Capabilities,
): SortedRecipients {
  const said: SaidRecipient[] = [];
  const refused = new Map<number, RecipientResult>();
  for (const [recipient, path] of transaction.recipients.entries()) {
    const address = formatAddress(path.address);
    if (refusal !== undefined) {
      refused.set(recipient, refusal);
    } else if (address === undefined) {
      refused.set(recipient, addressRefusal);
    } else if (!isAscii(address) && !capabilities.has('SMTPUTF8')) {
      refused.set(recipient, smtpUtf8Refusal);
    } else {
      said.push({ recipient, path: address === path.address ? path : { ...path, address } });
    }
  }
  return { said, refused };
}

const reversePathRefusal = failedFor(
  'address-invalid',
  'the reverse-path is not a mailbox (RFC 5321 §4.1.2)',
);
const addressRefusal = failedFor(
  'address-invalid',
  'the address is not a mailbox (RFC 5321 §4.1.2)',
);
const smtpUtf8Refusal = failedFor(
  'smtputf8-not-offered',
  'the local part is beyond ASCII and the peer does not offer SMTPUTF8',
);

/**
 * An address as it is said; undefined if it is none.
 *
 * RFC 6531 §3.2: a domain in A-labels asks nothing of the peer, so that SMTPUTF8 is left to local parts that need it.
 */
function formatAddress(address: string): string | undefined {
  if (!isMailbox(address)) {
    return undefined;
  }
  if (isAscii(address)) {
    return address;
  }
  const { localPart, domain } = parseMailbox(address);
  try {
    return `${localPart}@${parseDomainName(domain)}`;
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}

/** Whether the message needs SMTPUTF8, whoever its recipients are. */
function needsSmtpUtf8(
  transaction: Transaction,
  content: CanonicalContent,
  mailFrom = '',
): boolean {
  return (
    !isAscii(mailFrom) ||
    content.eightBitHeader ||
    // RFC 6531 §3.4: said by the sender, and not ruled out by content that is all ASCII, headers of parts included.
    (transaction.smtpUtf8 && content.eightBit)
  );
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

function refuseContent(
  content: CanonicalContent,
  offered: { readonly capabilities: Capabilities; readonly isInternational: boolean },
): RecipientResult | undefined {
  const { capabilities } = offered;
  // RFC 6531 §3.2: an internationalized message MUST NOT go to a server without SMTPUTF8.
  if (offered.isInternational && !capabilities.has('SMTPUTF8')) {
    return failedFor(
      'smtputf8-not-offered',
      'the message has a reverse-path or header beyond ASCII and the peer does not offer SMTPUTF8',
    );
  }
  // RFC 6152 §3: without the extension 8-bit content is to be converted or refused.
  if (content.eightBit && !capabilities.has('8BITMIME')) {
    return failedFor(
      'eightbitmime-not-offered',
      'the message has 8-bit content and the peer does not offer 8BITMIME',
    );
  }
  // RFC 1870 §6.1: a message known to be too large is not worth a transaction.
  const sizeOctets = content.octets.length;
  const sizeLimit = readSizeLimit(capabilities);
  if (sizeLimit !== undefined && sizeOctets > sizeLimit) {
    return failedFor(
      'size-exceeded',
      `the message has ${sizeOctets} octets and the peer takes ${sizeLimit}`,
    );
  }
  return undefined;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}
