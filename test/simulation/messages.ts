/** Makes the messages of a run, and says of each what may become of it, from what was asked for alone. */
import { domainOf } from './addresses.ts';
import type { Chance } from './chance.ts';
import { signByHand } from './signing.ts';

export interface SpecifiedRecipient {
  /** As it goes on the wire: its tag is taken off. */
  readonly address: string;
  readonly given: string;
  readonly domain: string;
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
}

/** What is wrong with a record that nobody can deliver. */
export type Poison = 'not JSON' | 'no recipients' | 'bad base64' | 'no such object';

export interface MessageSpec {
  readonly number: number;
  readonly atMs: number;
  /** '' for the null reverse-path. */
  readonly mailFrom: string;
  readonly recipients: readonly SpecifiedRecipient[];
  /** Its header says `TLS-Required: No`. */
  readonly saysOptional: boolean;
  /** What rules look at, in its header. */
  readonly class?: string;
  readonly isLarge: boolean;
  /** By its sender (DKIM). */
  readonly isSigned: boolean;
  /** REQUIRETLS was asked for in the envelope. */
  readonly explicit: boolean;
  readonly poison?: Poison;
  /** In the bucket, not in the record. */
  readonly stored: boolean;
  readonly named: boolean;
  /** By which door it comes in. */
  readonly way: 'sqs' | 'http';
}

/** Classes that messages are of, by a header field of theirs. */
export const messageClasses = ['payroll', 'payroll-slip', 'bulletin', 'chatter'] as const;

/** Marks content of a message itself, wherever it turns up. */
export const contentMark = 'X-Mark: content of message ';

/** Recipients whose mailbox nobody has. */
export function isUnknownMailbox(address: string): boolean {
  return address.startsWith('unknown-');
}

/** The number of the message that an address was made for, and whether it is the address of its sender. */
export function readAddress(address: string): { number: number; isSender: boolean } | undefined {
  const [, kind, number] = /^(?:unknown-)?([rs])(\d+)[.@]/.exec(address) ?? [];
  return number === undefined ? undefined : { number: Number(number), isSender: kind === 's' };
}

export interface Traffic {
  readonly chance: Chance;
  readonly recipientDomains: readonly string[];
  readonly senderDomains: readonly string[];
  /** What every message has for a reverse-path; absent: an address of its own, as a rule. */
  readonly mailFrom?: '';
}

export function makeMessage(
  number: number,
  atMs: number,
  { chance, recipientDomains, senderDomains, mailFrom }: Traffic,
): MessageSpec {
  // Crowds fail, and what their senders are told is long.
  const isCrowd = chance.happens(0.004);
  const asks = isCrowd ? 'explicit' : chance.weigh({ nothing: 82, explicit: 8, tag: 4, header: 6 });
  const count = isCrowd
    ? chance.between(40, 90)
    : Number(chance.weigh({ '1': 80, '2': 12, '4': 8 }));
  const from = mailFrom ?? (chance.happens(0.03) ? '' : `s${number}@${chance.pick(senderDomains)}`);
  const one = chance.pick(recipientDomains);
  const several = !isCrowd && chance.happens(0.5);
  const recipients = Array.from({ length: count }, (_, index): SpecifiedRecipient => {
    const domain = several ? chance.pick(recipientDomains) : one;
    const local = `${chance.happens(isCrowd ? 0.9 : 0.02) ? 'unknown-' : ''}r${number}.${index}`;
    const tag = asks === 'tag' && index === 0 ? '+requiretls' : '';
    const notify = chance.weigh({ default: 85, NEVER: 5, FAILURE: 5, SUCCESS: 5 });
    return {
      address: `${local}@${domain}`,
      given: `${local}${tag}@${domain}`,
      domain,
      ...(notify !== 'default' && {
        notify: notify === 'SUCCESS' ? (['SUCCESS', 'FAILURE'] as const) : [notify],
      }),
    };
  });
  const poison = chance.happens(0.004)
    ? chance.pick(['not JSON', 'no recipients', 'bad base64', 'no such object'] as const)
    : undefined;
  return {
    number,
    atMs,
    mailFrom: from,
    recipients,
    saysOptional: asks === 'header',
    ...(chance.happens(0.15) && { class: chance.pick(messageClasses) }),
    isLarge: chance.happens(0.03),
    isSigned: chance.happens(0.05),
    explicit: asks === 'explicit',
    stored: chance.happens(0.08) && poison !== 'bad base64',
    named: chance.happens(0.7),
    // What is no JSON is no request either.
    way: chance.happens(0.35) && poison !== 'not JSON' ? 'http' : 'sqs',
    ...(poison !== undefined && { poison }),
  };
}

/** Whom the From field names. */
export function authorOf({ mailFrom }: MessageSpec): string {
  return mailFrom === '' ? 'postmaster@sender.test' : mailFrom;
}

export function contentOf(spec: MessageSpec): string {
  const from = authorOf(spec);
  const content = writeContent(spec, from);
  return spec.isSigned ? signByHand(content, domainOf(from), spec.atMs) : content;
}

function writeContent(spec: MessageSpec, from: string): string {
  return [
    `From: <${from}>`,
    `To: <${spec.recipients[0]?.given}>`,
    'Date: Thu, 1 Jan 2026 00:00:00 +0000',
    `Message-ID: <${spec.number}@sender.test>`,
    `${contentMark}${spec.number}.`,
    ...(spec.saysOptional ? ['TLS-Required: No'] : []),
    ...(spec.class === undefined ? [] : [`X-Class: ${spec.class}`]),
    `Subject: message ${spec.number}`,
    '',
    `This is message ${spec.number}.`,
    '.a line with a dot',
    ...(spec.isLarge
      ? Array.from({ length: 40 }, () => 'This line makes the message a large one.\tIndeed.')
      : []),
    '',
  ].join('\r\n');
}

/** Where content was put, if it was. */
export type ContentPlace =
  | { readonly bucket: string; readonly key: string }
  | { readonly upload: string };

/** The record of a message, in the minimal form; or the body of a request, for a message that comes by HTTP. */
export function recordOf(spec: MessageSpec, place: ContentPlace): string {
  if (spec.poison === 'not JSON') {
    return `{"n": ${spec.number}`;
  }
  const content =
    spec.stored || spec.poison === 'no such object'
      ? spec.poison === 'no such object'
        ? lostPlace(place)
        : place
      : {
          data:
            spec.poison === 'bad base64' ? '====' : Buffer.from(contentOf(spec)).toString('base64'),
        };
  return JSON.stringify({
    ...(spec.named && spec.way === 'sqs' && { id: `m${spec.number}` }),
    mailFrom: spec.mailFrom,
    rcptTo:
      spec.poison === 'no recipients'
        ? []
        : spec.recipients.map(({ given, notify }) => ({
            address: given,
            ...(notify && { notify }),
          })),
    ...(spec.explicit && { requireTls: true }),
    content,
  });
}

/** A place that nothing was put in. */
function lostPlace(place: ContentPlace): ContentPlace {
  return 'upload' in place
    ? { upload: place.upload.replace(/^0/, 'x') }
    : { ...place, key: `${place.key}${lostSuffix}` };
}

const lostSuffix = '-lost';

/** Whether a reference, as JSON, is to an object that never was. */
export function isNeverThere(reference: string): boolean {
  return reference.includes(`${lostSuffix}"`);
}
