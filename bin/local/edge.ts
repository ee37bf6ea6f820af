/**
 * The edge: CloudFront distributions of the templates, served over HTTPS on loopback in front of their function URLs.
 *
 * HTTP/1.1 only. A request passes the distribution's own CloudFront Function, then its cache, then goes to the
 * function with what the policies forward and nothing else.
 */
import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import {
  createServer as createHttpsServer,
  type Server as HttpsServer,
  type ServerOptions as SecureServerOptions,
} from 'node:https';
import { createSecureContext, type TLSSocket } from 'node:tls';
import type { Closers } from './closers.ts';
import {
  cacheKey,
  createEdgeCache,
  type EdgeCache,
  forwardedParts,
  ttlSeconds,
} from './edge-cache.ts';
import type { EdgeBehavior, EdgeSettings } from './edge-settings.ts';
import { fromFunctionRequest, fromFunctionResponse, functionEvent } from './edge-viewer.ts';
import type { EdgeEvent, ReportEvent } from './events.ts';
import { listenOnLoopback } from './loopback.ts';
import { type HttpAnswer, type HttpRequest, listenerOf } from './payload.ts';

/** Where the edge listens, and as whom. */
export interface EdgePlace {
  /** Of 127.0.0.0/8; default 127.0.0.1. */
  readonly address?: string;
  /** For HTTPS; 0, the default, takes a free one. */
  readonly port?: number;
  /** For plain HTTP, of which the distribution's viewer protocol policy disposes; absent: none. */
  readonly plainPort?: number;
  /** The certificate (PEM) for a name in SNI; undefined refuses the handshake. */
  readonly certificateFor: (serverName: string) => EdgeCertificate | undefined;
}

/** PEM; the certificate with what is needed to reach a root. */
export interface EdgeCertificate {
  readonly cert: string;
  readonly key: string;
}

/** The edge while it runs. */
export interface Edge {
  readonly address: string;
  readonly port: number;
  readonly plainPort?: number | undefined;
  /** Host names that it answers to. */
  readonly aliases: readonly string[];
}

/** What the edge needs of the rest of the cloud. */
export interface EdgeParts {
  readonly distributions: readonly EdgeSettings[];
  /** Calls the function URL at `host:port`; undefined if there is none. */
  callOrigin(authority: string, request: HttpRequest): Promise<HttpAnswer> | undefined;
  readonly report: ReportEvent;
}

/** Starts to serve; `closers` is told how to end it. */
export async function startEdge(
  place: EdgePlace,
  parts: EdgeParts,
  closers: Closers,
): Promise<Edge> {
  const cache = createEdgeCache();
  const listener = (isSecure: boolean): ReturnType<typeof listenerOf> =>
    listenerOf(
      async (request) => await serve(request, isSecure, { ...parts, cache }),
      (error) => parts.report({ kind: 'fault', where: 'edge', message: String(error) }),
    );
  const secure = await listenOnLoopback(
    secureServer(place, parts.distributions, listener(true)),
    place.port,
    place.address,
  );
  closers.add(secure.close);
  let plainPort: number | undefined;
  if (place.plainPort !== undefined) {
    const server = createHttpServer(listener(false));
    const plain = await listenOnLoopback(server, place.plainPort, place.address);
    closers.add(plain.close);
    plainPort = plain.port;
  }
  return {
    address: secure.address,
    port: secure.port,
    plainPort,
    aliases: parts.distributions.flatMap(({ aliases }) => aliases),
  };
}

/**
 * The HTTPS server. Its lowest TLS version is that of the least strict distribution, since Node takes the version from
 * the server and not from the context that SNI chose.
 */
function secureServer(
  { certificateFor }: EdgePlace,
  distributions: readonly EdgeSettings[],
  listener: RequestListener,
): HttpsServer {
  const minVersion = distributions.map(({ tlsVersionMin }) => tlsVersionMin).toSorted()[0];
  const options: SecureServerOptions = {
    ...(minVersion === undefined ? {} : { minVersion }),
    SNICallback: (serverName, done) => {
      const certificate = certificateFor(serverName.toLowerCase());
      if (certificate === undefined) {
        done(new Error(`there is no certificate for ${serverName}`));
      } else {
        done(null, createSecureContext(certificate));
      }
    },
  };
  return createHttpsServer(options, (incoming, outgoing) => {
    const { servername } = incoming.socket as TLSSocket;
    if (typeof servername === 'string' && servername !== hostName(incoming.headers.host)) {
      // RFC 9110 §15.5.20: CloudFront serves no name over a connection made for another one.
      outgoing.writeHead(421).end();
    } else {
      listener(incoming, outgoing);
    }
  });
}

interface ServeParts extends EdgeParts {
  readonly cache: EdgeCache;
}

/** What became of a request, and whether the cache had to do with it. */
interface Served {
  readonly answer: HttpAnswer;
  readonly cache: EdgeEvent['cache'];
}

async function serve(
  viewer: HttpRequest,
  isSecure: boolean,
  parts: ServeParts,
): Promise<HttpAnswer> {
  const host = hostName(viewer.headers['host']);
  // On AWS the edge listens on 443, and Host names no port.
  const request = { ...viewer, headers: { ...viewer.headers, host } };
  const { answer, cache } = await choose(request, isSecure, parts);
  parts.report({
    kind: 'edge',
    host,
    method: request.method,
    path: request.path,
    status: answer.status,
    cache,
  });
  return answer;
}

