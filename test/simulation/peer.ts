/**
 * An MX host's end of one connection, octet by octet: it takes what it is sent, answers, and may close or fall silent at
 * any octet of either direction. What it has taken over is decided by what reached it, not by what it could still say.
 */
import type { Chance } from './chance.ts';
import type { Host } from './truth.ts';

/** A message whose last octet arrived and which the host answered for. */
export interface Taken {
  readonly mail: string;
  readonly recipients: readonly string[];
  readonly content: string;
  readonly reply: FinalReply;
}

/** What a host said of a message that it took. */
export interface FinalReply {
  /** Whether all of it reached the client. */
  isHeard: boolean;
}

export interface PeerSession {
  /** Octets of the client; they are latin1. */
  take(octets: string): void;
  /** The client is gone. Content that it was in the middle of is told. */
  end(): void;
}

export interface PeerOptions {
  readonly host: Host;
  readonly chance: Chance;
  readonly nowMs: () => number;
  /** Says something. `heard` is called when all of it has arrived. */
  readonly say: (reply: string, heard?: () => void) => void;
  readonly close: () => void;
  readonly took: (taken: Taken) => void;
  /** Content of which the host got a part, and will get no more. */
  readonly saw: (part: Omit<Taken, 'reply'>) => void;
  /** Mailboxes that do not exist. */
  readonly isUnknown: (address: string) => boolean;
  /** When each pair of reverse-path and forward-path was first seen (greylisting). */
  readonly greylist: Map<string, number>;
}

type Fault = { readonly kind: 'close' | 'stall'; readonly side: 'in' | 'out' };

/** Octets of the client, and of the host, in a dialogue about one message: a fault hits each part of one. */
const dialogueOctets = { in: 1_400, out: 400 } as const;

/** And every fourth hits a later one, about the messages that follow over the same connection, or long content. */
const laterShare = 4;
const laterDialogues = 8;

export function startPeer(options: PeerOptions): PeerSession {
  const { chance, host } = options;
  const fault = drawFault(options);
  const session = {
    inLeft: fault?.side === 'in' ? drawOctets(chance, 'in') : Number.POSITIVE_INFINITY,
    outLeft: fault?.side === 'out' ? drawOctets(chance, 'out') : Number.POSITIVE_INFINITY,
    isOver: false,
    isStalled: false,
    input: '',
    mail: '',
    recipients: [] as string[],
    /** Undefined between contents. */
    content: undefined as undefined | { kind: 'data' } | { kind: 'bdat'; octets: number },
  };

  const fail = (): void => {
    if (fault?.kind === 'stall') {
      session.isStalled = true;
    } else {
      session.isOver = true;
      tellPart();
      options.close();
    }
  };
  const say = (reply: string, heard?: () => void): void => {
    if (session.isOver || session.isStalled) {
      return;
    }
    if (reply.length >= session.outLeft) {
      options.say(reply.slice(0, session.outLeft));
      fail();
      return;
    }
    session.outLeft -= reply.length;
    options.say(reply, heard);
  };
  const tellPart = (): void => {
    if (session.content !== undefined && session.input !== '') {
      options.saw({ mail: session.mail, recipients: session.recipients, content: session.input });
    }
    session.content = undefined;
  };
  const reset = (): void => {
    session.mail = '';
    session.recipients = [];
    session.content = undefined;
  };
  const takeContent = (content: string): void => {
    if (session.recipients.length === 0) {
      say('554 5.5.1 no valid recipients\r\n');
    } else if (chance.happens(host.manner.defers)) {
      options.saw({ mail: session.mail, recipients: session.recipients, content });
      say('451 4.3.0 try again later\r\n');
    } else {
      const taken: Taken = {
        mail: session.mail,
        recipients: session.recipients,
        content,
        reply: { isHeard: false },
      };
      options.took(taken);
      say('250 2.0.0 taken\r\n', () => {
        taken.reply.isHeard = true;
      });
      if (chance.happens(host.manner.dies)) {
        session.isOver = true;
        options.close();
      }
    }
    reset();
  };
  const takeCommand = (line: string): void => {
    const [verb = ''] = line.split(/[ :]/, 1);
    switch (verb.toUpperCase()) {
      case 'MAIL':
        if (chance.happens(host.manner.defers)) {
          say('451 4.3.2 not now\r\n');
          return;
        }
        session.mail = line;
        say('250 2.1.0 ok\r\n');
        return;
      case 'RCPT': {
        const reply =
          session.mail === '' ? '503 5.5.1 MAIL first\r\n' : answerRecipient(line, options);
        if (reply.startsWith('250')) {
          session.recipients.push(readPath(line));
        }
        say(reply);
        return;
      }
      case 'DATA':
        if (session.recipients.length === 0) {
          say('554 5.5.1 no valid recipients\r\n');
        } else {
          session.content = { kind: 'data' };
          say('354 go ahead\r\n');
        }
        return;
      case 'BDAT':
        session.content = { kind: 'bdat', octets: Number(line.split(' ')[1]) };
        return;
      case 'RSET':
        reset();
        say('250 2.0.0 ok\r\n');
        return;
      case 'QUIT':
        say('221 2.0.0 bye\r\n');
        session.isOver = true;
        options.close();
        return;
      default:
        say('500 5.5.2 what?\r\n');
    }
  };
  const advance = (): boolean => {
    if (session.content?.kind === 'data') {
      // The end of content that begins at a line's start.
      const end = session.input.startsWith('.\r\n') ? 0 : session.input.indexOf('\r\n.\r\n') + 2;
      if (end === 1) {
        return false;
      }
      // RFC 5321 §4.5.2: a dot that begins a line, and is not all of it, was put there.
      const content = session.input.slice(0, end).replace(/^\./gm, '');
      session.input = session.input.slice(end + 3);
      takeContent(content);
      return true;
    }
    if (session.content?.kind === 'bdat') {
      const { octets } = session.content;
      if (session.input.length < octets) {
        return false;
      }
      const content = session.input.slice(0, octets);
      session.input = session.input.slice(octets);
      takeContent(content);
      return true;
    }
    const end = session.input.indexOf('\r\n');
    if (end < 0) {
      return false;
    }
    const line = session.input.slice(0, end);
    session.input = session.input.slice(end + 2);
    takeCommand(line);
    return true;
  };

  return {
    take: (octets) => {
      if (session.isOver || session.isStalled) {
        return;
      }
      const isLast = octets.length >= session.inLeft;
      session.input += isLast ? octets.slice(0, session.inLeft) : octets;
      session.inLeft -= octets.length;
      while (!session.isOver && !session.isStalled && advance()) {
        // One command or content after the other.
      }
      if (isLast && !session.isOver) {
        fail();
      }
    },
    end: () => {
      if (!session.isOver) {
        session.isOver = true;
        tellPart();
      }
    },
  };
}

