/** The mail transaction as a simulated MX host takes it (RFC 5321 §3.3, RFC 3030, RFC 1870, RFC 6531, RFC 8689). */
import { isAscii } from 'node:buffer';
import type { StepBehaviour } from './mx-behaviour.ts';
import { findUnofferedParameter, parseChunk, parsePath } from './mx-commands.ts';
import type { InputContent } from './mx-input.ts';
import type { EnvelopePath } from './mx-record.ts';
import { end, flag, type OpenTransaction, reply, type Session } from './mx-session.ts';

/** Octets that a host takes where its behaviour does not say. */
export const defaultSizeMax: number = 50 * 1024 * 1024;

const defaultRecipientsMax = 1_000;

/** MAIL (RFC 5321 §4.1.1.2): begins a transaction where it is accepted. */
export async function mail(session: Session, rest: string): Promise<void> {
  const path = parsePath(rest, 'FROM');
  const refusal = path === undefined ? refuseSyntax(session, rest) : judgeMail(session, path);
  const accepted =
    (await reply(session, { verb: 'MAIL', step: 'mail' }, refusal ?? '250 2.1.0 Ok')) === 2;
  if (accepted && path !== undefined && refusal === undefined) {
    session.transaction = {
      mail: path,
      recipients: [],
      command: undefined,
      content: Buffer.alloc(0),
      complete: false,
      accepted: false,
      overTls: session.record.tls !== undefined,
    };
    session.record.transactions.push(session.transaction);
  }
}

function refuseSyntax(session: Session, rest: string): string {
  flag(session, 'syntax', rest);
  return '501 5.5.2 That is no path';
}

/** The reply that refuses a reverse-path, if any does. */
function judgeMail(session: Session, path: EnvelopePath): string | undefined {
  const { parameters } = path;
  const { credentials, sizeMax = defaultSizeMax } = session.host.behaviour();
  if (session.offered === undefined || session.transaction !== undefined) {
    flag(session, 'out-of-sequence', 'MAIL');
    return '503 5.5.1 EHLO first, and one transaction at a time';
  }
  if (credentials !== undefined && !session.record.authenticated) {
    return '530 5.7.0 Authentication required';
  }
  if ('REQUIRETLS' in parameters && session.record.tls === undefined) {
    flag(session, 'requiretls-in-clear', path.address);
    return '530 5.7.10 REQUIRETLS needs TLS';
  }
  const unoffered = findUnofferedParameter('MAIL', path, session.offered);
  if (unoffered !== undefined) {
    flag(session, 'not-offered', unoffered);
    return `555 5.5.4 ${unoffered} was not offered`;
  }
  if (sizeMax !== null && Number(parameters['SIZE'] ?? 0) > sizeMax) {
    return '552 5.3.4 Larger than a message may be here';
  }
  return judgeCharacters(session, path, 'SMTPUTF8' in parameters);
}

function judgeCharacters(
  session: Session,
  path: EnvelopePath,
  smtpUtf8: boolean,
): string | undefined {
  if (smtpUtf8 || isAscii(Buffer.from(path.address))) {
    return undefined;
  }
  flag(session, 'utf8-undeclared', path.address);
  return '553 5.6.7 That needs SMTPUTF8';
}

/** RCPT (RFC 5321 §4.1.1.3). */
export async function rcpt(session: Session, rest: string): Promise<void> {
  const path = parsePath(rest, 'TO');
  const refusal = path === undefined ? refuseSyntax(session, rest) : judgeRcpt(session, path);
  const behaviour = refusal === undefined ? behaviourFor(session, path) : undefined;
  const answered = { verb: 'RCPT', step: 'rcpt', behaviour } as const;
  const accepted = (await reply(session, answered, refusal ?? '250 2.1.5 Ok')) === 2;
  if (path !== undefined) {
    session.transaction?.recipients.push({ ...path, accepted: accepted && refusal === undefined });
  }
}

function behaviourFor(session: Session, path: EnvelopePath | undefined): StepBehaviour | undefined {
  const address = path?.address.toLowerCase() ?? '';
  const behaviour = session.host.behaviour().recipients?.[address];
  return session.host.takeStep(`rcpt ${address}`, behaviour);
}

function judgeRcpt(session: Session, path: EnvelopePath): string | undefined {
  const { transaction } = session;
  if (transaction === undefined || transaction.command !== undefined) {
    // A client that pipelines sends RCPT behind a MAIL that is then refused (RFC 2920 §3.1): that is no fault of its.
    return '503 5.5.1 MAIL first';
  }
  const unoffered = findUnofferedParameter('RCPT', path, session.offered ?? new Set());
  if (unoffered !== undefined) {
    flag(session, 'not-offered', unoffered);
    return `555 5.5.4 ${unoffered} was not offered`;
  }
  const { recipientsMax = defaultRecipientsMax } = session.host.behaviour();
  if (transaction.recipients.filter(({ accepted }) => accepted).length >= recipientsMax) {
    return '452 4.5.3 Too many recipients';
  }
  return judgeCharacters(session, path, 'SMTPUTF8' in transaction.mail.parameters);
}

