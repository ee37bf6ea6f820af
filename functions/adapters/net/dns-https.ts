/**
 * DNS over HTTPS: questions to one server over a connection that is kept.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8484.html RFC 8484}
 */
import type { buildConnector, Dispatcher, Pool } from 'undici';
import { type DnsMessage, decodeMessage } from '../../protocol/dns/message.ts';
import { receiveResponse } from '../../protocol/dns/query.ts';
import { type FailureCode, TransportSecurityError } from '../../protocol/errors.ts';
import type { HttpsDnsServer } from './dns-servers.ts';
import { httpsConnector } from './https-connector.ts';
import { HttpsFailure, toHttpsFailure } from './https-failure.ts';
import type { SecureContexts } from './tls-contexts.ts';

export interface DnsHttpsOptions {
  readonly secureContexts: SecureContexts;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** For each of the server's addresses. Default: 1,500. */
  readonly connectTimeoutMs?: number;
}

/**
 * Asks the server and gives its well-formed response, whatever its response code. The query's id is 0 (RFC 8484 §4.1):
 * nobody who cannot break TLS can forge an answer.
 *
 * `timeoutMs` is asked at the start of each try.
 *
 * Rejects with a {@link TransportSecurityError}: `dns-timeout`, `dns-malformed`, `dns-server-failure`.
 */
export type AskOverHttps = (query: Uint8Array, timeoutMs: () => number) => Promise<DnsMessage>;

const mediaType = 'application/dns-message';

/** RFC 8484 §6: what DNS over TCP could carry. */
const answerBytesMax = 0xffff;

/**
 * Without a question for this long a connection is given up for lost: by the wall clock, which goes on while a function
 * is frozen, when the peer's closing of the connection reaches nobody.
 */
const idleMsMax = 30_000;

/** Connections to a server without HTTP/2. With it there is one. */
const connectionsMax = 4;

/** Connections that are given up together. */
interface Lane {
  readonly pool: Pool;
  usedAtMs: number;
  /** Responses of any kind so far. */
  responses: number;
}

interface Client extends DnsHttpsOptions {
  readonly server: HttpsDnsServer;
  readonly connect: buildConnector.connector;
  lane: Lane | undefined;
}

/** Prepares the asking of one server; nothing is connected before the first question. */
export function createDnsHttps(server: HttpsDnsServer, options: DnsHttpsOptions): AskOverHttps {
  const { secureContexts, connectTimeoutMs = 1_500 } = options;
  let client: Client | undefined;
  return async (query, timeoutMs) => {
    // Loaded when first needed: it is large, and there may be other servers than those over HTTPS.
    const undici = await import('undici');
    client ??= {
      ...options,
      server,
      connect: httpsConnector({
        ...server,
        secureContext: secureContexts('pkix'),
        alpnProtocols: ['h2', 'http/1.1'],
        connectTimeoutMs,
      }),
      lane: undefined,
    };
    try {
      return await ask(client, undici.Pool, { query, timeoutMs });
    } catch (error) {
      throw toDnsFailure(error);
    }
  };
}

async function ask(
  client: Client,
  pools: typeof Pool,
  { query, timeoutMs }: { readonly query: Uint8Array; readonly timeoutMs: () => number },
): Promise<DnsMessage> {
  const lane = takeLane(client, pools);
  const kept = lane.responses > 0;
  try {
    return await post(client, lane, { query, timeoutMs: timeoutMs() });
  } catch (error) {
    // That the server has closed or forgotten a connection says nothing of the server. A query does no harm twice, POST
    // or not.
    if (!kept || !(error instanceof HttpsFailure) || error.kind !== 'connection') {
      throw error;
    }
  }
  return await post(client, takeLane(client, pools), { query, timeoutMs: timeoutMs() });
}

/** The lane in use, or a fresh one where that has been idle for too long. */
function takeLane(client: Client, pools: typeof Pool): Lane {
  const nowMs = client.now();
  if (client.lane !== undefined && nowMs - client.lane.usedAtMs > idleMsMax) {
    retire(client, client.lane);
  }
  client.lane ??= { pool: openPool(client, pools), usedAtMs: nowMs, responses: 0 };
  client.lane.usedAtMs = nowMs;
  return client.lane;
}