function drawFault({ chance, host: { manner } }: PeerOptions): Fault | undefined {
  const kind = chance.happens(manner.closes)
    ? 'close'
    : chance.happens(manner.stalls)
      ? 'stall'
      : undefined;
  return kind && { kind, side: chance.happens(0.6) ? 'in' : 'out' };
}

/** How many octets go through before the fault. */
function drawOctets(chance: Chance, side: Fault['side']): number {
  const isLater = chance.below(laterShare) === 0;
  return chance.below(dialogueOctets[side] * (isLater ? laterDialogues : 1));
}

function answerRecipient(line: string, options: PeerOptions): string {
  const { chance, host, greylist, nowMs } = options;
  const address = readPath(line);
  if (options.isUnknown(address)) {
    return '550 5.1.1 no such mailbox\r\n';
  }
  if (chance.happens(host.manner.defers)) {
    return '452 4.2.2 mailbox full\r\n';
  }
  if (host.manner.greylistMs > 0) {
    const key = `${host.name} ${address}`;
    const firstMs = greylist.get(key) ?? nowMs();
    greylist.set(key, firstMs);
    if (nowMs() - firstMs < host.manner.greylistMs) {
      return '451 4.7.1 greylisted\r\n';
    }
  }
  return '250 2.1.5 ok\r\n';
}

function readPath(line: string): string {
  return line.slice(line.indexOf('<') + 1, line.indexOf('>'));
}

/** What a host says to EHLO, without the lines that depend on TLS. */
export function capabilitiesOf(host: Host, offersRequireTls: boolean): ReadonlyMap<string, string> {
  const { pipelining, chunking, dsn } = host.manner;
  return new Map(
    [
      ['8BITMIME', true],
      ['ENHANCEDSTATUSCODES', true],
      ['PIPELINING', pipelining],
      ['CHUNKING', chunking],
      ['DSN', dsn],
      ['REQUIRETLS', offersRequireTls],
    ].flatMap(([keyword, isOffered]) =>
      isOffered === true ? [[String(keyword), ''] as const] : [],
    ),
  );
}
