/** REQUIRETLS (RFC 8689) against npm's smtp-server as the receiving MX host, from the queue message on. */
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { World } from '../../bin/world/world.ts';
import { createDeliveryProcess } from '../delivery-process.ts';
import { receiver, startReceiverWorld } from './receiver.ts';

const { domain, host, address } = receiver;

const content = Buffer.from(
  'From: Alice <alice@sender.example>\r\nSubject: secret\r\n\r\n.\r\nFor TLS only.\r\n',
);

let world: World;

beforeAll(async () => {
  world = await startReceiverWorld();
});

afterAll(async () => {
  await world?.stop();
});

test('a host that offers REQUIRETLS is given the message with it, over verified TLS', async () => {
  const peer = await startPeer({ hideREQUIRETLS: false });
  const why = await send();
  expect(why?.decision.outcome).toBe('delivered');
  expect(why?.hosts).toMatchObject([
    { host, tries: [{ address, level: 'pkix', tls: { verdict: 'verified' } }] },
  ]);
  expect(peer.transactions).toMatchObject([{ requireTls: true, secure: true }]);
  // Acceptance adds fields to the header; the rest is as it was handed in.
  expect(peer.transactions[0]?.content.toString()).toMatch(
    /^Received: [\s\S]*\r\nSubject: secret\r\n[\s\S]*\r\n\r\n\.\r\nFor TLS only\.\r\n$/,
  );
  expect(peer.mails).toBe(1);
});

test('a host that does not offer it is not even told who writes: failed, 5.7.30', async () => {
  const peer = await startPeer({ hideREQUIRETLS: true });
  const why = await send();
  expect(why?.decision).toMatchObject({
    outcome: 'failed',
    code: 'requiretls-not-offered',
    status: '5.7.30',
  });
  expect(peer.transactions).toEqual([]);
  expect(peer.mails).toBe(0);
});

async function send() {
  const { deliver, whys } = createDeliveryProcess(world.network, { attemptMs: 20_000 });
  const faulty = await deliver([
    {
      mailFrom: 'alice@sender.example',
      rcptTo: [{ address: `bob@${domain}` }],
      requireTls: true,
      content: { data: content.toString('base64') },
    },
  ]);
  expect(faulty).toEqual([]);
  expect(whys.length).toBe(1);
  return whys[0];
}

/** What an MX host saw. */
interface Peer {
  readonly transactions: readonly {
    readonly requireTls: boolean | undefined;
    readonly secure: boolean;
    readonly content: Buffer;
  }[];
  /** MAIL commands. */
  readonly mails: number;
}

async function startPeer(options: { readonly hideREQUIRETLS: boolean }): Promise<Peer> {
  const transactions: Peer['transactions'][number][] = [];
  const seen = { transactions, mails: 0 };
  const settings: SMTPServerOptions & typeof options = {
    ...(await world.certificates.credential('valid', host)),
    ...options,
    authOptional: true,
    disableReverseLookup: true,
    onMailFrom(_path, _session, callback) {
      seen.mails += 1;
      callback();
    },
    onData(stream, session, callback) {
      const { requireTLS } = session.envelope as { readonly requireTLS?: boolean };
      buffer(stream).then((octets) => {
        transactions.push({ requireTls: requireTLS, secure: session.secure, content: octets });
        callback();
      }, callback);
    },
  };
  const server = new SMTPServer(settings);
  server.on('error', () => {
    // A client that leaves is no fault of the host.
  });
  const listener = server.listen(world.network.smtpPort, address);
  await once(listener, 'listening');
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return seen;
}
