/**
 * A run of the world: messages come in, functions are called, killed and called again, days pass, and in the end the
 * books must balance.
 */
import type { DeliveryEvent } from '../../functions/delivery/events.ts';
import { deliverySettings } from '../delivery-settings.ts';
import { type Books, createBooks, type Summary } from './books.ts';
import { arrivalMs, dayMs, hourMs, startMs } from './calendar.ts';
import { type Chance, createChance } from './chance.ts';
import { createVirtualClock } from './clock.ts';
import { createCloud, createWeather, tableOf } from './cloud.ts';
import { createControlLedger } from './control-ledger.ts';
import { startControlOperator } from './control-operator.ts';
import { makeCalmWorld, makeDeadDomain, makeWorld, type World } from './domains.ts';
import type { Installation } from './functions.ts';
import { startLetterOperator } from './letter-operator.ts';
import { isUnknownMailbox } from './messages.ts';
import { createNetwork } from './network.ts';
import { startPolling } from './polling.ts';
import type { SimulatedProcess } from './process.ts';
import { startQueueOperator } from './queue-operator.ts';
import type { Run, SimulationOptions } from './run-parts.ts';
import { deadDomain, submitAll } from './submissions.ts';
import { drawRules, type RulePlan, writeRule } from './tagging.ts';
import { isEmpty, startTimetable } from './timetable.ts';
import type { DomainException } from './truth.ts';

export interface SimulationResult extends Summary {
  readonly seed: number;
  readonly messages: number;
  readonly backlog: number;
  /** What must not happen, with its moment. Empty in a run that is in order. */
  readonly violations: readonly string[];
  readonly virtualDays: number;
  readonly events: number;
  readonly invocations: number;
  readonly killed: number;
  readonly faults: number;
  readonly connections: number;
  readonly redriven: number;
  readonly awsCalls: Readonly<Record<string, number>>;
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const chance = createChance(options.seed);
  const clock = createVirtualClock(startMs);
  const world = createWorld(options, chance);
  const rules =
    options.isCalm === true
      ? { ofConfig: [], passing: [] }
      : drawRules([...world.domains.keys()], createChance(options.seed));
  const controls = createControlLedger({
    nowMs: clock.now,
    ofConfig: rules.ofConfig,
    exceptions: exceptionsOfConfig(world),
  });
  const cloud = createCloud(
    { clock, chance },
    {
      arrived: () => wake(),
      complain: (what) => books.violate(what),
      controlsUnread: controls.readFailed,
      duplicates: options.duplicates ?? (options.isCalm === true ? 0 : 0.005),
    },
  );
  const sinceMs = new Map<SimulatedProcess, number>();
  const books = createBooks({
    nowMs: clock.now,
    domains: world.domains,
    messages: tableOf(cloud, 'messages'),
    controls,
    sinceMs: (process) => sinceMs.get(process) ?? startMs,
  });
  tableOf(cloud, 'messages').observe((item) => {
    books.rowWritten(item);
    cloud.bucket.rowWritten(item);
  });
  tableOf(cloud, 'policies').observe(books.policyWritten);
  const counts = { invocations: 0, killed: 0, faults: 0, redriven: 0 };
  const network = createNetwork({
    ...world,
    clock,
    chance,
    arrived: books.arrived,
    isUnknown: isUnknownMailbox,
  });
  const run: Run = {
    clock,
    cloud,
    chance,
    network,
    counts,
    sinceMs,
    weather: options.isCalm === true ? { chance, failing: () => 0 } : createWeather(clock, chance),
    settings: settingsFor(world, rules),
    observe: (event) => noteEvent(event, counts, books),
    spoil: options.spoil ?? {},
  };
  const wake = startPolling(run, options);
  const isSubmitted = submitAll(options, run, { world, books });
  startLetterOperator(run, books);
  startQueueOperator(run, { requests: options.messages * requestsShareOf(options), books });
  const areControlsMade = startControlOperator(
    run,
    { rules, domains: world.domains },
    { ledger: controls, books },
  );
  startTimetable(run, options, () => {
    const isSpoilt = options.untilViolation === true && books.violations.length > 0;
    const { hours = Number.POSITIVE_INFINITY } = options;
    const isCut = clock.now() >= startMs + hours * hourMs;
    return isSpoilt || isCut || (isSubmitted() && areControlsMade() && isEmpty(run));
  });
  await clock.run();
  for (const { body, reason = 'received too often' } of cloud.deadLetters.all()) {
    books.deadLettered(body, reason);
  }
  const summary = await books.close({ isWhole: options.hours === undefined });
  if (options.hours === undefined) {
    for (const key of cloud.bucket.leftBehind()) {
      books.violate(`object ${key} was left behind, and nothing had gone wrong`);
    }
  }
  return {
    seed: options.seed,
    messages: options.messages,
    backlog: options.backlog ?? 0,
    ...summary,
    violations: books.violations,
    virtualDays: (clock.now() - startMs) / dayMs,
    events: clock.count,
    ...counts,
    connections: network.counts.connections,
    awsCalls: Object.fromEntries([...cloud.calls].sort()),
  };
}

function noteEvent(event: DeliveryEvent, counts: { faults: number }, books: Books): void {
  if (event.kind === 'content-lost') {
    books.bodyLost(event.id);
  }
  if (event.kind !== 'fault') {
    return;
  }
  counts.faults += 1;
  if (event.error instanceof TypeError || event.error instanceof RangeError) {
    books.violate(`a bug: ${event.error.stack?.slice(0, 600)}`);
  }
}

const domainsMax = 150;

function createWorld({ backlog = 0, isCalm = false }: SimulationOptions, chance: Chance): World {
  const span = { startMs, endMs: startMs + arrivalMs + dayMs };
  const { domains, hosts } = isCalm
    ? makeCalmWorld(domainsMax, startMs)
    : makeWorld(domainsMax, span, chance);
  if (backlog === 0) {
    return { domains, hosts };
  }
  const dead = makeDeadDomain(deadDomain, span);
  return {
    domains: new Map([...domains, [deadDomain, dead.domain]]),
    hosts: new Map([...hosts, [dead.host.name, dead.host]]),
  };
}

function settingsFor(world: World, rules: RulePlan): Installation['settings'] {
  const all = [...world.domains.values()];
  return {
    ...deliverySettings,
    daneOnly: all.filter(({ settings }) => settings.daneOnly).map(({ name }) => name),
    rules: rules.ofConfig.map(writeRule),
    exceptions: exceptionsOfConfig(world).map(({ domain, policy, untilMs }) => ({
      domain,
      policy,
      reason: 'a partner without certificates',
      expires: new Date(untilMs).toISOString(),
    })),
  };
}

function requestsShareOf({
  isCalm = false,
  requests = isCalm ? 0 : 0.03,
}: SimulationOptions): number {
  return requests;
}

function exceptionsOfConfig({
  domains,
}: World): readonly (DomainException & { readonly domain: string })[] {
  return [...domains.values()].flatMap(({ name, settings }) =>
    settings.exceptions
      .filter(({ madeAtMs }) => madeAtMs === undefined)
      .map((exception) => ({ ...exception, domain: name })),
  );
}