function openPool({ server, connect }: Client, pools: typeof Pool): Pool {
  return new pools(`https://${server.host}:${server.port}`, {
    connect,
    allowH2: true,
    connections: connectionsMax,
    maxResponseSize: answerBytesMax,
    keepAliveTimeout: idleMsMax,
    keepAliveMaxTimeout: idleMsMax,
    // A signal bounds each exchange, so these two need not.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** Lets the exchanges under way come to their end, and has the next one begin on a connection of its own. */
function retire(client: Client, lane: Lane): void {
  if (client.lane === lane) {
    client.lane = undefined;
  }
  lane.pool.close().catch(() => {
    // Several exchanges may find out at once that a lane is of no use; one of them has closed it already.
  });
}

async function post(
  client: Client,
  lane: Lane,
  { query, timeoutMs }: { readonly query: Uint8Array; readonly timeoutMs: number },
): Promise<DnsMessage> {
  const signal = AbortSignal.timeout(Math.max(0, Math.ceil(timeoutMs)));
  const responsesBefore = lane.responses;
  try {
    const response = await lane.pool.request({
      method: 'POST',
      path: client.server.path,
      // RFC 8484 §8.2: nothing in a header that would tell one client from another.
      headers: { accept: mediaType, 'content-type': mediaType, 'accept-encoding': 'identity' },
      body: query,
      signal,
    });
    lane.responses += 1;
    return judge(query, response.headers, await readBody(response));
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      throw error;
    }
    const failure = toHttpsFailure(error, signal);
    // Silence may be a name that takes the server long; a connection on which nothing else came either is not kept.
    const silent = failure.kind === 'timeout' && lane.responses === responsesBefore;
    if (failure.kind === 'connection' || silent) {
      retire(client, lane);
    }
    throw failure.kind === 'timeout'
      ? new HttpsFailure('timeout', `no answer over HTTPS in ${timeoutMs} ms`, error)
      : failure;
  }
}

async function readBody({
  statusCode,
  headers,
  body,
}: Dispatcher.ResponseData): Promise<Uint8Array> {
  const fault = findFault(statusCode, headers);
  if (fault === undefined) {
    return await body.bytes();
  }
  body.on('error', () => {
    // The body is cut off on purpose.
  });
  body.destroy();
  throw fault;
}

/** RFC 8484 §4.2.1: DNS's own errors come with 200 too. No redirect is followed: it would lead away from the addresses. */
function findFault(
  status: number,
  headers: Dispatcher.ResponseData['headers'],
): TransportSecurityError | undefined {
  if (status !== 200) {
    return new TransportSecurityError('dns-server-failure', `HTTP ${status}`);
  }
  const [type = ''] = fieldValue(headers['content-type']).split(';', 1);
  if (type.trim().toLowerCase() !== mediaType) {
    const shown = JSON.stringify(type.slice(0, 40));
    return new TransportSecurityError('dns-malformed', `an answer of the type ${shown}`);
  }
  const coding = fieldValue(headers['content-encoding']);
  return coding === '' || coding === 'identity'
    ? undefined
    : new TransportSecurityError('dns-malformed', 'a content coding that was not asked for');
}

/** RFC 9110 §5.3: several lines of one field are a list, which no single value is equal to. */
function fieldValue(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}

function judge(
  query: Uint8Array,
  headers: Dispatcher.ResponseData['headers'],
  octets: Uint8Array,
): DnsMessage {
  const reception = receiveResponse(query, octets);
  if (reception.kind !== 'response') {
    const reason = reception.kind === 'truncated' ? 'truncated over HTTPS' : reception.reason;
    throw new TransportSecurityError('dns-malformed', `malformed answer over HTTPS: ${reason}`);
  }
  const age = fieldValue(headers['age']);
  return /^\d{1,10}$/.test(age) && Number(age) > 0
    ? decodeMessage(makeOlder(reception.message, Number(age)))
    : reception.message;
}

/** RFC 8484 §5.1: the time that a response spent in caches of HTTP is taken off every TTL. */
function makeOlder(
  { octets, answers, authorities, additionals }: DnsMessage,
  ageSeconds: number,
): Uint8Array {
  const older = octets.slice();
  const view = new DataView(older.buffer);
  for (const { rdataOffset, ttlSeconds } of [...answers, ...authorities, ...additionals]) {
    // RFC 1035 §4.1.3: the TTL, then the two octets of RDLENGTH.
    view.setUint32(rdataOffset - 6, Math.max(0, ttlSeconds - ageSeconds));
  }
  return older;
}

const codes = {
  timeout: 'dns-timeout',
  'too-large': 'dns-malformed',
  certificate: 'dns-server-failure',
  connection: 'dns-server-failure',
} as const satisfies Record<HttpsFailure['kind'], FailureCode>;

function toDnsFailure(error: unknown): unknown {
  if (!(error instanceof HttpsFailure)) {
    return error;
  }
  const reason =
    error.kind === 'too-large' ? `more than ${answerBytesMax} octets over HTTPS` : error.message;
  return new TransportSecurityError(codes[error.kind], reason, { cause: error });
}
