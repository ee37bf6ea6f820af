/** What an MX host of the simulated internet recorded of its connections: evidence for tests and for the tour. */

/** The TLS of a connection, once its handshake was done. */
export interface MxTls {
  readonly version: string;
  readonly cipher: string;
  /** SNI (RFC 6066 §3). */
  readonly serverName: string | undefined;
  readonly resumed: boolean;
}

/** A line as it went over the wire; content is not among them, huge replies are shortened. */
export interface TranscriptLine {
  readonly from: 'client' | 'server';
  readonly text: string;
  readonly overTls: boolean;
}

/** A reverse-path or forward-path with its ESMTP parameters: upper-case keyword -> value, '' where it has none. */
export interface EnvelopePath {
  readonly address: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** A mail transaction, from its MAIL on. */
export interface MxTransaction {
  readonly mail: EnvelopePath;
  readonly recipients: readonly (EnvelopePath & { readonly accepted: boolean })[];
  readonly command: 'DATA' | 'BDAT' | undefined;
  /** Exactly the octets of the message, dot-stuffing undone; as far as they came. */
  readonly content: Buffer;
  /** Whether the end of the message came. */
  readonly complete: boolean;
  /** Whether the host answered the end of the message with 2yz. */
  readonly accepted: boolean;
  readonly overTls: boolean;
}

/** What a client did that it must not do. */
export type ViolationKind =
  /** It spoke before the greeting (RFC 5321 §4.3.1). */
  | 'early-talker'
  /** It sent more before a reply, and PIPELINING was not offered (RFC 2920 §3.1). */
  | 'pipelining-not-offered'
  /** It sent more behind a command that ends a group (RFC 2920 §3.1; STARTTLS: RFC 3207 §4). */
  | 'group-not-ended'
  /** BDAT came before the replies to all of MAIL and RCPT (RFC 3030 §2). */
  | 'chunk-before-replies'
  /** CR or LF alone, in a command or in content (RFC 5321 §2.3.8). */
  | 'bare-cr'
  | 'bare-lf'
  /** A parameter or command of an extension that this EHLO reply did not offer. */
  | 'not-offered'
  /** REQUIRETLS without TLS (RFC 8689 §2). */
  | 'requiretls-in-clear'
  /** Content with the high bit set, without BODY=8BITMIME (RFC 6152 §3). */
  | 'eight-bit-undeclared'
  /** A non-ASCII path without SMTPUTF8 (RFC 6531 §3.4). */
  | 'utf8-undeclared'
  /** Content although no recipient was accepted. */
  | 'content-without-recipient'
  | 'out-of-sequence'
  | 'syntax';

/** A fault of the client, with the words that show it. */
export interface Violation {
  readonly kind: ViolationKind;
  readonly detail: string;
}

/** One connection, complete or still under way. */
export interface MxConnection {
  readonly tls: MxTls | undefined;
  /** Why a handshake failed. */
  readonly tlsError: string | undefined;
  /** Whether it passed AUTH. */
  readonly authenticated: boolean;
  readonly transcript: readonly TranscriptLine[];
  readonly transactions: readonly MxTransaction[];
  readonly violations: readonly Violation[];
  /** Who ended it: by QUIT, or by closing. Undefined while it is open. */
  readonly ended: 'quit' | 'client' | 'host' | undefined;
}

/** The messages that were handed over on these connections. */
export function acceptedMessages(connections: readonly MxConnection[]): readonly MxTransaction[] {
  return connections.flatMap(({ transactions }) => transactions.filter((one) => one.accepted));
}

/** The commands of a connection, content left out. */
export function commandsOf({ transcript }: MxConnection): readonly string[] {
  return transcript.filter(({ from }) => from === 'client').map(({ text }) => text);
}