async function choose(request: HttpRequest, isSecure: boolean, parts: ServeParts): Promise<Served> {
  const host = request.headers['host'] ?? '';
  const distribution = parts.distributions.find(
    ({ aliases, domainName }) => aliases.includes(host) || domainName === host,
  );
  const behavior = distribution?.behaviors.find(({ pathMatches }) => pathMatches(request.path));
  if (distribution === undefined || behavior === undefined) {
    return ownAnswer(403, `No distribution answers to ${host}.`);
  }
  if (!isSecure && behavior.viewerProtocolPolicy === 'https-only') {
    return ownAnswer(403, 'This distribution answers to HTTPS only.');
  }
  if (!isSecure && behavior.viewerProtocolPolicy === 'redirect-to-https') {
    const query = request.query === '' ? '' : `?${request.query}`;
    return ownAnswer(301, '', { location: `https://${host}${request.path}${query}` });
  }
  if (!behavior.allowedMethods.includes(request.method)) {
    return ownAnswer(403, `This distribution does not allow ${request.method}.`);
  }
  return await runBehavior(request, { distribution, behavior }, parts);
}

interface Chosen {
  readonly distribution: EdgeSettings;
  readonly behavior: EdgeBehavior;
}

async function runBehavior(
  viewer: HttpRequest,
  chosen: Chosen,
  parts: ServeParts,
): Promise<Served> {
  const { distribution, behavior } = chosen;
  let request = viewer;
  if (behavior.viewerRequest !== undefined) {
    const verdict = behavior.viewerRequest(functionEvent(viewer, distribution));
    if (verdict.kind === 'response') {
      return { answer: fromFunctionResponse(verdict.response), cache: 'none' };
    }
    const changed =
      verdict.kind === 'failed' ? undefined : fromFunctionRequest(viewer, verdict.request);
    if (changed === undefined) {
      const reason =
        verdict.kind === 'failed' ? verdict.reason : 'it changed what it may only read';
      parts.report({ kind: 'fault', where: 'CloudFront function', message: reason });
      return ownAnswer(503, 'The CloudFront function of this distribution could not run.');
    }
    request = changed;
  }
  return await throughCache(request, chosen, parts);
}

async function throughCache(
  request: HttpRequest,
  { distribution, behavior }: Chosen,
  parts: ServeParts,
): Promise<Served> {
  const { cachePolicy, origin } = behavior;
  const isCacheable = request.method === 'GET' || request.method === 'HEAD';
  const key = `${distribution.id} ${origin.authority} ${cacheKey(request, cachePolicy)}`;
  const now = Date.now();
  // What a GET brought answers a HEAD too, not the other way round.
  const cached = isCacheable
    ? (parts.cache.get(`GET ${key}`, now) ?? parts.cache.get(`${request.method} ${key}`, now))
    : undefined;
  if (cached !== undefined) {
    const age = String(Math.floor((now - cached.storedAt) / 1000));
    return { answer: withEdgeHeaders(cached.answer, 'Hit', { age }), cache: 'hit' };
  }
  const answer = await parts.callOrigin(origin.authority, originRequest(request, behavior));
  if (answer === undefined) {
    return ownAnswer(502, `There is no function URL at ${origin.authority}.`);
  }
  const keptSeconds = isCacheable ? ttlSeconds(answer, cachePolicy, now) : 0;
  if (keptSeconds > 0) {
    const expiresAt = now + keptSeconds * 1000;
    parts.cache.put(`${request.method} ${key}`, { answer, storedAt: now, expiresAt });
  }
  return { answer: withEdgeHeaders(answer, 'Miss'), cache: 'miss' };
}

/** The request as the function URL gets it: signed where there is an origin access control. */
function originRequest(request: HttpRequest, behavior: EdgeBehavior): HttpRequest {
  const { cachePolicy, forwarded, origin } = behavior;
  const { headers, query } = forwardedParts(request, cachePolicy, forwarded);
  return {
    ...request,
    path: origin.path + request.path,
    query,
    headers: {
      'user-agent': 'Amazon CloudFront',
      ...headers,
      ...origin.customHeaders,
      'x-forwarded-for': request.sourceIp,
      via: '1.1 local.cloudfront.net (CloudFront)',
      host: origin.authority,
      ...(origin.isSigned ? { authorization: 'AWS4-HMAC-SHA256 Credential=local' } : {}),
    },
  };
}

function withEdgeHeaders(
  answer: HttpAnswer,
  cache: 'Hit' | 'Miss',
  more: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return {
    ...answer,
    headers: {
      ...answer.headers,
      ...more,
      via: '1.1 local.cloudfront.net (CloudFront)',
      'x-amz-cf-id': randomUUID(),
      'x-cache': `${answer.status >= 400 && cache === 'Miss' ? 'Error' : cache} from cloudfront`,
    },
  };
}

/** An answer of CloudFront's own. */
function ownAnswer(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Served {
  const answer: HttpAnswer = {
    status,
    headers: { 'content-type': 'text/html', ...headers },
    body: Buffer.from(`<html><body>${text.replaceAll('<', '&lt;')}</body></html>`),
  };
  return { answer, cache: 'none' };
}

/** The name in a Host field, without a port. */
function hostName(host = ''): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}
