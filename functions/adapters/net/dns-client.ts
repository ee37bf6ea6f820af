/**
 * A stub resolver over UDP and TCP: asks recursive servers and tells apart what they say from how they fail.
 *
 * It believes what the network brings, and says so: every status is `insecure`.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc1035.html#section-7 RFC 1035 §7}
 * @see {@link https://www.rfc-editor.org/rfc/rfc5452.html#section-9 RFC 5452 §9} (unpredictable id and port)
 */
import { randomInt } from 'node:crypto';
import type { Answer, RecordType, Resolver } from '../../protocol/dns/answer.ts';
import {
  interpretResponse,
  type Step,
  startTrail,
  type Trail,
} from '../../protocol/dns/interpret.ts';
import { formatName, parseName } from '../../protocol/dns/name.ts';
import { encodeQuery } from '../../protocol/dns/query.ts';
import { recordTypes } from '../../protocol/dns/record-type.ts';
import { type FailureCode, TransportSecurityError } from '../../protocol/errors.ts';
import { exchangePlain } from './dns-plain.ts';
import { formatDnsServer, type PlainDnsServer, parseDnsServer } from './dns-servers.ts';

export interface DnsClientOptions {
  /** Recursive servers in the order in which they are asked, as `parseDnsServer` takes them. */
  readonly servers: readonly string[];
  /** Epoch milliseconds; default: the machine's clock. */
  readonly now?: () => number;
  /** How long one server has for one answer at first; doubles with each round. Default: 2,000. */
  readonly tryTimeoutMs?: number;
  /** How often a server that gives no answer is asked. Default: 3. */
  readonly rounds?: number;
}

interface Settings {
  readonly servers: readonly PlainDnsServer[];
  readonly now: () => number;
  readonly tryTimeoutMs: number;
  readonly rounds: number;
}

interface Question<T extends RecordType> {
  readonly trail: Trail;
  readonly type: T;
  readonly deadlineMs: number;
}

type Failed = Extract<Answer<RecordType>, { readonly kind: 'failed' }>;

/**
 * Makes a resolver that asks `servers` in turn. A server that fails, refuses, refers elsewhere or answers malformed is
 * not asked again for the same question; one that is silent is, with more patience, while the deadline allows.
 *
 * @throws {TransportSecurityError} `settings-invalid` for no server, or one that cannot be read
 */
export function createDnsClient(options: DnsClientOptions): Resolver {
  const { now = Date.now, tryTimeoutMs = 2_000, rounds = 3 } = options;
  const servers = options.servers.map(parseDnsServer).filter((server) => server.kind === 'plain');
  if (servers.length === 0) {
    throw new TransportSecurityError('settings-invalid', 'no DNS server to ask; give one');
  }
  const settings: Settings = { servers, now, tryTimeoutMs, rounds };
  return { lookup: (name, type, deadlineMs) => lookup(settings, { name, type, deadlineMs }) };
}

async function lookup<T extends RecordType>(
  settings: Settings,
  {
    name,
    type,
    deadlineMs,
  }: { readonly name: string; readonly type: T; readonly deadlineMs: number },
): Promise<Answer<T>> {
  let trail: Trail;
  try {
    trail = startTrail(parseName(name));
  } catch (error) {
    // A name over 255 octets, say: it cannot be asked for, and no server has denied it.
    return toFailed(error);
  }
  // Ends because each further question is an alias further on, and `interpretResponse` counts them.
  for (;;) {
    const step = await askServers(settings, { trail, type, deadlineMs });
    if (step.kind === 'answer') {
      return step.answer;
    }
    trail = step.trail;
  }
}

/** Asks one question until a server gives a usable response; else the answer is `failed`. */
async function askServers<T extends RecordType>(
  settings: Settings,
  question: Question<T>,
): Promise<Step<T>> {
  const failures = new Map<PlainDnsServer, Failed>();
  for (let round = 0; round < settings.rounds; round += 1) {
    const timeoutMs = (): number =>
      Math.min(settings.tryTimeoutMs * 2 ** round, question.deadlineMs - settings.now());
    for (const server of settings.servers) {
      const failure = failures.get(server);
      if (timeoutMs() <= 0 || (failure !== undefined && failure.code !== 'dns-timeout')) {
        continue;
      }
      const step = await askServer(server, question, timeoutMs);
      if (step.kind === 'ask' || step.answer.kind !== 'failed') {
        return step;
      }
      failures.set(server, step.answer);
    }
  }
  return { kind: 'answer', answer: summarize(question, failures) };
}

async function askServer<T extends RecordType>(
  server: PlainDnsServer,
  { trail, type }: Question<T>,
  timeoutMs: () => number,
): Promise<Step<T>> {
  // RFC 5452 §9.2: a fresh id and a fresh port for every try, so that guesses at one are of no use for the next.
  const query = encodeQuery({ id: randomInt(0x1_0000), name: trail.name, type: recordTypes[type] });
  try {
    return interpretResponse(await exchangePlain(server, query, timeoutMs), type, trail);
  } catch (error) {
    return { kind: 'answer', answer: toFailed(error) };
  }
}

function toFailed(error: unknown): Failed {
  if (error instanceof TransportSecurityError && isDnsFailure(error.code)) {
    return { kind: 'failed', code: error.code, reason: error.message };
  }
  throw error;
}

function isDnsFailure(code: FailureCode): code is Failed['code'] {
  return code.startsWith('dns-');
}

/** One failure for all servers: a server that spoke says more than one that did not. */
function summarize(
  { trail, type }: Question<RecordType>,
  failures: ReadonlyMap<PlainDnsServer, Failed>,
): Failed {
  const spoken = [...failures.values()].findLast(({ code }) => code !== 'dns-timeout');
  const reasons = [...failures].map(
    ([server, { reason }]) => `${formatDnsServer(server)}: ${reason}`,
  );
  const told = reasons.length === 0 ? 'no time left to ask' : reasons.join('; ');
  return {
    kind: 'failed',
    code: spoken?.code ?? 'dns-timeout',
    reason: `${formatName(trail.name)} ${type}: ${told}`,
  };
}
