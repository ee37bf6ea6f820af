/**
 * Questions to recursive servers, one after the other until one answers: the resolver's only door to the network.
 *
 * Nobody behind it is trusted. UDP and TCP make forging an answer hard (RFC 5452), HTTPS makes it impossible for all but
 * the server; what an answer proves is for the validator to say.
 */
import { explainFailure } from '../../protocol/dns/edns.ts';
import type { DnsMessage } from '../../protocol/dns/message.ts';
import { formatRcode, nameError, noError } from '../../protocol/dns/record-type.ts';
import { TransportSecurityError } from '../../protocol/errors.ts';
import type { Exchange } from '../../resolving/ports.ts';
import { createDnsHttps } from './dns-https.ts';
import { exchangePlain } from './dns-plain.ts';
import { type DnsServer, formatDnsServer, parseDnsServer } from './dns-servers.ts';
import { createServerStandings, type ServerStandings } from './server-standings.ts';
import { createSecureContexts, type TrustedRoots } from './tls-contexts.ts';

export interface DnsExchangeOptions extends TrustedRoots {
  /** Recursive servers in the order in which they are asked, as `parseDnsServer` takes them. */
  readonly servers: readonly string[];
  /** Epoch milliseconds; default: the machine's clock. */
  readonly now?: () => number;
  /** How long one server has for one answer at first; doubles with each round. Default: 2,000. */
  readonly tryTimeoutMs?: number;
  /** How often a server that gives no answer is asked. Default: 3. */
  readonly rounds?: number;
}

/** A server and the way to ask it. */
interface Source {
  readonly server: DnsServer;
  /** `timeoutMs` is asked at the start of each try. */
  readonly ask: (query: Uint8Array, timeoutMs: () => number) => Promise<DnsMessage>;
}

interface Settings {
  readonly standings: ServerStandings<Source>;
  /** Who sent which octets. */
  readonly senders: WeakMap<Uint8Array, Source>;
  readonly now: () => number;
  readonly tryTimeoutMs: number;
  readonly rounds: number;
}

/**
 * Makes the exchange. Keep one per process: it keeps connections, and remembers which servers failed.
 *
 * A server that fails, refuses or answers malformed is not asked again for the same question; one that is silent is,
 * with more patience, while the deadline allows. What counts as an answer is NOERROR and NXDOMAIN: any other response
 * code (RFC 1035 §4.1.1) says that this server has none.
 *
 * @throws {TransportSecurityError} `settings-invalid` for no server, one that cannot be read, or roots that cannot
 */
export function createDnsExchange(options: DnsExchangeOptions): Exchange {
  const { now = Date.now, tryTimeoutMs = 2_000, rounds = 3 } = options;
  const secureContexts = createSecureContexts(options);
  const sources = options.servers.map((text): Source => {
    const server = parseDnsServer(text);
    return {
      server,
      ask:
        server.kind === 'https'
          ? createDnsHttps(server, { secureContexts, now })
          : (query, timeoutMs) => exchangePlain(server, query, timeoutMs),
    };
  });
  if (sources.length === 0) {
    throw new TransportSecurityError('settings-invalid', 'no DNS server to ask; give one');
  }
  const settings: Settings = {
    standings: createServerStandings(sources),
    senders: new WeakMap(),
    now,
    tryTimeoutMs,
    rounds,
  };
  return (query, deadlineMs, rejected) => exchange(settings, { query, deadlineMs, rejected });
}

interface Question {
  readonly query: Uint8Array;
  readonly deadlineMs: number;
  readonly rejected: readonly Uint8Array[];
}

async function exchange(settings: Settings, question: Question): Promise<Uint8Array> {
  const { standings, senders, now } = settings;
  const rejected = new Set(question.rejected.flatMap((octets) => senders.get(octets) ?? []));
  const failures = new Map<Source, TransportSecurityError>();
  for (let round = 0; round < settings.rounds; round += 1) {
    const timeoutMs = (): number =>
      Math.min(settings.tryTimeoutMs * 2 ** round, question.deadlineMs - now());
    for (const source of standings.order(now(), rejected)) {
      const failure = failures.get(source);
      if (timeoutMs() <= 0 || (failure !== undefined && failure.code !== 'dns-timeout')) {
        continue;
      }
      const outcome = await askSource(settings, source, { query: question.query, timeoutMs });
      if (outcome instanceof TransportSecurityError) {
        failures.set(source, outcome);
      } else {
        senders.set(outcome.octets, source);
        return outcome.octets;
      }
    }
  }
  throw summarize(failures);
}

async function askSource(
  { standings, now }: Settings,
  source: Source,
  { query, timeoutMs }: { readonly query: Uint8Array; readonly timeoutMs: () => number },
): Promise<DnsMessage | TransportSecurityError> {
  const askedAtMs = now();
  let message: DnsMessage;
  try {
    message = await source.ask(query, timeoutMs);
  } catch (error) {
    if (error instanceof TransportSecurityError && error.code.startsWith('dns-')) {
      standings.failed(source, { askedAtMs, nowMs: now() });
      return error;
    }
    throw error;
  }
  // A server that speaks is in good standing, whatever it says: SERVFAIL is most often the fault of a domain.
  standings.succeeded(source);
  return message.rcode === noError || message.rcode === nameError
    ? message
    : new TransportSecurityError(
        'dns-server-failure',
        `${formatRcode(message.rcode)}${explainFailure(message)}`,
      );
}

/** One failure for all servers: a server that spoke says more than one that did not. */
function summarize(failures: ReadonlyMap<Source, TransportSecurityError>): TransportSecurityError {
  const spoken = [...failures.values()].findLast(({ code }) => code !== 'dns-timeout');
  const reasons = [...failures].map(
    ([{ server }, { message }]) => `${formatDnsServer(server)}: ${message}`,
  );
  const told = reasons.length === 0 ? 'no time left to ask' : reasons.join('; ');
  return new TransportSecurityError(spoken?.code ?? 'dns-timeout', told, {
    cause: [...failures.values()],
  });
}
