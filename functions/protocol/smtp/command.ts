/**
 * SMTP command lines, CRLF included. Nothing but these functions makes one, and none of them lets a line end in.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5321.html#section-4.1.1 RFC 5321 §4.1.1}
 */
import type { TransactionRecipient } from './transaction.ts';
import { formatEnvid, formatOrcpt } from './xtext.ts';

/** The parameters of MAIL; those that the peer does not offer are left out by the caller. */
export interface MailParameters {
  /** RFC 1870 §5: octets of the message with CRLF line ends, without dot-stuffing. */
  readonly sizeOctets?: number | undefined;
  /** RFC 6152 §3: BODY=8BITMIME. */
  readonly eightBit: boolean;
  readonly smtpUtf8: boolean;
  readonly requireTls: boolean;
  /** RFC 3461 §4.3. */
  readonly ret?: 'FULL' | 'HDRS' | undefined;
  /** RFC 3461 §4.4, not yet xtext. */
  readonly envid?: string | undefined;
}

/** EHLO, or HELO for a peer that knows no better. */
export function formatHello(verb: 'EHLO' | 'HELO', name: string): string {
  return formatLine(`${verb} ${name}`);
}

/** MAIL with its parameters; `mailFrom` is '' for the null reverse-path or a checked mailbox. */
export function formatMail(mailFrom: string, parameters: MailParameters): string {
  const { sizeOctets, eightBit, smtpUtf8, requireTls, ret, envid } = parameters;
  let line = `MAIL FROM:<${mailFrom}>`;
  if (sizeOctets !== undefined) {
    line += ` SIZE=${sizeOctets}`;
  }
  if (eightBit) {
    line += ' BODY=8BITMIME';
  }
  if (smtpUtf8) {
    line += ' SMTPUTF8';
  }
  if (ret !== undefined) {
    line += ` RET=${ret}`;
  }
  const envidParameter = envid === undefined ? undefined : formatEnvid(envid);
  if (envidParameter !== undefined) {
    line += ` ${envidParameter}`;
  }
  if (requireTls) {
    line += ' REQUIRETLS';
  }
  return formatLine(line);
}

/** RCPT for a checked mailbox; the DSN parameters only where the peer offers DSN (RFC 3461 §5.2.2). */
export function formatRcpt(recipient: TransactionRecipient, offersDsn: boolean): string {
  let line = `RCPT TO:<${recipient.address}>`;
  if (offersDsn && recipient.notify !== undefined && recipient.notify.length > 0) {
    line += ` NOTIFY=${formatNotify(recipient.notify)}`;
  }
  const orcpt = recipient.orcpt === undefined ? undefined : formatOrcpt(recipient.orcpt);
  if (offersDsn && orcpt !== undefined) {
    line += ` ${orcpt}`;
  }
  return formatLine(line);
}

/** `BDAT n LAST` (RFC 3030 §2): the message goes as one chunk. */
export function formatBdatLast(octets: number): string {
  return formatLine(`BDAT ${octets} LAST`);
}

/** AUTH PLAIN, with the initial response where there is room for it. */
export function formatAuthPlain(initialResponse?: string): string {
  return formatLine(initialResponse === undefined ? 'AUTH PLAIN' : `AUTH PLAIN ${initialResponse}`);
}

/** The SASL PLAIN message without authorization identity (RFC 4616 §2), in base64. */
export function encodeSaslPlain(username: string, password: string): string {
  return Buffer.from(`\0${username}\0${password}`).toString('base64');
}

/** RFC 3461 §4.1: NEVER stands alone. Beside others it is dropped: rather a notice too many than one too few. */
function formatNotify(notify: NonNullable<TransactionRecipient['notify']>): string {
  const kinds = [...new Set(notify)];
  return (kinds.length > 1 ? kinds.filter((kind) => kind !== 'NEVER') : kinds).join(',');
}

/** The last gate before the wire; what it stops has slipped through a check of ours. */
function formatLine(line: string): string {
  if (/[\r\n\0]/.test(line)) {
    throw new TypeError('an SMTP command line holds CR, LF or NUL');
  }
  return `${line}\r\n`;
}
