/** A channel to one address of one MX host: what it must show before a message may use it, and what it showed. */
import type { ReferenceIdentifiers } from '../protocol/dane/reference-identifiers.ts';
import type { TlsaRecord } from '../protocol/dane/tlsa-record.ts';
import type { FailureCode } from '../protocol/errors.ts';
import type { Transaction, TransactionResult } from '../protocol/smtp/transaction.ts';

/**
 * What TLS has to prove.
 *
 * `opportunistic`: taken where offered, unauthenticated; `mandatory`: no content without TLS, unauthenticated;
 * `pkix`: a chain to a trusted root and a DNS-ID equal to the host's name; `dane`: a match with the target's TLSA
 * records; `clear`: not even tried (the second connection after a failed opportunistic handshake).
 */
export type TlsLevel = 'clear' | 'opportunistic' | 'mandatory' | 'pkix' | 'dane';

/** What `dane` has to match (RFC 7672 §3). */
export interface DaneDemand {
  /** The secure TLSA RRset, whole. */
  readonly records: readonly TlsaRecord[];
  /** Its base domain is the SNI (RFC 7672 §8.1). */
  readonly referenceIdentifiers: ReferenceIdentifiers;
  /** MTA-STS asks for PKIX as well: both must hold. */
  readonly alsoPkix: boolean;
}

/** Which channel to open. */
export interface ChannelTarget {
  /** The MX name as published: SNI and, for `pkix`, the reference identifier. */
  readonly host: string;
  /** An address literal that was vetted. */
  readonly address: string;
  readonly port: number;
  readonly tls: TlsLevel;
  /** With `dane`, and only then. */
  readonly dane?: DaneDemand;
  /** TLS from the first byte (RFC 8314 §3.3) instead of STARTTLS. */
  readonly implicitTls?: boolean;
  /** SASL PLAIN (RFC 4616) credentials, for a smart host; only ever sent over a `pkix` channel. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /**
   * All that decided the verdict, folded into one string. Channels and TLS tickets are shared between equal keys only.
   */
  readonly verdictKey: string;
}

/** What TLS showed on a channel that is open. */
export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
  /** SHA-256 of the leaf certificate, hex; of the first session where this one was resumed. */
  readonly fingerprint: string;
  readonly resumed: boolean;
  /** Whether the certificate would pass `pkix` for `host`; where not, why. Judged at every level. */
  readonly pkix:
    | { readonly verified: true }
    | {
        readonly verified: false;
        readonly code: FailureCode;
        readonly reason: string;
        /** OpenSSL's name for it, where it is OpenSSL that found it. */
        readonly reasonCode?: string;
      };
  /** The verdict by TLSA records, at level `dane`; `reason` names the record that matched. */
  readonly dane?:
    | { readonly verified: true; readonly reason: string }
    | { readonly verified: false; readonly code: FailureCode; readonly reason: string };
}

/** Who watches a channel while it is opened; what is told counts whatever the channel comes to. */
export interface OpeningWatch {
  /** The peer has said its name, in its EHLO reply: before TLS, and again under it. */
  greeted(peerName: string): void;
  /** The handshake is over, and nothing is made of it yet. */
  secured(tls: TlsFacts): void;
}

/** An open SMTP session after its last EHLO. */
export interface Channel {
  readonly target: ChannelTarget;
  /** The peer's name in its EHLO reply's first line; for TLS reports only. */
  readonly peerName: string;
  /** Absent on a clear-text channel, with the reason why it is one. */
  readonly tls?: TlsFacts;
  readonly clearReason?: FailureCode;
  /** Upper-case EHLO keywords with their parameters, of the last EHLO. */
  readonly capabilities: ReadonlyMap<string, string>;
  readonly usable: boolean;
  /**
   * Runs one transaction. May be called while another is under way: the next one then rides behind the end of that
   * one where the peer has PIPELINING (RFC 2920 §3.1). Results come in order. Never rejects for what the peer does.
   */
  transact(transaction: Transaction, deadlineMs: number): Promise<TransactionResult>;
  /** QUIT, and the end of the connection whatever the peer answers. */
  quit(): Promise<void>;
}

/**
 * Connects, says EHLO, takes TLS as `target.tls` demands and says EHLO again. Rejects with TransportSecurityError
 * whose code names what was not shown; nothing of a message has been sent then. Where it was a reply that refused, the
 * error's `cause` is that `Reply`.
 */
export type OpenChannel = (
  target: ChannelTarget,
  deadlineMs: number,
  watch?: OpeningWatch,
) => Promise<Channel>;
