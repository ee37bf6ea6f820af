/**
 * `sealpost deliver`: one attempt from this machine, without any AWS, by the very code that runs in the function; and
 * the `why` record of it.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { resolveDeliveryNetwork } from '../../functions/adapters/net/delivery-network.ts';
import { createPolicyFetcher } from '../../functions/adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../../functions/adapters/net/network-resolver.ts';
import { createChannelOpener } from '../../functions/adapters/net/smtp-channel.ts';
import { finalReplyTimeoutMsDefault } from '../../functions/adapters/net/smtp-timeouts.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import type { DeliveryContext } from '../../functions/delivery/context.ts';
import { deliverBatch } from '../../functions/delivery/deliver-batch.ts';
import type { RecipientState } from '../../functions/delivery/ports.ts';
import { waitsMinutesDefault } from '../../functions/delivery/retry-schedule.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type { DeliverySettings, NetworkSetting } from '../../functions/environment.ts';
import { createPolicyDiscovery } from '../../functions/policy/discover-policy.ts';
import { createMemoryPolicyStore } from '../../functions/policy/memory-store.ts';
import { isMailbox } from '../../functions/protocol/smtp/mailbox.ts';
import { createAcceptFromQueue } from '../../functions/submission/accept-from-queue.ts';
import type { ReadControls } from '../../functions/submission/ports.ts';
import { isPrepared, type PreparedMessage } from '../../functions/submission/queue-message.ts';
import { dnsOptions, dnsUsage, readDnsOptions } from './dns-options.ts';
import { formatWhy } from './format-why.ts';
import { readInput } from './input-file.ts';
import { UsageError } from './usage.ts';

const usage = `usage: sealpost deliver FILE.eml --from ADDRESS --to ADDRESS [--to ADDRESS …]

Sends the message in FILE.eml (- for standard input) once, to the MX hosts of its recipients, over channels that
REQUIRETLS, DANE, MTA-STS and its own header allow, and says why it went as it went.

  --require-tls              REQUIRETLS (RFC 8689): over an authenticated channel or not at all
  --ehlo NAME                the name in EHLO (default: this host's)
${dnsUsage}
  --ca FILE                  PEM certificates to trust beside the Mozilla roots, for MX and policy hosts and --doh
  --smtp-port N              where MX hosts listen (25)
  --https-port N             where policy hosts listen (443)
  --allow-private-addresses  MX and policy hosts may have private addresses
  --json                     the why records as JSON, one a line

Status: 0 delivered, 75 deferred (nothing is kept: try again), 69 failed, 64 wrong usage.
`;

/** The time one attempt may take: connecting, and the ten minutes of RFC 5321 §4.5.3.2.6 for the final reply. */
const attemptMs = 15 * 60_000;

/** sysexits.h. */
const exTempFail = 75;
const exUnavailable = 69;

interface DeliverArguments {
  readonly file: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly requireTls: boolean;
  readonly ehloName: string;
  readonly network: NetworkSetting;
  readonly json: boolean;
}

/** Runs the command; resolves to its exit status. */
export async function runDeliver(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  const options = await readArguments(args);
  const content = await readInput(options.file);
  const { whys, refusals } = await deliverOnce(options, content);
  for (const why of whys) {
    process.stdout.write(options.json ? `${JSON.stringify(why)}\n` : `${formatWhy(why)}\n`);
  }
  for (const refusal of refusals) {
    process.stderr.write(`sealpost deliver: ${refusal}\n`);
  }
  const outcomes = whys.flatMap(({ recipients }) => recipients.map(({ outcome }) => outcome));
  if (refusals.length > 0 || outcomes.includes('failed')) {
    return exUnavailable;
  }
  return outcomes.includes('deferred') ? exTempFail : 0;
}

async function readArguments(args: readonly string[]): Promise<DeliverArguments> {
  const { values, positionals } = parse(args);
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) {
    throw new UsageError('name one message file (see --help)');
  }
  const from = values.from;
  if (from === undefined || (from !== '' && !isMailbox(from))) {
    throw new UsageError('--from takes the sender address, or "" for the null reverse-path');
  }
  const to = values.to ?? [];
  const bad = to.find((address) => !isMailbox(address));
  if (to.length === 0 || bad !== undefined) {
    throw new UsageError(
      `--to takes a recipient address${bad === undefined ? '' : `, not ${bad}`}`,
    );
  }
  const network: NetworkSetting = {
    ...(await readDnsOptions(values)),
    smtpPort: readPort('--smtp-port', values['smtp-port'], 25),
    httpsPort: readPort('--https-port', values['https-port'], 443),
    allowPrivateAddresses: values['allow-private-addresses'] ?? false,
  };
  return {
    file,
    from,
    to,
    network,
    requireTls: values['require-tls'] ?? false,
    ehloName: values.ehlo ?? hostname(),
    json: values.json ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        to: { type: 'string', multiple: true },
        'require-tls': { type: 'boolean' },
        ehlo: { type: 'string' },
        ...dnsOptions,
        'smtp-port': { type: 'string' },
        'https-port': { type: 'string' },
        'allow-private-addresses': { type: 'boolean' },
        json: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readPort(option: string, text: string | undefined, fallback: number): number {
  const port = text === undefined ? fallback : Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new UsageError(`${option} takes a port, 1 to 65535, not ${text}`);
  }
  return port;
}

interface Attempted {
  readonly whys: readonly WhyRecord[];
  /** Why the message could not even become a delivery. */
  readonly refusals: readonly string[];
}

