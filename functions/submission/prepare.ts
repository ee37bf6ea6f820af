/**
 * Prepare: from a message as it was handed in to one record per next-hop domain, each with the TLS demand that holds
 * for the whole message. Pure: it runs in submission, and in delivery for records that came straight by SQS.
 */
import { createHash } from 'node:crypto';
import type { DeliverySettings } from '../environment.ts';
import { parseDomainName } from '../protocol/domain-name.ts';
import { readHeaderFields } from '../protocol/message/header.ts';
import { readAddressTag } from '../protocol/requiretls/address-tag.ts';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import { asksForTlsOptional } from '../protocol/requiretls/tls-required-field.ts';
import {
  hashQueueMessage,
  type PreparedMessage,
  type QueueMessage,
  type QueueRecipient,
} from './queue-message.ts';

type PrepareSettings = Pick<DeliverySettings, 'requireTls' | 'keepAddressTag' | 'smartHost'>;

/** RFC 3461 §4.2 bounds the parameter; a longer original address is not worth a refused recipient. */
const orcptCharsMax = 500;

/**
 * Makes the records of a message: one per next-hop domain, in the order in which the domains first appear.
 *
 * A message for a single next-hop domain keeps its id. One that is split gives each record an id derived from its own
 * and the domain, so that splitting again gives the same ids.
 */
export function prepareMessage(
  message: QueueMessage,
  content: Uint8Array,
  settings: PrepareSettings,
): PreparedMessage[] {
  const recipients = message.rcptTo.map((recipient) => readRecipient(recipient, settings));
  const { demand, demandReason } = readDemand(message, content, recipients);
  const hash = hashQueueMessage(message);
  const byDomain = Map.groupBy(recipients, ({ domain }) => settings.smartHost?.host ?? domain);
  return [...byDomain].map(([domain, group]) => {
    const prepared = {
      domain,
      demand,
      demandReason,
      explicit: message.requireTls === true,
      hash,
    };
    const id = byDomain.size === 1 ? message.id : deriveId(message.id, domain);
    return { ...message, id, rcptTo: group.map(({ recipient }) => recipient), prepared };
  });
}

interface ReadRecipient {
  readonly recipient: QueueRecipient;
  readonly domain: string;
  readonly tagged: boolean;
}

/** RFC 8689 §4.1: all copies of a message are tagged alike, so one tagged recipient speaks for all. */
function readDemand(
  message: QueueMessage,
  content: Uint8Array,
  recipients: readonly ReadRecipient[],
): { demand: TlsDemand; demandReason: string } {
  if (message.requireTls === true) {
    return { demand: 'require', demandReason: 'the message was submitted with requireTls' };
  }
  if (recipients.some(({ tagged }) => tagged)) {
    return { demand: 'require', demandReason: 'a recipient address carries the tag +requiretls' };
  }
  // RFC 8689 §4.1: the header field counts only where REQUIRETLS was not asked for.
  if (asksForTlsOptional(readHeaderFields(content))) {
    return { demand: 'optional', demandReason: 'the header says TLS-Required: No' };
  }
  return { demand: 'default', demandReason: 'the message asks for nothing special' };
}

/** With REQUIRETLS switched off the tag is an ordinary part of the address. */
function readRecipient(given: QueueRecipient, settings: PrepareSettings): ReadRecipient {
  const untagged = readAddressTag(given.address);
  const tagged = settings.requireTls && untagged.tagged;
  const takenOff = tagged && !settings.keepAddressTag;
  const address = withDomainInALabels(takenOff ? untagged.address : given.address);
  const original = takenOff && given.orcpt === undefined ? originalRecipient(given.address) : {};
  return {
    recipient: { ...given, ...original, address },
    domain: domainOf(address),
    tagged,
  };
}

/** RFC 3461 §4.2: what the sender wrote, so that a report speaks of the address that the sender knows. */
function originalRecipient(address: string): Pick<QueueRecipient, 'orcpt'> {
  const isAscii = /^[\x20-\x7e]*$/.test(address);
  const orcpt = `rfc822;${address}`;
  return isAscii && orcpt.length <= orcptCharsMax ? { orcpt } : {};
}

/** An address whose domain is no host name stays as it is: delivery tells its sender (5.1.3). */
function withDomainInALabels(address: string): string {
  return address.slice(0, address.lastIndexOf('@') + 1) + domainOf(address);
}

function domainOf(address: string): string {
  const written = address.slice(address.lastIndexOf('@') + 1);
  try {
    return parseDomainName(written);
  } catch {
    // Not a verdict yet; the delivery of this "domain" fails with address-invalid.
    return written.toLowerCase();
  }
}

function deriveId(id: string, domain: string): string {
  return createHash('sha256').update(`${id}\0${domain}`).digest('base64url');
}
