/** What a simulated MX host does with a connection from greeting to end: EHLO, STARTTLS, AUTH and who takes which command. */
import type { MxBehaviour } from './mx-behaviour.ts';
import { parseCommand } from './mx-commands.ts';
import { end, flag, isOver, note, reply, type Session, startTls } from './mx-session.ts';
import { bdat, data, defaultSizeMax, mail, rcpt, rset } from './mx-transaction.ts';

/** Serves one connection; resolves when it is over. */
export async function converse(session: Session): Promise<void> {
  const behaviour = session.host.behaviour();
  if (behaviour.implicitTls === true && !(await startTls(session))) {
    end(session, 'client');
    return;
  }
  const name = behaviour.ehloName ?? session.host.name;
  await reply(session, { verb: 'greeting', step: 'greeting' }, `220 ${name} ESMTP`);
  while (!isOver(session)) {
    const line = await session.input.readLine();
    if (line === undefined) {
      break;
    }
    note(session, 'client', line.text);
    if (line.bareLf) {
      flag(session, 'bare-lf', line.text);
    }
    if (line.text.includes('\r')) {
      flag(session, 'bare-cr', line.text);
    }
    await obey(session, line.text);
  }
  if (session.record.ended === undefined) {
    end(session, 'client');
  }
}

async function obey(session: Session, line: string): Promise<void> {
  const { verb, rest } = parseCommand(line);
  switch (verb) {
    case 'EHLO':
      return ehlo(session, rest);
    case 'HELO':
      session.offered = new Set();
      await reply(session, { verb }, `250 ${session.host.name}`);
      return;
    case 'STARTTLS':
      return starttls(session);
    case 'AUTH':
      return auth(session, rest);
    case 'MAIL':
      return mail(session, rest);
    case 'RCPT':
      return rcpt(session, rest);
    case 'DATA':
      return data(session);
    case 'BDAT':
      return bdat(session, rest);
    case 'RSET':
      return rset(session);
    case 'NOOP':
      await reply(session, { verb }, '250 2.0.0 Ok');
      return;
    case 'QUIT':
      await reply(session, { verb, step: 'quit' }, '221 2.0.0 Bye');
      end(session, 'quit', true);
      return;
    default:
      flag(session, 'syntax', verb);
      await reply(session, { verb }, '500 5.5.1 No such command');
  }
}

async function ehlo(session: Session, rest: string): Promise<void> {
  if (rest === '') {
    flag(session, 'syntax', 'EHLO without a name');
  }
  const behaviour = session.host.behaviour();
  const overTls = session.record.tls !== undefined;
  const keywords = keywordsOf(behaviour, overTls);
  session.transaction = undefined;
  const lines = [
    behaviour.ehloName ?? session.host.name,
    ...keywords,
    ...(behaviour.ehloLines ?? []),
  ];
  const usual = lines.map((line, at) => `250${at === lines.length - 1 ? ' ' : '-'}${line}`);
  const step =
    overTls && behaviour.steps?.['ehlo-after-tls'] !== undefined ? 'ehlo-after-tls' : 'ehlo';
  // What a client may send hangs on the reply that it gets, so what was offered before counts until then.
  session.offered = undefined;
  if ((await reply(session, { verb: 'EHLO', step }, usual.join('\n'))) === 2) {
    session.offered = new Set(keywords.map((line) => line.split(' ')[0] ?? ''));
  }
}

/** The extensions on offer, one line each (RFC 5321 §4.1.1.1). */
function keywordsOf(behaviour: MxBehaviour, overTls: boolean): readonly string[] {
  const { startTls = 'offered', requireTls = 'never', sizeMax = defaultSizeMax } = behaviour;
  const requireTlsNow =
    requireTls === 'always' || requireTls === (overTls ? 'after-tls' : 'clear-only');
  const lines: readonly (readonly [boolean, string])[] = [
    [behaviour.pipelining ?? true, 'PIPELINING'],
    [sizeMax !== null, `SIZE ${sizeMax}`],
    [startTls === 'offered' && !overTls, 'STARTTLS'],
    [behaviour.credentials !== undefined && overTls, 'AUTH PLAIN'],
    [behaviour.eightBitMime ?? true, '8BITMIME'],
    [behaviour.smtpUtf8 ?? true, 'SMTPUTF8'],
    [behaviour.dsn ?? true, 'DSN'],
    [true, 'ENHANCEDSTATUSCODES'],
    [behaviour.chunking ?? true, 'CHUNKING'],
    [requireTlsNow, 'REQUIRETLS'],
  ];
  return lines.filter(([offered]) => offered).map(([, line]) => line);
}

async function starttls(session: Session): Promise<void> {
  const { startTls: offer = 'offered', injection, tls } = session.host.behaviour();
  if (offer === 'absent' || session.record.tls !== undefined) {
    flag(session, 'not-offered', 'STARTTLS');
    await reply(session, { verb: 'STARTTLS' }, '502 5.5.1 No such command here');
    return;
  }
  const usual = `220 2.0.0 Go ahead${injection === undefined ? '' : `\n${injection}`}`;
  const digit = await reply(session, { verb: 'STARTTLS', step: 'starttls' }, usual);
  if (digit !== 2 || isOver(session)) {
    return;
  }
  // No turn of the event loop lies between the reply and this, so all that comes from now on is for TLS.
  session.input.detach();
  if (tls?.fault === 'silence') {
    session.socket.resume();
    await new Promise((resolve) => session.socket.once('close', resolve));
  } else if (tls?.fault !== undefined) {
    if (tls.fault === 'garbage') {
      session.socket.write('This is no TLS\r\n'.repeat(4));
    }
    end(session, 'host', true);
  } else if (!(await startTls(session))) {
    end(session, 'client');
  }
}

/** AUTH PLAIN with or without an initial response (RFC 4954 §4, RFC 4616 §2). */
async function auth(session: Session, rest: string): Promise<void> {
  const { credentials } = session.host.behaviour();
  const [mechanism = '', initial] = rest.split(' ');
  if (session.offered?.has('AUTH') !== true || mechanism.toUpperCase() !== 'PLAIN') {
    flag(session, 'not-offered', `AUTH ${mechanism}`);
    await reply(session, { verb: 'AUTH' }, '504 5.5.4 Not offered');
    return;
  }
  let response = initial;
  if (response === undefined) {
    await reply(session, { verb: 'AUTH' }, '334 ');
    response = (await session.input.readLine())?.text ?? '';
  }
  const [, username, password] = Buffer.from(response, 'base64').toString().split('\0');
  const right = username === credentials?.username && password === credentials?.password;
  const usual = right ? '235 2.7.0 Welcome' : '535 5.7.8 Wrong';
  const digit = await reply(session, { verb: 'AUTH', step: 'auth' }, usual);
  session.record.authenticated = right && digit === 2;
}
