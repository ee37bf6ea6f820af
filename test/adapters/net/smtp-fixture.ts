/** What the SMTP client's tests share: certificates, an opener that trusts them, targets and messages. */
import type { SecureContextOptions } from 'node:tls';
import { type CertificateKind, createCertificates } from '../../../bin/world/certificates.ts';
import {
  type ChannelOpenerOptions,
  createChannelOpener,
} from '../../../functions/adapters/net/smtp-channel.ts';
import type { ChannelTarget, OpenChannel } from '../../../functions/delivery/channel.ts';
import type { Transaction } from '../../../functions/protocol/smtp/transaction.ts';

const certificates = await createCertificates(Date.now);

/** A minute and more than the ten that a final reply may take. */
export const soon = (): number => Date.now() + 660_000;

/** The key and certificate of a server. */
export function credential(
  kind: CertificateKind = 'valid',
  name = 'mx.test',
): Promise<SecureContextOptions> {
  return certificates.credential(kind, name);
}

/** An opener that trusts the tests' root and no other. */
export function opener(options: Partial<ChannelOpenerOptions> = {}): OpenChannel {
  return createChannelOpener({
    network: { extraRoots: certificates.rootPem },
    ehloName: 'out.test',
    now: Date.now,
    roots: [],
    ...options,
  });
}

/** `mx.test` at 127.0.0.1. */
export function target(port: number, options: Partial<ChannelTarget> = {}): ChannelTarget {
  return {
    host: 'mx.test',
    address: '127.0.0.1',
    port,
    tls: 'clear',
    verdictKey: 'nothing published',
    ...options,
  };
}

/** A message from a@x.test; `to` names its recipients. */
export function message(
  content: string,
  to: readonly string[] = ['b@y.test'],
  options: Partial<Transaction> = {},
): Transaction {
  return {
    mailFrom: 'a@x.test',
    recipients: to.map((address) => ({ address })),
    content: Buffer.from(content, 'latin1'),
    requireTls: false,
    smtpUtf8: false,
    ...options,
  };
}
