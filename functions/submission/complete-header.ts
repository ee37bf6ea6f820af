/**
 * What a submitted message's header must have, and what it gets on its way in. Pure, and the same every time: all that
 * is added comes from the message itself.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6409.html#section-8 RFC 6409 §8}
 * @see {@link https://www.rfc-editor.org/rfc/rfc5322.html#section-3.6 RFC 5322 §3.6}
 */
import { TransportSecurityError } from '../protocol/errors.ts';
import { formatDateTime } from '../protocol/message/date-time.ts';
import { addressDomains } from '../protocol/message/mailbox-list.ts';
import {
  fieldsNamed,
  formatField,
  type RawField,
  unfoldValue,
  withoutFields,
} from '../protocol/message/message-parts.ts';
import type { SubmissionWay } from './whole-message.ts';

/**
 * A message that went through so many hosts is going round in circles. `Deviation:` RFC 5321 §6.3 would have 100 for
 * relays; what is submitted here has not left its origin yet.
 */
const receivedFieldsMax = 50;

/** RFC 5322 §3.6: fields of which there is one at the most. */
const singleFields = [
  'From',
  'Date',
  'Message-ID',
  'Sender',
  'Reply-To',
  'To',
  'Cc',
  'In-Reply-To',
  'References',
  'Subject',
];

/**
 * Taken out. RFC 5322 §3.6.3: recipients must not see who else had a blind copy. RFC 5321 §4.4: no message is sent with
 * a Return-Path of its own.
 */
const privateFields = ['Bcc', 'Resent-Bcc', 'Return-Path'];

/** Whose header it is, and who takes the message in. */
export interface HeaderFacts {
  /** The message's id. */
  readonly id: string;
  /** '' for the null reverse-path; the domain in A-labels. */
  readonly mailFrom: string;
  /** RFC 3339. */
  readonly submittedAt: string;
  /** Our name. */
  readonly ehloName: string;
  readonly way: SubmissionWay;
}

/** Whether the message has seen too many hosts already. */
export function isLooping(fields: readonly RawField[]): boolean {
  return fieldsNamed(fields, 'Received').length > receivedFieldsMax;
}

/** The fields without those that no recipient may see. */
export function removePrivateFields(fields: readonly RawField[]): readonly RawField[] {
  return withoutFields(fields, privateFields);
}

/**
 * The header as the message goes out: the private fields out, From, Date and Message-ID added where they are absent or
 * empty, and a trace line in front.
 *
 * @throws {TransportSecurityError} `queue-message-invalid`, naming the field: From is absent and there is no sender
 * to add it from, has no address, or is there twice.
 */
export function completeHeader(fields: readonly RawField[], facts: HeaderFacts): RawField[] {
  const submittedAtMs = Date.parse(facts.submittedAt);
  const kept = removePrivateFields(fields).filter(
    (field) => !isCompletable(field) || unfoldValue(field) !== '',
  );
  const added = [
    ...(isAbsent(kept, 'From') ? [formatField('From', senderOf(facts))] : []),
    // RFC 6409 §8.2 and §8.3.
    ...(isAbsent(kept, 'Date') ? [formatField('Date', formatDateTime(submittedAtMs))] : []),
    ...(isAbsent(kept, 'Message-ID')
      ? [formatField('Message-ID', `<${facts.id}@${facts.ehloName}>`)]
      : []),
  ];
  const complete = [...kept, ...added];
  checkFrom(complete);
  return [traceLine(facts, submittedAtMs), ...complete];
}

/**
 * What a program that submits by the API must mend: it is told so at once. In mail that came by SQS nobody is there to
 * be told, and these do no harm there.
 *
 * @throws {TransportSecurityError} `queue-message-invalid`, naming the field.
 */
export function checkSubmittedHeader(fields: readonly RawField[], smtpUtf8: boolean): void {
  for (const name of singleFields) {
    refuseRepeated(fields, name, 'RFC 5322 §3.6');
  }
  refuseRepeated(fields, 'TLS-Required', 'RFC 8689 §3');
  const international = fields.find(({ raw }) => /[\x80-\xff]/.test(raw));
  if (international === undefined) {
    return;
  }
  if (!smtpUtf8) {
    throw invalid(
      international.name,
      'has characters beyond ASCII. Set smtpUtf8 (RFC 6531), or encode them (RFC 2047)',
    );
  }
  if (!fields.every(({ raw }) => isUtf8(raw))) {
    throw invalid(international.name, 'is not in UTF-8 (RFC 6532 §3.1)');
  }
}

function refuseRepeated(fields: readonly RawField[], name: string, rule: string): void {
  const { length } = fieldsNamed(fields, name);
  if (length > 1) {
    throw invalid(name, `is there ${length} times, once at the most is allowed (${rule})`);
  }
}

/** Readers differ in which of two they show, and which domain signs would be a guess; so this holds however it came. */
function checkFrom(fields: readonly RawField[]): void {
  refuseRepeated(fields, 'From', 'RFC 5322 §3.6');
  const [from] = fieldsNamed(fields, 'From');
  if (from === undefined || addressDomains(unfoldValue(from)).length === 0) {
    throw invalid('From', 'has no address (RFC 5322 §3.6.2)');
  }
}

/** RFC 5322 §3.4.1: an address of the envelope is an addr-spec as it is. */
function senderOf({ mailFrom }: HeaderFacts): string {
  if (mailFrom === '') {
    throw invalid('From', 'is missing, and with the null reverse-path nothing can stand in for it');
  }
  return Buffer.from(mailFrom).toString('latin1');
}

/**
 * The trace line (RFC 5321 §4.4). It says when and by whom, and nothing of the client: that one came through AWS, with
 * credentials instead of an address. FROM belongs to SMTP environments. No FOR: it would show a blind recipient.
 *
 * `Deviation:` neither protocol is registered for WITH, which §4.4 asks of SMTP servers; both are Atoms, as its
 * grammar demands, and say what happened.
 */
function traceLine({ id, ehloName, way }: HeaderFacts, submittedAtMs: number): RawField {
  const protocol = way === 'http' ? 'HTTP' : 'SQS';
  return formatField(
    'Received',
    `by ${ehloName} with ${protocol}`,
    `id ${id};`,
    formatDateTime(submittedAtMs),
  );
}

const completable = new Set(['from', 'date', 'message-id']);

function isCompletable({ name }: RawField): boolean {
  return completable.has(name.toLowerCase());
}

function isAbsent(fields: readonly RawField[], name: string): boolean {
  return fieldsNamed(fields, name).length === 0;
}

function isUtf8(latin1: string): boolean {
  const octets = Buffer.from(latin1, 'latin1');
  return octets.equals(Buffer.from(octets.toString('utf8')));
}

function invalid(field: string, fault: string): TransportSecurityError {
  return new TransportSecurityError('queue-message-invalid', `content: ${field} ${fault}`);
}