/** DATA (RFC 5321 §4.1.1.4) with its content. */
export async function data(session: Session): Promise<void> {
  const { transaction } = session;
  const someAccepted = hasRecipient(transaction);
  const mayGo = someAccepted || session.host.behaviour().dataWithoutRecipients === true;
  if (transaction === undefined || transaction.command !== undefined || !mayGo) {
    await reply(session, { verb: 'DATA' }, '554 5.5.1 No valid recipients');
    return;
  }
  const usual = '354 End with a dot';
  if ((await reply(session, { verb: 'DATA', step: 'data' }, usual)) !== 3) {
    return;
  }
  transaction.command = 'DATA';
  const content = await session.input.readContent(octetsLeft(session, transaction));
  if (take(session, transaction, content)) {
    transaction.complete = true;
    await finish(session, transaction, 'content');
  }
}

/** BDAT (RFC 3030 §2) with its chunk, which is read whatever the answer will be. */
export async function bdat(session: Session, rest: string): Promise<void> {
  const chunk = parseChunk(rest);
  const { transaction } = session;
  if (chunk === undefined || session.offered?.has('CHUNKING') !== true) {
    flag(session, chunk === undefined ? 'syntax' : 'not-offered', `BDAT ${rest}`);
    await reply(session, { verb: 'BDAT' }, '502 5.5.1 No such command here');
    return;
  }
  const left = transaction === undefined ? chunk.octets : octetsLeft(session, transaction);
  const content = await session.input.readOctets(Math.min(chunk.octets, left));
  if (transaction === undefined || !hasRecipient(transaction) || transaction.command === 'DATA') {
    flag(session, 'content-without-recipient', `BDAT ${rest}`);
    await reply(session, { verb: 'BDAT' }, '503 5.5.1 No valid recipients');
    return;
  }
  transaction.command = 'BDAT';
  if (!take(session, transaction, content)) {
    return;
  }
  if (chunk.last) {
    transaction.complete = true;
    await finish(session, transaction, 'BDAT');
  } else {
    await reply(session, { verb: 'BDAT', step: 'chunk' }, `250 2.0.0 ${chunk.octets} octets`);
  }
}

function hasRecipient(transaction: OpenTransaction | undefined): boolean {
  return transaction?.recipients.some(({ accepted }) => accepted) === true;
}

function octetsLeft(session: Session, transaction: OpenTransaction): number {
  const { closeAfterContentOctets } = session.host.behaviour();
  return closeAfterContentOctets === undefined
    ? Number.POSITIVE_INFINITY
    : closeAfterContentOctets - transaction.content.length;
}

/** Records content. False where the session ends here: the client is gone, or the host leaves in the middle. */
function take(session: Session, transaction: OpenTransaction, content: InputContent): boolean {
  transaction.content = Buffer.concat([transaction.content, content.octets]);
  if (octetsLeft(session, transaction) <= 0) {
    end(session, 'host');
    return false;
  }
  return content.complete;
}

/** The end of a message. It is on record before the client learns that it arrived. */
async function finish(
  session: Session,
  transaction: OpenTransaction,
  verb: 'content' | 'BDAT',
): Promise<void> {
  inspect(session, transaction);
  const { sizeMax = defaultSizeMax, steps } = session.host.behaviour();
  const behaviour = session.host.takeStep('content', steps?.content);
  const usual = finalReply(transaction, sizeMax);
  const withheld = behaviour?.silent === true || behaviour?.close === 'instead';
  transaction.accepted = !withheld && (behaviour?.reply ?? usual).startsWith('2');
  session.transaction = undefined;
  await reply(session, { verb, behaviour: behaviour ?? {} }, usual);
}

function finalReply(transaction: OpenTransaction, sizeMax: number | null): string {
  const size = transaction.content.length;
  if (!hasRecipient(transaction)) {
    return '554 5.5.1 No valid recipients';
  }
  return sizeMax !== null && size > sizeMax
    ? '552 5.3.4 Larger than a message may be here'
    : `250 2.0.0 Ok, ${size} octets`;
}

/** Judges the octets of a message that is complete. */
function inspect(session: Session, { content, mail: path, recipients }: OpenTransaction): void {
  if (content.length > 0 && !recipients.some(({ accepted }) => accepted)) {
    flag(session, 'content-without-recipient', `${content.length} octets`);
  }
  const { BODY: body, SMTPUTF8: smtpUtf8 } = path.parameters;
  if (!isAscii(content) && body?.toUpperCase() !== '8BITMIME' && smtpUtf8 === undefined) {
    flag(session, 'eight-bit-undeclared', `BODY=${body ?? '7BIT'}`);
  }
  for (let at = content.indexOf('\n'); at >= 0; at = content.indexOf('\n', at + 1)) {
    if (content[at - 1] !== 0x0d) {
      flag(session, 'bare-lf', `at octet ${at} of content`);
      break;
    }
  }
  for (let at = content.indexOf('\r'); at >= 0; at = content.indexOf('\r', at + 1)) {
    if (content[at + 1] !== 0x0a) {
      flag(session, 'bare-cr', `at octet ${at} of content`);
      break;
    }
  }
}

/** RSET (RFC 5321 §4.1.1.5). */
export async function rset(session: Session): Promise<void> {
  session.transaction = undefined;
  await reply(session, { verb: 'RSET', step: 'rset' }, '250 2.0.0 Ok');
}
