/**
 * `sealpost deliver`: one attempt from this machine, without any AWS, by the very code that runs in the function; and
 * the `why` record of it.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { resolveDeliveryNetwork } from '../../functions/adapters/net/delivery-network.ts';
import { createPolicyFetcher } from '../../functions/adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../../functions/adapters/net/network-resolver.ts';
import { createChannelOpener } from '../../functions/adapters/net/smtp-channel.ts';
import { finalReplyTimeoutMsDefault } from '../../functions/adapters/net/smtp-timeouts.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import type { DeliveryContext } from '../../functions/delivery/context.ts';
import { deliverBatch } from '../../functions/delivery/deliver-batch.ts';
import { waitsMinutesDefault } from '../../functions/delivery/retry-schedule.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type { DeliverySettings, NetworkSetting } from '../../functions/environment.ts';
import { createPolicyDiscovery } from '../../functions/policy/discover-policy.ts';
import { createMemoryPolicyStore } from '../../functions/policy/memory-store.ts';
import { createAcceptFromQueue } from '../../functions/submission/accept-from-queue.ts';
import type { ReadControls } from '../../functions/submission/ports.ts';
import type { PreparedMessage } from '../../functions/submission/queue-message.ts';
import { type Attempt, createAttemptStores } from './attempt-stores.ts';
import { dnsOptions, dnsUsage, readDnsOptions } from './dns-options.ts';
import { exTempFail, exUnavailable } from './exit-status.ts';
import { print } from './format-table.ts';
import { formatWhy } from './format-why.ts';
import { readInput } from './input-file.ts';
import { envelopeOptions, readEnvelope } from './read-envelope.ts';
import { type Command, parseArguments, readWhole, takePositionals, withHelp } from './usage.ts';

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

const ports = { min: 1, max: 65_535 };

const options = {
  ...envelopeOptions,
  ...dnsOptions,
  ehlo: { type: 'string' },
  'smtp-port': { type: 'string' },
  'https-port': { type: 'string' },
  'allow-private-addresses': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

interface DeliverArguments {
  readonly file: string;
  readonly envelope: ReturnType<typeof readEnvelope>;
  readonly ehloName: string;
  readonly network: NetworkSetting;
  readonly json: boolean;
}

/** Runs the command; resolves to its exit status. */
export const runDeliver: Command = withHelp(usage, async (args) => {
  const asked = await readArguments(args);
  const content = await readInput(asked.file);
  const { whys, refusals } = await deliverOnce(asked, content);
  for (const why of whys) {
    print([why], { json: asked.json, text: () => formatWhy(why) });
  }
  for (const refusal of refusals) {
    process.stderr.write(`sealpost deliver: ${refusal}\n`);
  }
  const outcomes = whys.flatMap(({ recipients }) => recipients.map(({ outcome }) => outcome));
  if (refusals.length > 0 || outcomes.includes('failed')) {
    return exUnavailable;
  }
  return outcomes.includes('deferred') ? exTempFail : 0;
});

async function readArguments(args: readonly string[]): Promise<DeliverArguments> {
  const { values, positionals } = parseArguments(args, options);
  const [file] = takePositionals(positionals, 'FILE.eml');
  const smtpPort = readWhole('--smtp-port', values['smtp-port'], ports);
  const httpsPort = readWhole('--https-port', values['https-port'], ports);
  return {
    file,
    envelope: readEnvelope(values),
    network: {
      ...(await readDnsOptions(values)),
      ...(smtpPort !== undefined && { smtpPort }),
      ...(httpsPort !== undefined && { httpsPort }),
      allowPrivateAddresses: values['allow-private-addresses'] ?? false,
    },
    ehloName: values.ehlo ?? hostname(),
    json: values.json ?? false,
  };
}

interface Attempted {
  readonly whys: readonly WhyRecord[];
  /** Why the message could not even become a delivery. */
  readonly refusals: readonly string[];
}

/** One attempt for every next-hop domain; state lives as long as the process. */
async function deliverOnce(asked: DeliverArguments, content: Buffer): Promise<Attempted> {
  const whys: WhyRecord[] = [];
  const refusals: string[] = [];
  const parts: PreparedMessage[] = [];
  const context = createContext(asked, { content, whys, refusals, parts });
  const whole = JSON.stringify({
    id: randomUUID(),
    ...asked.envelope,
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

function createContext(asked: DeliverArguments, attempt: Attempt): DeliveryContext {
  const { network, ehloName } = asked;
  const now = Date.now;
  const resolver = createNetworkResolver(network, { now });
  const openChannel = createChannelOpener({ network, ehloName, now });
  const deadlineMs = now() + attemptMs;
  const settings = createSettings(ehloName);
  const readControls: ReadControls = async () => ({ rules: [], exceptions: [] });
  const stores = createAttemptStores(attempt);
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
