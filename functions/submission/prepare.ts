/**
 * Prepare: from a message as it was handed in to one record per next-hop domain, each with its TLS demand. Pure; what is
 * done to the content is accept-message.ts's.
 */
import { createHash } from 'node:crypto';
import type { DeliverySettings, PolicyException, TaggingRule } from '../environment.ts';
import { parseDomainName } from '../protocol/domain-name.ts';
import { isAscii } from '../protocol/dsn/printable.ts';
import { fieldsNamed, type RawField, unfoldValue } from '../protocol/message/message-parts.ts';
import { readAddressTag } from '../protocol/requiretls/address-tag.ts';
import { formatOrcpt } from '../protocol/smtp/xtext.ts';
import { isReportType } from '../protocol/tlsrpt/report-mail.ts';
import { findRule } from './match-rules.ts';
import type { Controls } from './ports.ts';
import {
  hashQueueMessage,
  type PreparedMessage,
  type QueueMessage,
  type QueueRecipient,
} from './queue-message.ts';
import { type DecidedDemand, decideDemand } from './tls-demand.ts';

/** What preparing goes by. */
export interface PrepareRules {
  readonly settings: Pick<
    DeliverySettings,
    'requireTls' | 'keepAddressTag' | 'smartHost' | 'rules' | 'exceptions'
  >;
  readonly controls: Controls;
  /** The present, epoch milliseconds: an exception that is over does not come back for a message that says it is old. */
  readonly nowMs: number;
}

/** The exceptions of config and run time that are not over. */
export function exceptionsInForce({
  settings,
  controls,
  nowMs,
}: Pick<PrepareRules, 'controls' | 'nowMs'> & {
  readonly settings: Pick<DeliverySettings, 'exceptions'>;
}): PolicyException[] {
  return [...settings.exceptions, ...controls.exceptions].filter(
    ({ expires }) => Date.parse(expires) > nowMs,
  );
}

/** The content as far as the demand depends on it. */
export interface HandedIn {
  readonly fields: readonly RawField[];
  readonly sizeBytes: number;
}

/**
 * Makes the records of a message: one per next-hop domain, in the order in which the domains first appear.
 *
 * A message for a single next-hop domain keeps its id. One that is split gives each record an id derived from its own
 * and the domain, so that splitting again gives the same ids.
 */
export function prepareMessage(
  message: QueueMessage,
  handedIn: HandedIn,
  rules: PrepareRules,
): PreparedMessage[] {
  const recipients = readRecipients(message, rules.settings);
  const demandAt = decideDemands(message, handedIn, { recipients, ...rules });
  const hash = hashQueueMessage(message);
  const byDomain = Map.groupBy(recipients, ({ nextHop }) => nextHop);
  const isSplit = byDomain.size > 1;
  const tlsReport = carriesReport(handedIn.fields);
  return [...byDomain].map(([domain, group]) => ({
    ...message,
    id: isSplit ? deriveId(message.id, domain) : message.id,
    rcptTo: group.map(({ recipient }) => recipient),
    prepared: {
      domain,
      ...demandAt(domain),
      explicit: message.requireTls === true,
      hash,
      ...(isSplit && { wholeId: message.id }),
      ...(tlsReport && { tlsReport }),
    },
  }));
}

function carriesReport(fields: readonly RawField[]): boolean {
  return fieldsNamed(fields, 'Content-Type').map(unfoldValue).some(isReportType);
}

interface ReadRecipient {
  readonly recipient: QueueRecipient;
  /** As given, without the tag. */
  readonly untagged: string;
  readonly nextHop: string;
  readonly tagged: boolean;
}

/** The tagging rule that decides about a message, as {@link prepareMessage} obeys it; undefined: none does. */
export function findDecidingRule(
  message: QueueMessage,
  handedIn: HandedIn,
  rules: PrepareRules,
): TaggingRule | undefined {
  const recipients = readRecipients(message, rules.settings);
  return readTagging(message, handedIn, { recipients, ...rules }).rule;
}

type TaggingFacts = PrepareRules & { readonly recipients: readonly ReadRecipient[] };

