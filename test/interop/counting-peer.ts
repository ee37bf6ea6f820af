/** npm's smtp-server as an MX host that puts some mail off at first, and keeps book of all that it took. */
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import type { Credential } from '../../bin/world/ca.ts';

/** A message that the host said 250 to. */
export interface Copy {
  readonly content: string;
  /** The client's port: it names the connection. */
  readonly port: number;
}

export interface CountingPeer {
  /** By reverse-path. */
  readonly copies: ReadonlyMap<string, readonly Copy[]>;
  /** How many were put off. */
  readonly deferred: () => number;
  stop(): Promise<void>;
}

export interface CountingPeerOptions {
  readonly address: string;
  readonly port: number;
  readonly credential: Credential;
  /** Whether to put off a message when its sender is first seen. */
  readonly defers: (mailFrom: string) => boolean;
  /** How long to think before the final reply. */
  readonly replyAfterMs: () => number;
}

export async function startCountingPeer(options: CountingPeerOptions): Promise<CountingPeer> {
  const copies = new Map<string, Copy[]>();
  const seen = new Set<string>();
  let deferred = 0;
  const server = new SMTPServer({
    ...options.credential,
    authOptional: true,
    disableReverseLookup: true,
    onMailFrom({ address }, _session, callback) {
      if (!seen.has(address) && options.defers(address)) {
        seen.add(address);
        deferred += 1;
        callback(Object.assign(new Error('4.7.1 try again later'), { responseCode: 451 }));
        return;
      }
      callback();
    },
    onData(stream, { envelope, remotePort }, callback) {
      const mailFrom = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
      const keep = async (): Promise<void> => {
        const content = (await buffer(stream)).toString();
        await pause(options.replyAfterMs());
        copies.set(mailFrom, [...(copies.get(mailFrom) ?? []), { content, port: remotePort }]);
      };
      keep().then(() => callback(), callback);
    },
  });
  server.on('error', () => {
    // A client that is killed is no fault of the host.
  });
  const listener = server.listen(options.port, options.address);
  await once(listener, 'listening');
  return {
    copies,
    deferred: () => deferred,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
