/** A server of DNS over HTTPS on loopback that does as the test says. */
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureVersion, TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import {
  type CertificateKind,
  type Certificates,
  createCertificates,
} from '../../../bin/world/certificates.ts';

/** A question that came in, and ways to answer it. */
export interface HttpsQuery {
  readonly octets: Uint8Array;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Counts connections, from 1. */
  readonly connection: number;
  /** A whole answer: 200 and the media type of DNS, unless told otherwise. */
  readonly reply: (
    octets: Uint8Array,
    over?: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> },
  ) => void;
  /** The header of an answer and a part of its body; the rest never comes. */
  readonly begin: (octets: Uint8Array) => void;
  /** Cuts the connection. */
  readonly hangUp: () => void;
}

export interface HttpsScript {
  readonly answer: (query: HttpsQuery) => void;
  /** Default: h2. */
  readonly protocol?: 'h2' | 'http/1.1';
  /** Default: valid. */
  readonly certificate?: CertificateKind;
  readonly tlsVersionMax?: SecureVersion;
}

export interface HttpsServer {
  /** As `parseDnsServer` takes it. */
  readonly server: string;
  readonly port: number;
  readonly received: readonly HttpsQuery[];
  /** How many there were so far. */
  readonly connections: () => number;
  /** Cuts every connection, and resolves when that is done on this side. */
  readonly hangUp: () => Promise<void>;
}

export const httpsHost = 'dns.resolver.example';

let authorities: Promise<Certificates> | undefined;

/** The authorities of these tests; a client has to trust their root. */
export function httpsCertificates(): Promise<Certificates> {
  authorities ??= createCertificates(Date.now);
  return authorities;
}

/** Starts a server that ends with the test. */
export async function startHttpsServer(script: HttpsScript): Promise<HttpsServer> {
  const { protocol = 'h2', certificate = 'valid', tlsVersionMax = 'TLSv1.3' } = script;
  const certificates = await httpsCertificates();
  const options = {
    ...(await certificates.credential(certificate, httpsHost)),
    minVersion: 'TLSv1' as const,
    maxVersion: tlsVersionMax,
  };
  const received: HttpsQuery[] = [];
  const sockets: TLSSocket[] = [];
  const serve = async (request: Request, response: Response): Promise<void> => {
    const query = await receive(request, response, sockets);
    received.push(query);
    script.answer(query);
  };
  const server =
    protocol === 'h2' ? createSecureServer(options, serve) : createServer(options, serve);
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.push(socket);
    socket.on('error', () => {
      // The client hangs up when it pleases.
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const hangUp = async (): Promise<void> => {
    const open = sockets.filter(({ destroyed }) => !destroyed);
    const closed = open.map((socket) => once(socket, 'close'));
    for (const socket of open) {
      socket.destroy();
    }
    await Promise.all(closed);
  };
  onTestFinished(async () => {
    server.close();
    await hangUp();
  });
  return {
    server: `https://${httpsHost}:${port}/dns-query@127.0.0.1`,
    port,
    received,
    connections: () => sockets.length,
    hangUp,
  };
}

/** What requests have in common, by HTTP/1.1 and by HTTP/2. */
interface Request extends AsyncIterable<Uint8Array> {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly socket: { readonly remotePort?: number | undefined };
}

interface Response {
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  write(octets: Uint8Array): unknown;
  end(octets: Uint8Array): unknown;
}

async function receive(
  request: Request,
  response: Response,
  sockets: readonly TLSSocket[],
): Promise<HttpsQuery> {
  const { method = '', url = '', headers, socket } = request;
  const index = sockets.findIndex(({ remotePort }) => remotePort === socket.remotePort);
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return {
    octets: Buffer.concat(chunks),
    method,
    path: url,
    headers,
    connection: index + 1,
    reply: (octets, { status = 200, headers: fields = {} } = {}) => {
      response.writeHead(status, { 'content-type': 'application/dns-message', ...fields });
      response.end(octets);
    },
    begin: (octets) => {
      response.writeHead(200, { 'content-type': 'application/dns-message' });
      response.write(octets);
    },
    hangUp: () => void sockets[index]?.destroy(),
  };
}