/**
 * The demand at each next-hop domain. RFC 8689 §4.1: all copies of a message are tagged alike, so one recipient speaks
 * for all; but those at a domain that is excepted from tagging neither speak nor are spoken for.
 */
function decideDemands(
  message: QueueMessage,
  handedIn: HandedIn,
  facts: TaggingFacts,
): (domain: string) => DecidedDemand {
  const { isExcepted, tagged, rule } = readTagging(message, handedIn, facts);
  const { requireTls = false } = message;
  const { fields } = handedIn;
  const usual = decideDemand({ requireTls, tagged, rule, fields });
  const excepted = decideDemand({ requireTls, tagged: false, rule: undefined, fields });
  return (domain) => (isExcepted(domain) ? excepted : usual);
}

interface Tagging {
  readonly isExcepted: (domain: string) => boolean;
  readonly tagged: boolean;
  readonly rule: TaggingRule | undefined;
}

function readTagging(
  message: QueueMessage,
  { fields, sizeBytes }: HandedIn,
  { recipients, ...rules }: TaggingFacts,
): Tagging {
  const { settings, controls } = rules;
  const excepted = new Set(
    exceptionsInForce(rules)
      .filter(({ policy }) => policy === 'tagging')
      .map(({ domain }) => domain),
  );
  const isExcepted = (domain: string): boolean => excepted.has(domain);
  const taggable = recipients.filter(({ nextHop }) => !isExcepted(nextHop));
  const rule = isTaggable(message, settings)
    ? findRule([...controls.rules, ...settings.rules], {
        mailFrom: message.mailFrom,
        recipients: taggable.flatMap(({ recipient, untagged }) => [untagged, recipient.address]),
        fields,
        sizeBytes,
      })
    : undefined;
  return { isExcepted, tagged: taggable.some((recipient) => recipient.tagged), rule };
}

/**
 * Whether tags and rules apply. A notification of ours is protected as the message that it is about, by its own
 * `requireTls`: asked for more it would be dropped where a host has no REQUIRETLS, with nobody to tell. Its recipient is a
 * return path as somebody wrote it, tag and all. Whatever else has an empty return path is mail like any other.
 */
function isTaggable(
  { mailFrom, notificationOf }: QueueMessage,
  settings: PrepareRules['settings'],
): boolean {
  const isNotification = mailFrom === '' && notificationOf !== undefined;
  return settings.requireTls && !isNotification;
}

function readRecipients(
  message: QueueMessage,
  settings: PrepareRules['settings'],
): readonly ReadRecipient[] {
  const taggable = isTaggable(message, settings);
  return message.rcptTo.map((recipient) => readRecipient(recipient, taggable, settings));
}

/** Where tags do not apply one is an ordinary part of the address. */
function readRecipient(
  given: QueueRecipient,
  taggable: boolean,
  settings: PrepareRules['settings'],
): ReadRecipient {
  const { address: untagged, ...read } = readAddressTag(given.address);
  const tagged = taggable && read.tagged;
  const takenOff = tagged && !settings.keepAddressTag;
  const address = withDomainInALabels(takenOff ? untagged : given.address);
  const original = takenOff && given.orcpt === undefined ? originalRecipient(given.address) : {};
  return {
    recipient: { ...given, ...original, address },
    untagged,
    nextHop: settings.smartHost?.host ?? domainOf(address),
    tagged,
  };
}

/**
 * RFC 3461 §4.2: what the sender wrote, so that a report speaks of the address that the sender knows. One that is too long
 * for the parameter is not worth a refused recipient.
 */
function originalRecipient(address: string): Pick<QueueRecipient, 'orcpt'> {
  const type = isAscii(address) ? 'rfc822' : 'utf-8';
  const orcpt = `${type};${address}`;
  return formatOrcpt(orcpt) === undefined ? {} : { orcpt };
}

/** An address whose domain is no host name stays as it is: delivery tells its sender (5.1.3). */
export function withDomainInALabels(address: string): string {
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

/** The id of a message's part for a next-hop domain, where it is split. */
export function deriveId(id: string, domain: string): string {
  return createHash('sha256').update(`${id}\0${domain}`).digest('base64url');
}
