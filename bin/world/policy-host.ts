/**
 * An MTA-STS policy host of the simulated internet (RFC 8461 §3.3): `https://mta-sts.<domain>/.well-known/mta-sts.txt`,
 * with every way to serve it wrong.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { CertificateKind, Certificates } from './certificates.ts';
import { createListener, type Listener } from './listener.ts';

/** How a policy host behaves. */
export interface PolicyHostBehaviour {
  /** The policy, line ends as given. */
  readonly text: string;
  /** Default 200. */
  readonly status?: number;
  /** Default `text/plain`; null sends no such header. */
  readonly contentType?: string | null;
  /** Default `valid`. */
  readonly certificate?: CertificateKind;
  /** Sends whoever asks to this path or URL (status 301 unless one is given), where the policy really is. */
  readonly redirectTo?: string;
  /**
   * Default `whole`. `trickle`: an octet at a time, ten a second; `oversized`: over 64 KiB, valid but for that; `endless`:
   * never done; `cut-off`: closes in the middle of what Content-Length promised.
   */
  readonly body?: 'whole' | 'trickle' | 'oversized' | 'endless' | 'cut-off';
  /** Default `up`. `down` refuses connections, `silent` takes them and never says a word. */
  readonly state?: 'up' | 'down' | 'silent';
}

/** One request, as it came. */
export interface PolicyRequest {
  readonly method: string;
  readonly path: string;
  readonly host: string | undefined;
  /** SNI (RFC 6066 §3). */
  readonly serverName: string | undefined;
  readonly tlsVersion: string | null;
}

/** A running policy host. */
export interface PolicyHost {
  /** The policy domain. */
  readonly domain: string;
  readonly address: string;
  readonly port: number;
  /** The latest requests, oldest first. */
  readonly requests: readonly PolicyRequest[];
  /** Connections so far, whether or not a request came. */
  readonly connections: number;
  /** Changes some of its behaviour, from the next connection on. */
  behave(changes: Partial<PolicyHostBehaviour>): Promise<void>;
  /** Forgets requests and connections. */
  forget(): void;
  stop(): Promise<void>;
}

/** A policy host to be started; port 0 takes a free one. */
export interface PolicyHostOptions {
  readonly domain: string;
  readonly behaviour: PolicyHostBehaviour;
  readonly address: string;
  readonly port: number;
  readonly certificates: Certificates;
}

const wellKnownPath = '/.well-known/mta-sts.txt';

/** RFC 8461 §3.3 suggests to read no more than 64 KB. */
const oversizedOctets = 70_000;

const trickleMs = 100;

/** Requests kept; a world may run for days. */
const requestsMax = 1_000;

/** Starts a policy host; rejects with EADDRINUSE where its port is taken. */
export async function startPolicyHost(options: PolicyHostOptions): Promise<PolicyHost> {
  const { domain, address, port } = options;
  let behaviour = options.behaviour;
  const requests: PolicyRequest[] = [];
  let connections = 0;
  const https = await createHttps(options, () => behaviour);
  https.on('request', (request: IncomingMessage, response: ServerResponse) => {
    requests.push(noteRequest(request));
    requests.splice(0, requests.length - requestsMax);
    serve(behaviour, request, response);
  });
  const listener = createListener(
    (socket: Socket) => {
      connections += 1;
      if (behaviour.state !== 'silent') {
        https.emit('connection', socket);
      }
    },
    { address, port },
  );
  await follow(listener, behaviour);
  return {
    domain,
    address,
    get port() {
      return listener.port;
    },
    requests,
    get connections() {
      return connections;
    },
    async behave(changes) {
      behaviour = { ...behaviour, ...changes };
      await follow(listener, behaviour);
    },
    forget() {
      requests.length = 0;
      connections = 0;
    },
    stop: () => listener.down(),
  };
}

function follow(listener: Listener, behaviour: PolicyHostBehaviour): Promise<void> {
  return behaviour.state === 'down' ? listener.down() : listener.up();
}

/** A TLS server that shows its certificate only to those who ask for its name (RFC 8461 §3.3 makes SNI a must). */
async function createHttps(
  { domain, certificates }: PolicyHostOptions,
  behaviour: () => PolicyHostBehaviour,
): Promise<Server> {
  const name = `mta-sts.${domain}`;
  const strangers = await certificates.credential('valid', 'no-sni.invalid');
  const contextFor = async (serverName: string): Promise<SecureContext> => {
    const kind = behaviour().certificate ?? 'valid';
    return createSecureContext(
      serverName.toLowerCase() === name ? await certificates.credential(kind, name) : strangers,
    );
  };
  const server = createServer({
    ...strangers,
    SNICallback(serverName, done) {
      contextFor(serverName).then(
        (context) => done(null, context),
        (error: Error) => done(error),
      );
    },
  });
  server.on('tlsClientError', () => {
    // A client that refuses the certificate is what many of these hosts are here for.
  });
  return server;
}

function noteRequest(request: IncomingMessage): PolicyRequest {
  const { socket } = request;
  const tls = socket instanceof TLSSocket ? socket : undefined;
  const serverName: unknown = tls === undefined ? undefined : Reflect.get(tls, 'servername');
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    host: request.headers.host,
    serverName: typeof serverName === 'string' ? serverName : undefined,
    tlsVersion: tls?.getProtocol() ?? null,
  };
}

function serve(
  behaviour: PolicyHostBehaviour,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { redirectTo } = behaviour;
  const path = request.url ?? '';
  const here = path === wellKnownPath;
  if (here && redirectTo !== undefined) {
    response.writeHead(behaviour.status ?? 301, { location: redirectTo });
    response.end();
    return;
  }
  if (!here && (redirectTo === undefined || !redirectTo.endsWith(path))) {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('not here\r\n');
    return;
  }
  const { contentType = 'text/plain' } = behaviour;
  if (contentType !== null) {
    response.setHeader('content-type', contentType);
  }
  response.statusCode = here ? (behaviour.status ?? 200) : 200;
  sendBody(behaviour, response);
}

function sendBody({ text, body = 'whole' }: PolicyHostBehaviour, response: ServerResponse): void {
  switch (body) {
    case 'whole':
      response.end(text);
      return;
    case 'oversized':
      // An unknown field is ignored (RFC 8461 §3.2), so that nothing but its size is wrong with this policy.
      response.end(`${text}x-padding: ${'x'.repeat(oversizedOctets)}\r\n`);
      return;
    case 'cut-off':
      response.setHeader('content-length', Buffer.byteLength(text) + 100);
      response.write(text, () => response.destroy());
      return;
    case 'trickle':
      sendSlowly(response, text[Symbol.iterator]());
      return;
    case 'endless':
      sendSlowly(response, withoutEnd(text));
  }
}

function* withoutEnd(text: string): Generator<string, never> {
  yield text;
  for (;;) {
    yield `x-padding: ${'x'.repeat(100)}\r\n`;
  }
}

function sendSlowly(response: ServerResponse, pieces: Iterator<string>): void {
  const timer = setInterval(() => {
    const next = pieces.next();
    if (next.done === true) {
      response.end();
    } else {
      response.write(next.value);
    }
  }, trickleMs);
  response.on('close', () => clearInterval(timer));
}
