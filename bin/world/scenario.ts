/**
 * Scenarios: a piece of the simulated internet, messages for it, and what must come of them, all as data. Whoever runs one
 * gathers what was observed and has {@link compareScenario} judge it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type { DeliverySettings } from '../../functions/environment.ts';
import type { FailureCode } from '../../functions/protocol/errors.ts';
import type { ResultType } from '../../functions/protocol/tlsrpt/result-type.ts';
import { acceptedMessages, type MxConnection } from './mx-record.ts';
import type { World, WorldChange, WorldDefinition } from './world.ts';

/** The minimal form of a queue message. */
export interface ScenarioMessage {
  readonly mailFrom: string;
  readonly rcptTo: readonly {
    readonly address: string;
    readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
    readonly orcpt?: string;
  }[];
  readonly requireTls?: boolean;
  readonly smtpUtf8?: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
  /** Base64. */
  readonly content: { readonly data: string };
}

/** What must have happened before the messages are sent: another message that is delivered, or a change of the world. */
export type PreludeStep =
  | { readonly kind: 'send'; readonly message: ScenarioMessage }
  | { readonly kind: 'change'; readonly change: WorldChange };

/** One row of the scenario table. */
export interface Scenario {
  /** Kebab-case; the first label of its domains. */
  readonly name: string;
  /** One line for a person. */
  readonly title: string;
  /** Whether `npm start` shows it. */
  readonly tour: boolean;
  readonly world: WorldDefinition;
  readonly prelude: readonly PreludeStep[];
  /** To be handed in at once, so that one invocation may take them together. */
  readonly messages: readonly ScenarioMessage[];
  /**
   * Where somebody keeps the sender waiting for as long as it may: the time to give an attempt, settling not counted.
   * Absent: the attempt ends by itself within seconds.
   */
  readonly attemptMs?: number;
  /** What the sender's operator has decided otherwise than the defaults say. */
  readonly settings?: ScenarioSettings;
  readonly expected: Expected;
}

export type ScenarioSettings = Partial<
  Pick<DeliverySettings, 'dane' | 'daneInsecureMx' | 'daneOnly'>
>;

/** What becomes of one recipient in one attempt. */
export interface RecipientOutcome {
  readonly address: string;
  readonly outcome: 'delivered' | 'deferred' | 'failed';
  /** Enhanced status code (RFC 3463). */
  readonly status: string;
}

/** What a host must have recorded. */
export interface ExpectedMx {
  readonly host: string;
  /** Messages that it took. Where it is 0, nobody must even have said MAIL, unless `transactions` says so. */
  readonly messages: number;
  /** Transactions that were begun; default: as many as messages. */
  readonly transactions?: number;
  /** Connections to it; absent: any number. */
  readonly connections?: number;
  /** Over what every transaction must have gone. */
  readonly channel?: 'clear' | 'tls';
  /** SNI of every connection that came to TLS. */
  readonly serverName?: string;
  /** Parameters of every MAIL; null: it must not be there. */
  readonly mailParameters?: Readonly<Record<string, string | null>>;
  /** Parameters of the recipients that have any, by address. */
  readonly rcptParameters?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Accepted recipients of all messages. */
  readonly recipients?: readonly string[];
  /** The octets of the messages, base64. */
  readonly contents?: readonly string[];
}

/** All that must come of a scenario. */
export interface Expected {
  readonly recipients: readonly RecipientOutcome[];
  /** Each of these must be on record. */
  readonly codes: readonly FailureCode[];
  /** Exactly these must be on record; absent: not compared, since there is no policy that they would belong to. */
  readonly resultTypes?: readonly ResultType[];
  readonly mx: readonly ExpectedMx[];
}

/** What came of a scenario's messages. */
export interface Observed {
  readonly recipients: readonly RecipientOutcome[];
  readonly codes: readonly FailureCode[];
  readonly resultTypes: readonly ResultType[];
  /** By host name, since the prelude. */
  readonly mx: Readonly<Record<string, readonly MxConnection[]>>;
}

/** The judgement on one run of a scenario. */
export interface Comparison {
  readonly asExpected: boolean;
  /** One line each. */
  readonly differences: readonly string[];
}

/** Compares what was observed with what must come of a scenario. A host that saw a protocol violation is a difference. */
export function compareScenario(expected: Expected, observed: Observed): Comparison {
  const hosts = new Set([...expected.mx.map(({ host }) => host), ...Object.keys(observed.mx)]);
  const differences = [
    ...compareRecipients(expected.recipients, observed.recipients),
    ...expected.codes
      .filter((code) => !observed.codes.includes(code))
      .map((code) => `the code ${code} is not on record`),
    ...compareResultTypes(expected.resultTypes, observed.resultTypes),
    ...[...hosts].flatMap((host) =>
      compareMx(
        expected.mx.find((one) => one.host === host) ?? { host, messages: 0 },
        observed.mx[host] ?? [],
      ),
    ),
  ];
  return { asExpected: differences.length === 0, differences };
}

function compareRecipients(
  expected: readonly RecipientOutcome[],
  observed: readonly RecipientOutcome[],
): string[] {
  const left = [...observed];
  const missing: string[] = [];
  for (const one of expected) {
    const index = left.findIndex((other) => describe(other) === describe(one));
    if (index < 0) {
      missing.push(`${describe(one)} was expected`);
    } else {
      left.splice(index, 1);
    }
  }
  return [...missing, ...left.map((other) => `${describe(other)} was not expected`)];
}

