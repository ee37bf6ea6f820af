/**
 * `npm start`: the whole of Sealpost on this machine. Synthesizes the CDK app, runs it in the local cloud with a simulated
 * internet around it, sends a message per scenario of the tour and shows what became of each.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { policyHostName } from '../functions/protocol/mta-sts/policy.ts';
import { formatWhy } from './commands/format-why.ts';
import { loadConfig } from './config/load.ts';
import { type LocalCloud, startLocalCloud } from './local/cloud.ts';
import { cloudFilePath, publishCloud } from './local/cloud-file.ts';
import { askPolicyHost } from './tour/ask-policy-host.ts';
import {
  readPublishedRecord,
  synthesize,
  tourConfigFile,
  tourKeySecretArn,
} from './tour/assembly.ts';
import {
  type ReportDestinations,
  type ReportsOfTour,
  sendReports,
  startReportDestinations,
} from './tour/send-reports.ts';
import { createSender, playScenario, type Sender } from './tour/send-scenario.ts';
import { submitOverHttp } from './tour/submit-over-http.ts';
import { formatTable, type TourRow } from './tour/table.ts';
import { joinWorlds, type Scenario } from './world/scenario.ts';
import { ownPolicyScenario, tourScenarios } from './world/scenarios.ts';
import { type ReservedPlace, startWorld, type World } from './world/world.ts';

const usage = `usage: npm start -- [--once] [--send FILE.eml]

  --once        end after the tour; status 1 if a row is not as expected
  --send FILE   send this message too, to an address of the simulated internet, and show its why record
`;

/** Where \`--send\` goes: a domain that enforces MTA-STS and keeps to it. */
const sendTo = 'user@enforce-valid.example';

interface Stage {
  readonly world: World;
  readonly cloud: LocalCloud;
  readonly own: ReservedPlace;
  readonly scenarios: readonly Scenario[];
  readonly sender: Sender;
  readonly reportDestinations: ReportDestinations;
}

const startedAt = performance.now();

