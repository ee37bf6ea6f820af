/**
 * Accepting a message: its header is checked and completed, Bcc taken out, loops stopped, its TLS demand decided, its
 * DKIM signatures made, and then it is split into one record for each next-hop domain.
 *
 * It runs where a message comes in: in the API, and in delivery for records that came by SQS. The octets are the same
 * every time (their time is `submittedAt`), so that a record which SQS hands out again gives the same parts and ids. Only
 * which rules and exceptions count is as of now.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6409.html RFC 6409}
 */
import type { DeliverySettings } from '../environment.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import { formatMessage, type MessageParts } from '../protocol/message/message-parts.ts';
import {
  checkSubmittedHeader,
  completeHeader,
  type HeaderFacts,
  isLooping,
  removePrivateFields,
} from './complete-header.ts';
import { giveBody, giveRedactedBody } from './keep-body.ts';
import type { AcceptPorts } from './ports.ts';
import {
  exceptionsInForce,
  type PrepareRules,
  prepareMessage,
  withDomainInALabels,
} from './prepare.ts';
import type { PreparedMessage, PreparedPart, QueueMessage } from './queue-message.ts';
import { readContent } from './read-content.ts';
import type { SubmissionWay } from './whole-message.ts';

/** The settings that accepting goes by. */
export type AcceptSettings = Pick<
  DeliverySettings,
  'ehloName' | 'requireTls' | 'keepAddressTag' | 'smartHost' | 'rules' | 'exceptions'
>;

/** How a message came in, and what is at hand to accept it. */
export interface AcceptContext {
  /** `http`: somebody waits for the answer, and is told what is wrong; `sqs`: nobody does. */
  readonly way: SubmissionWay;
  readonly settings: AcceptSettings;
  readonly ports: AcceptPorts;
}

/**
 * Accepts a message that is not prepared yet. `content` is what its `content` refers to. Resolves to what is ready to be
 * enqueued, or delivered: one for each next-hop domain.
 *
 * By SQS a message that goes round in circles is accepted as one that fails for every recipient (`refusal`), so that its
 * sender hears of it.
 *
 * @throws {TransportSecurityError} `content-invalid` or `queue-message-invalid` for a message that cannot be mended, naming
 * the field; by the API also `mail-loop`, and `requiretls-disabled` where `requireTls` could not be kept;
 * `store-unavailable`, `settings-invalid`.
 */
export async function acceptMessage(
  message: QueueMessage,
  content: Uint8Array,
  context: AcceptContext,
): Promise<PreparedMessage[]> {
  const { way, settings, ports } = context;
  const handedIn = readContent(content);
  const { fields } = handedIn;
  if (way === 'http') {
    checkSubmittedHeader(fields, message.smtpUtf8 === true);
  }
  const refusal = isLooping(fields) ? loopRefusal(way) : undefined;
  const controls = await ports.readControls();
  const sizeBytes = content.length;
  const rules = { settings, controls, nowMs: ports.now() };
  const records = prepareMessage(message, { fields, sizeBytes }, rules);
  if (way === 'http') {
    checkExplicitDemand(records, message, rules);
  }
  const octets =
    refusal === undefined
      ? await finishContent(handedIn, message, context)
      : formatMessage({ ...handedIn, fields: removePrivateFields(fields) });
  const judged = records.map((record) => ({
    ...record,
    prepared: { ...record.prepared, ...(refusal !== undefined && { refusal }) },
  }));
  const complete = await acceptRedacted(message, judged, context);
  return giveBody({ id: message.id, records: complete, octets }, ports);
}

/** The content as it goes out: signed after all else was done to it. */
async function finishContent(
  { fields, body }: MessageParts,
  message: Pick<QueueMessage, 'id' | 'mailFrom' | 'submittedAt'>,
  { way, settings, ports }: AcceptContext,
): Promise<Buffer> {
  const facts: HeaderFacts = {
    id: message.id,
    mailFrom: withDomainInALabels(message.mailFrom),
    submittedAt: message.submittedAt,
    ehloName: settings.ehloName,
    way,
  };
  const complete = { fields: completeHeader(fields, facts), body };
  const signatures = await ports.signContent(complete, Date.parse(message.submittedAt));
  return formatMessage({ fields: [...signatures, ...complete.fields], body });
}

/** The redacted form of a notification goes out in the place of the full one, so it is accepted like it. */
async function acceptRedacted(
  message: QueueMessage,
  records: readonly PreparedMessage[],
  context: AcceptContext,
): Promise<readonly PreparedMessage[]> {
  if (message.redacted === undefined) {
    return records;
  }
  const content = await context.ports.contents.read(message.redacted);
  const octets = await finishContent(readContent(content), message, context);
  return giveRedactedBody({ id: message.id, records, octets }, context.ports);
}

function loopRefusal(way: SubmissionWay): NonNullable<PreparedPart['refusal']> {
  const reason = 'the message has more than 50 Received fields: it is going round in circles';
  if (way === 'http') {
    throw new TransportSecurityError('mail-loop', `content: ${reason}`);
  }
  return { code: 'mail-loop', reason };
}

/** What is bound to bounce with 5.7.30 is refused while somebody is there to be told. */
function checkExplicitDemand(
  records: readonly PreparedMessage[],
  { requireTls }: QueueMessage,
  rules: PrepareRules,
): void {
  if (requireTls !== true) {
    return;
  }
  if (!rules.settings.requireTls) {
    throw disabled('the setting requireTls: false rules that out');
  }
  const exception = exceptionsInForce(rules).find(
    ({ domain, policy }) =>
      policy !== 'tagging' && records.some(({ prepared }) => prepared.domain === domain),
  );
  if (exception !== undefined) {
    throw disabled(`an exception for ${exception.domain} rules that out`);
  }
}

function disabled(reason: string): TransportSecurityError {
  return new TransportSecurityError('requiretls-disabled', `requireTls: ${reason}`);
}
