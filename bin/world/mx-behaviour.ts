/** How an MX host of the simulated internet behaves: data, which may change while the host runs. */
import type { CertificateKind } from './certificates.ts';

/**
 * The places of a session where a host may do something else than a good one does. `chunk` is a BDAT that is not the
 * last; `content` is the end of the message, by the final dot or by BDAT LAST.
 */
export type MxStep =
  | 'greeting'
  | 'ehlo'
  | 'ehlo-after-tls'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'chunk'
  | 'content'
  | 'rset'
  | 'quit';

/** What a host does at one step instead of what it should. */
export interface StepBehaviour {
  /** The reply as on the wire, lines parted by `\n`, each with its code; it need not be well formed. */
  readonly reply?: string;
  /** So many further lines ahead of the last one, with the same code. */
  readonly repeatLines?: number;
  /** Never answers, and keeps the connection. */
  readonly silent?: true;
  /** Closes the connection in the place of the reply, or behind it. */
  readonly close?: 'instead' | 'after';
  /** Waits before it answers. */
  readonly delayMs?: number;
  /** Waits before every single octet of its reply (a tarpit). */
  readonly dripMs?: number;
  /** Only the first so many times, counted over all connections (greylisting); then as a good host. */
  readonly times?: number;
}

/** The TLS that a host speaks. */
export interface MxTlsBehaviour {
  /** Default `valid`. */
  readonly certificate?: CertificateKind;
  /** Whom the certificate is for; default the host's name. */
  readonly certificateName?: string;
  /** Default TLSv1.2 to TLSv1.3. Below 1.2 it also takes the ciphers of that time. */
  readonly versionMin?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly versionMax?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** What comes in the place of a handshake. */
  readonly fault?: 'close' | 'silence' | 'garbage';
}

/** All of a host's behaviour. `{}` is a good modern MX without REQUIRETLS. */
export interface MxBehaviour {
  /** Default `up`; `down` refuses connections. */
  readonly state?: 'up' | 'down';
  /** What it calls itself in its greeting and EHLO reply; default its name. */
  readonly ehloName?: string;
  /** Keywords in EHLO replies beside its own, as lines. */
  readonly ehloLines?: readonly string[];
  /** Default `offered`. `absent`: neither advertised nor known; `unadvertised`: works for whoever tries. */
  readonly startTls?: 'offered' | 'absent' | 'unadvertised';
  /** Sent in clear right behind the reply to STARTTLS: replies that a man in the middle would have the client believe. */
  readonly injection?: string;
  readonly tls?: MxTlsBehaviour;
  /** TLS from the first octet (RFC 8314 §3.3), as a smart host on port 465. */
  readonly implicitTls?: boolean;
  /** Wants these by AUTH PLAIN (RFC 4954, RFC 4616), over TLS, before it takes mail. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** When it offers REQUIRETLS; default `never`. Only `after-tls` is as RFC 8689 §2 asks. */
  readonly requireTls?: 'never' | 'clear-only' | 'after-tls' | 'always';
  /** Extensions; all default to true. */
  readonly pipelining?: boolean;
  readonly chunking?: boolean;
  readonly eightBitMime?: boolean;
  readonly smtpUtf8?: boolean;
  readonly dsn?: boolean;
  /** Octets of the largest message; default 50 MB; null offers no SIZE and takes anything. */
  readonly sizeMax?: number | null;
  /** Recipients a transaction may have; those beyond are put off with 452 4.5.3. Default 1000. */
  readonly recipientsMax?: number;
  /** Says 354 to a DATA with no recipient accepted (RFC 2920 §3.1), as some servers do. Default false. */
  readonly dataWithoutRecipients?: boolean;
  /** Closes the connection once so many octets of a message are there. */
  readonly closeAfterContentOctets?: number;
  readonly steps?: Partial<Record<MxStep, StepBehaviour>>;
  /** What it does for single recipients, by address in lower case; goes before the step `rcpt`. */
  readonly recipients?: Readonly<Record<string, StepBehaviour>>;
}