function progress(text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${seconds.padStart(6)} s  ${text}\n`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      send: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  process.once('SIGTERM', () => interrupted.abort());
  const closers: (() => Promise<void>)[] = [];
  try {
    const stage = await setStage(closers);
    const { rows, received } = await playTour(stage);
    process.stdout.write(`\n${formatTable(rows)}\n\n`);
    if (received !== undefined) {
      process.stdout.write(`The report that came in, as it is shown:\n\n${received}\n\n`);
    }
    const failed = rows.filter(({ differences }) => differences.length > 0).length;
    progress(`${rows.length} scenarios, ${failed} not as expected`);
    if (values.send !== undefined) {
      await sendFile(values.send, stage.sender);
    }
    if (!values.once && !interrupted.signal.aborted) {
      describeWays(stage);
      await new Promise((resolve) => interrupted.signal.addEventListener('abort', resolve));
      process.stdout.write('\n');
      progress('stopping');
    }
    return failed === 0 ? 0 : 1;
  } finally {
    for (const close of closers.toReversed()) {
      await close();
    }
  }
}

async function setStage(closers: (() => Promise<void>)[]): Promise<Stage> {
  const assembly = await mkdtemp(join(tmpdir(), 'sealpost-'));
  closers.push(() => rm(assembly, { recursive: true, force: true }));
  progress('synthesizing the CDK app (cdk synth, with its checks)');
  await synthesize(assembly);
  const scenarios = [ownScenario(assembly), ...tourScenarios];
  progress('starting the simulated internet');
  const world = await startWorld(joinWorlds(scenarios));
  closers.push(() => world.stop());
  const { domain } = readPublishedRecord(assembly);
  const own = await world.reserve(policyHostName(domain));
  const reportDestinations = await startReportDestinations(world);
  closers.push(() => reportDestinations.stop());
  progress('starting the local cloud: tables, queues, bucket, functions, edge');
  const cloud = await startLocalCloud({
    assembly,
    network: world.network,
    secrets: { [tourKeySecretArn]: reportDestinations.signingKey },
    edge: { ...own, certificateFor: (name) => (name === own.name ? own : undefined) },
    onEvent: (event) => {
      if (event.kind === 'fault') {
        progress(`fault in ${event.where}: ${event.message}`);
      } else if (event.kind === 'invocation' && event.error !== undefined) {
        progress(`${event.function} failed: ${event.error.errorType} ${event.error.errorMessage}`);
      }
    },
  });
  closers.push(() => cloud.stop());
  closers.push(await publishCloud(cloud, { file: cloudFilePath(), network: world.network }));
  return { world, cloud, own, scenarios, sender: createSender(cloud), reportDestinations };
}

/** Mail to the domain whose policy the stack itself publishes, by the record that the stack itself makes. */
function ownScenario(assembly: string): Scenario {
  const { domain, record } = readPublishedRecord(assembly);
  const { config } = loadConfig(tourConfigFile, Date.now());
  const policy = config.domains.find((one) => one.domain === domain)?.mtaSts;
  const mx = (policy?.mx ?? []).filter((host) => !host.startsWith('*.'));
  return ownPolicyScenario({ domain, mx, record });
}

/**
 * Single messages go at once. Several for one domain go by themselves, so that one invocation takes them together and it
 * shows that they share a connection.
 */
async function playTour(stage: Stage): Promise<ReportsOfTour> {
  progress(`sending ${stage.scenarios.length} scenarios`);
  const rows = new Map<string, TourRow>();
  const play = async (scenario: Scenario): Promise<void> => {
    rows.set(scenario.name, await playScenario(scenario, stage));
    progress(`${scenario.name} (${rows.size} of ${stage.scenarios.length})`);
  };
  const isSingle = ({ messages }: Scenario): boolean => messages.length === 1;
  await Promise.all(stage.scenarios.filter(isSingle).map(play));
  for (const scenario of stage.scenarios.filter((one) => !isSingle(one))) {
    await play(scenario);
  }
  const httpRows = await submitOverHttp(stage.cloud, sendTo);
  const policyRows = await askPolicyHost(stage.cloud, stage.own, stage.world.network.extraRoots);
  const reports = await sendReports(stage.cloud, stage.reportDestinations);
  const inOrder = stage.scenarios.flatMap(({ name }) => rows.get(name) ?? []);
  return { ...reports, rows: [...inOrder, ...httpRows, ...policyRows, ...reports.rows] };
}

async function sendFile(file: string, sender: Sender): Promise<void> {
  const data = (await readFile(file)).toString('base64');
  progress(`sending ${file} to ${sendTo}`);
  const message = {
    mailFrom: 'you@sender.example',
    rcptTo: [{ address: sendTo }],
    content: { data },
  };
  for (const why of await sender.send('send', [message])) {
    process.stdout.write(`${formatWhy(why)}\n`);
  }
}

function describeWays({ cloud, own, world }: Stage): void {
  const message = {
    mailFrom: 'you@sender.example',
    rcptTo: [{ address: sendTo }],
    content: { data: Buffer.from('Subject: hello\r\n\r\nhello\r\n').toString('base64') },
  };
  const variables = Object.entries({ ...cloud.variables, AWS_REGION: 'eu-west-1' });
  process.stdout.write(`
Everything stays up until you press Ctrl-C. To submit a message, set

${variables.map(([name, value]) => `  export ${name}=${value}`).join('\n')}

and send it to the queue, by any AWS SDK or by the AWS command line:

  aws sqs send-message --queue-url ${cloud.physicalId('DeliveryQueue')} \\
    --message-body '${JSON.stringify(message)}'

or over HTTP, a message in a file of yours:

  curl --aws-sigv4 aws:amz:eu-west-1:execute-api --user local:local \\
    --header 'Content-Type: message/rfc822' --data-binary @FILE.eml \\
    '${cloud.url('HttpApi')}v1/messages?from=${message.mailFrom}&to=${sendTo}'

What became of it, and why; what waits; what is cached; what others report:

  node bin/sealpost.ts why ID --local
  node bin/sealpost.ts queue list --local
  node bin/sealpost.ts policy list --local
  node bin/sealpost.ts report list --local

The published policy:   https://${own.name}/.well-known/mta-sts.txt at ${own.address}:${own.port}
DNS of the world:       ${world.network.resolvers.join(', ')}
MX hosts of the world:  port ${world.network.smtpPort} of 127.25.0.0/16
`);
}

process.exitCode = await main();
