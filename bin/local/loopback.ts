/**
 * Small HTTP servers on loopback.
 */

import { Buffer } from 'node:buffer';
import type { IncomingMessage, Server } from 'node:http';

/** Something that listens, and how to end it. */
export interface Listening {
  readonly address: string;
  readonly port: number;
  /** Ends it with all its connections. */
  close(): Promise<void>;
}

/**
 * Starts a server on loopback.
 *
 * @param port - 0 for any free one
 * @throws the error of `listen`, as EADDRINUSE
 */
export async function listenOnLoopback(
  server: Server,
  port = 0,
  address = '127.0.0.1',
): Promise<Listening> {
  if (!address.startsWith('127.')) {
    throw new RangeError(`${address} is not a loopback address`);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') {
    throw new TypeError('a server on loopback has an address and a port');
  }
  return {
    address,
    port: bound.port,
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Reads a request's body.
 *
 * @returns undefined if it is longer than the limit; the rest is then left unread
 */
export async function readBody(
  request: IncomingMessage,
  sizeBytesMax: number,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    sizeBytes += chunk.length;
    if (sizeBytes > sizeBytesMax) {
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