/** One attempt for every next-hop domain; state lives as long as the process. */
async function deliverOnce(options: DeliverArguments, content: Buffer): Promise<Attempted> {
  const whys: WhyRecord[] = [];
  const refusals: string[] = [];
  const parts: PreparedMessage[] = [];
  const context = createContext(options, { content, whys, refusals, parts });
  const whole = JSON.stringify({
    id: randomUUID(),
    mailFrom: options.from,
    rcptTo: options.to.map((address) => ({ address })),
    requireTls: options.requireTls,
    content: { data: '' },
  });
  try {
    await deliverBatch([toRecord(whole)], context);
    const bodies = parts.splice(0).map((part) => JSON.stringify(part));
    await deliverBatch(bodies.map(toRecord), context);
  } finally {
    await context.pool.close();
  }
  return { whys, refusals };
}

function toRecord(body: string): Parameters<typeof deliverBatch>[0][number] {
  return { messageId: randomUUID(), receiptHandle: '', sentAtMs: Date.now(), body };
}

interface Attempt {
  /** As handed in, and later as accepted where it is large. */
  content: Uint8Array;
  readonly whys: WhyRecord[];
  readonly refusals: string[];
  readonly parts: PreparedMessage[];
}

function createContext(options: DeliverArguments, attempt: Attempt): DeliveryContext {
  const { network } = options;
  const now = Date.now;
  const resolver = createNetworkResolver(network, { now });
  const openChannel = createChannelOpener({ network, ehloName: options.ehloName, now });
  const deadlineMs = now() + attemptMs;
  const settings = createSettings(options.ehloName);
  const readControls: ReadControls = async () => ({ rules: [], exceptions: [] });
  const stores = createStores(attempt);
  return {
    ports: {
      now,
      random: Math.random,
      newToken: randomUUID,
      resolver,
      discoverPolicy: createPolicyDiscovery({
        resolver,
        fetchPolicy: createPolicyFetcher({ resolver, network, now }),
        store: createMemoryPolicyStore(),
        now,
        cache: true,
      }),
      readControls,
      accept: createAcceptFromQueue({
        settings,
        ports: {
          now,
          readControls,
          // Whose mail it is this machine has no key to say.
          signContent: async () => [],
          contents: stores.contents,
          shareContent: stores.messages.shareContent,
        },
        wholeMessages: { keep: async (whole) => whole },
      }),
      openChannel,
      ...stores,
      observe: (event) => {
        if (event.kind === 'fault') {
          throw event.error;
        }
      },
    },
    settings,
    network: resolveDeliveryNetwork(network),
    pool: createChannelPool({ openChannel, perHostMax: 1, now }),
    deadlineMs,
    contentDeadlineMs: deadlineMs - finalReplyTimeoutMsDefault,
  };
}

/** What an operator's config would say; nothing of it is asked for on the command line but the name. */
function createSettings(ehloName: string): DeliverySettings {
  return {
    ehloName,
    requireTls: true,
    mtaSts: true,
    mtaStsCache: true,
    dane: true,
    daneInsecureMx: true,
    daneOnly: [],
    keepAddressTag: false,
    exceptions: [],
    connectionsPerMxMax: 1,
    expiryDays: 5,
    retryWaitsMinutes: waitsMinutesDefault,
    delayNoticeHours: 0,
    historyDays: 1,
    bounceFrom: `MAILER-DAEMON@${ehloName}`,
    redactBounces: false,
    rules: [],
    dkimKeys: [],
  };
}

/** Stores of a single attempt: nothing outlives it but the `why` records. */
function createStores(
  attempt: Attempt,
): Pick<DeliveryContext['ports'], 'messages' | 'retries' | 'backoffs' | 'queue' | 'contents'> {
  return {
    messages: {
      claim: async ({ message, token }) => ({
        kind: 'claimed',
        delivery: {
          id: message.id,
          domain: message.prepared.domain,
          attempt: message.attempt,
          token,
          recipients: message.rcptTo.map(
            (recipient): RecipientState => ({ ...withoutUndefined(recipient), state: 'pending' }),
          ),
          demand: message.prepared,
        },
      }),
      settle: async ({ why }) => {
        attempt.whys.push(why);
        return true;
      },
      release: async () => {},
      shareContent: async () => {},
      leaveContent: async () => false,
    },
    retries: { put: async () => {} },
    backoffs: {
      read: async () => undefined,
      prolong: async () => {},
      takeProbe: async () => false,
      recover: async () => {},
    },
    queue: {
      enqueue: async (messages) => {
        // Whoever typed the command reads what became of it; no notification is sent.
        attempt.parts.push(...messages.filter(isPrepared));
      },
      deadLetter: async (_body, reason) => {
        attempt.refusals.push(reason);
      },
      hideUntil: async () => {},
    },
    contents: {
      read: async (reference) =>
        'data' in reference && reference.data !== ''
          ? Buffer.from(reference.data, 'base64')
          : attempt.content,
      // Too large to travel with its record: one is attempted after the other, all with the same content.
      keep: async (_name, content) => {
        attempt.content = content;
        return { data: '' };
      },
      remove: async () => {},
    },
  };
}

function withoutUndefined({
  address,
  notify,
  orcpt,
}: PreparedMessage['rcptTo'][number]): Omit<RecipientState, 'state'> {
  return {
    address,
    ...(notify === undefined ? {} : { notify }),
    ...(orcpt === undefined ? {} : { orcpt }),
  };
}
