/**
 * The part of a notification that people read.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6522.html#section-3 RFC 6522 §3}
 */
import { formatDateTime } from '../message/date-time.ts';
import { adviseOn } from './failure-advice.ts';
import type { NoticedRecipient, Notification } from './notification.ts';
import { cutToOctets, toPrintable, toPrintableAscii } from './printable.ts';
import { transcribeReply } from './status-fields.ts';

/** RFC 5322 §2.1.1 asks for 78 characters; what is quoted keeps its own lines. */
const lineCharsMax = 76;

/** Addresses of one paragraph; the fields for programs have all of them. */
const addressesShownMax = 50;

/** Different explanations; the rest is in the fields for programs. */
const groupsShownMax = 20;

/** Octets of a peer's words, and of a reason of ours. */
const quotedOctetsMax = 2_000;

const actionHeadings: Readonly<Record<NoticedRecipient['action'], string>> = {
  failed: 'Your message could not be delivered to:',
  delayed: 'Your message has not been delivered yet to:',
  relayed: 'Your message was handed to the mail server of:',
};

/** In this order they are told. */
const actions = ['failed', 'delayed', 'relayed'] as const;

/** The Subject: what happened, with nothing of the message (RFC 8689 §5). */
export function writeSubject({ recipients }: Notification): string {
  const subjects = {
    failed: 'Your message could not be delivered',
    delayed: 'Your message is delayed',
    relayed: 'Your message was handed on',
  } as const;
  const worst = actions.find((action) => recipients.some((each) => each.action === action));
  return subjects[worst ?? 'failed'];
}

/** The explanation as lines without their ends. Recipients with the same fate share a paragraph. */
export function writeExplanation(notification: Notification): string[] {
  const groups = actions.flatMap((action) => [
    ...Map.groupBy(
      notification.recipients.filter((recipient) => recipient.action === action),
      fateOf,
    ).values(),
  ]);
  const left = groups.length - groupsShownMax;
  return [
    ...wrap(`This is the mail system at ${toPrintableAscii(notification.reportingMta)}.`),
    ...groups.slice(0, groupsShownMax).flatMap((group) => writeGroup(group, notification)),
    ...(left > 0 ? ['', `${left} more reports are in the part for mail programs.`] : []),
    '',
    ...wrap(returnedNote(notification.returned)),
    ...wrap(`For administrators: message ${toPrintableAscii(notification.queueId)}.`),
  ];
}

/** All that a paragraph says of a recipient but the address. */
function fateOf({ status, failure, reply, remoteMta }: NoticedRecipient): string {
  return JSON.stringify([status, failure, reply, remoteMta]);
}

function writeGroup(group: readonly NoticedRecipient[], notification: Notification): string[] {
  const [first] = group;
  if (first === undefined) {
    return [];
  }
  const more = group.length - addressesShownMax;
  return [
    '',
    actionHeadings[first.action],
    '',
    ...group.slice(0, addressesShownMax).map(({ address }) => `  ${toPrintable(address)}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    '',
    ...writeFate(first, notification),
    ...quoteReply(first),
  ];
}

function writeFate(recipient: NoticedRecipient, { retryUntilMs }: Notification): string[] {
  const { action, failure, status, reply } = recipient;
  if (action === 'relayed' || failure === undefined) {
    return wrap(
      'That server does not tell when it has delivered a message. If nothing is heard of it any more, nothing is known to have gone wrong.',
    );
  }
  const { what, remedy } = adviseOn(failure.code);
  const last = failure.lastCode === undefined ? [] : wrap(adviseOn(failure.lastCode).what);
  const doing =
    action === 'delayed'
      ? `It is tried again until ${formatDateTime(retryUntilMs)}. You need not send it again.`
      : remedy;
  const details = `(${toPrintableAscii(status)}: ${cutToOctets(toPrintableAscii(failure.reason), quotedOctetsMax)})`;
  return [
    ...wrap(what),
    ...last,
    '',
    ...wrap(doing),
    ...(reply === undefined ? ['', ...wrap(details)] : []),
  ];
}

function quoteReply({ reply, remoteMta }: NoticedRecipient): string[] {
  if (reply === undefined) {
    return [];
  }
  const who =
    remoteMta === undefined ? 'The mail server' : `The mail server ${toPrintableAscii(remoteMta)}`;
  return [
    '',
    ...wrap(`${who} said:`),
    '',
    ...transcribeReply(reply, quotedOctetsMax).map((line) => `  ${line}`),
  ];
}

function returnedNote(returned: Notification['returned']): string {
  switch (returned) {
    case 'full':
      return 'Your message is attached.';
    case 'headers':
      return 'The header of your message is attached.';
    case 'lost':
      return 'Nothing of your message is attached, since it could not be read any more.';
    case 'withheld':
      // RFC 8689 §5: the way back may not give the protection that the message was promised.
      return 'Nothing of your message is attached, since it was to be protected on its whole way (REQUIRETLS) and the way back to you may not do so.';
  }
}

/** Breaks at spaces; a word that is longer than a line stands alone, up to 900 octets of it. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const shown = cutToOctets(word, 900);
    if (line !== '' && line.length + 1 + shown.length > lineCharsMax) {
      lines.push(line);
      line = shown;
    } else {
      line = line === '' ? shown : `${line} ${shown}`;
    }
  }
  return [...lines, line];
}