function describe({ address, outcome, status }: RecipientOutcome): string {
  return `${address} ${outcome} ${status}`;
}

function compareResultTypes(
  expected: readonly ResultType[] | undefined,
  observed: readonly ResultType[],
): string[] {
  return expected === undefined
    ? []
    : compareValue('result types', sorted(expected), sorted(observed));
}

function compareMx(expected: ExpectedMx, connections: readonly MxConnection[]): string[] {
  const { host, messages, transactions = messages } = expected;
  const begun = connections.flatMap((connection) => connection.transactions);
  const taken = acceptedMessages(connections);
  const accepted = taken.flatMap(({ recipients }) =>
    recipients.filter((recipient) => recipient.accepted),
  );
  const channels = begun.map(({ overTls }) => (overTls ? 'tls' : 'clear'));
  const serverNames = connections.flatMap(({ tls }) => (tls === undefined ? [] : [tls.serverName]));
  const contents = taken.map(({ content }) => withoutTrace(content).toString('base64'));
  const differences = [
    ...compareValue('messages', messages, taken.length),
    ...compareValue('transactions', transactions, begun.length),
    ...compareValue('connections', expected.connections, connections.length),
    ...compareEach('channel', expected.channel, channels),
    ...compareEach('SNI', expected.serverName, serverNames),
    ...begun.flatMap(({ mail }) => compareParameters(expected.mailParameters, mail.parameters)),
    ...accepted.flatMap(({ address, parameters }) =>
      compareValue(`RCPT ${address}`, expected.rcptParameters?.[address], parameters),
    ),
    ...compareValue(
      'accepted recipients',
      expected.recipients && [...expected.recipients].sort(),
      accepted.map(({ address }) => address).sort(),
    ),
    ...(expected.contents === undefined ||
    isDeepStrictEqual([...expected.contents].sort(), [...contents].sort())
      ? []
      : ['content: not the octets that were handed in']),
    ...connections.flatMap(({ violations }) =>
      violations.map(({ kind, detail }) => `violation ${kind} (${detail})`),
    ),
  ];
  return differences.map((difference) => `${host}: ${difference}`);
}

/** The content without the trace line that acceptance puts in front (RFC 5321 §4.4); the rest is as it was handed in. */
function withoutTrace(content: Buffer): Buffer {
  const trace = /^Received:[^\n]*\n(?:[ \t][^\n]*\n)*/.exec(content.toString('latin1', 0, 2_000));
  return content.subarray(trace?.[0].length ?? 0);
}

function compareParameters(
  expected: Readonly<Record<string, string | null>> = {},
  observed: Readonly<Record<string, string>>,
): string[] {
  return Object.entries(expected).flatMap(([name, value]) =>
    compareValue(`MAIL ${name}`, value, observed[name] ?? null),
  );
}

/** Nothing is compared where nothing is expected. */
function compareValue(what: string, expected: unknown, observed: unknown): string[] {
  return expected === undefined || isDeepStrictEqual(expected, observed)
    ? []
    : [`${what}: ${JSON.stringify(expected)} expected, ${JSON.stringify(observed)} seen`];
}

function compareEach(what: string, expected: unknown, observed: readonly unknown[]): string[] {
  const other = observed.find((one) => !isDeepStrictEqual(one, expected));
  return other === undefined ? [] : compareValue(what, expected, other);
}

function sorted<T extends string>(values: readonly T[]): readonly T[] {
  return [...new Set(values)].sort();
}

/** What the `why` records of a scenario's messages say. */
export function readWhyRecords(
  records: readonly WhyRecord[],
): Pick<Observed, 'recipients' | 'codes' | 'resultTypes'> {
  const notes = records.flatMap(({ hosts }) =>
    hosts.flatMap(({ skipped, tries }) => [
      skipped,
      ...tries.flatMap(({ failure, noted }) => [failure, noted]),
    ]),
  );
  const decided = records.map(({ decision }) => decision.code);
  return {
    recipients: records.flatMap(({ recipients }) =>
      recipients.map(({ address, outcome, status }) => ({ address, outcome, status })),
    ),
    codes: sorted(
      [...notes.map((note) => note?.code), ...decided].filter((code) => code !== undefined),
    ),
    resultTypes: sorted(notes.map((note) => note?.resultType).filter((type) => type !== undefined)),
  };
}

/** What the hosts of a scenario recorded since {@link forgetScenario}. */
export function observeMx(world: World, scenario: Scenario): Observed['mx'] {
  return Object.fromEntries(
    scenario.world.mxHosts.map(({ name }) => [name, [...world.mx(name).connections]]),
  );
}

/** Empties the records of a scenario's hosts: after its prelude, or to run it again. */
export function forgetScenario(world: World, scenario: Scenario): void {
  for (const { name } of scenario.world.mxHosts) {
    world.mx(name).forget();
  }
  for (const { domain } of scenario.world.policyHosts) {
    world.policyHost(domain).forget();
  }
}

/** One world for many scenarios, each of which has domains of its own. */
export function joinWorlds(
  scenarios: readonly { readonly world: WorldDefinition }[],
): WorldDefinition {
  const worlds = scenarios.map(({ world }) => world);
  return {
    zones: worlds.flatMap(({ zones }) => zones),
    faults: worlds.flatMap(({ faults }) => faults ?? []),
    mxHosts: worlds.flatMap(({ mxHosts }) => mxHosts),
    policyHosts: worlds.flatMap(({ policyHosts }) => policyHosts),
  };
}
