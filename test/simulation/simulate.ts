/**
 * A run of the world: messages come in, functions are called, killed and called again, days pass, and in the end the
 * books must balance.
 */
import type { DeliveryEvent } from '../../functions/delivery/events.ts';
import { deliverySettings } from '../delivery-settings.ts';
import type { Cloud } from './aws.ts';
import { createBooks, type Summary } from './books.ts';
import { createBucket } from './bucket.ts';
import { type Chance, createChance } from './chance.ts';
import { handIn } from './clients.ts';
import { createVirtualClock, type VirtualClock } from './clock.ts';
import { makeCalmWorld, makeDeadDomain, makeWorld, type World } from './domains.ts';
import type { Item } from './expressions.ts';
import {
  bucket,
  createDelivery,
  type Deliver,
  type Installation,
  invocationMs,
  reconcile,
  requeue,
  type Spoil,
} from './functions.ts';
import { contentOf, isUnknownMailbox, makeMessage, recordOf, type Traffic } from './messages.ts';
import { createNetwork } from './network.ts';
import { createProcess, type SimulatedProcess } from './process.ts';
import { createQueue, type Receipt } from './queue.ts';
import { createTable, type SimulatedTable } from './table.ts';

export interface SimulationOptions {
  readonly messages: number;
  readonly seed: number;
  /** Messages for one dead domain, all at once, an hour after the beginning. */
  readonly backlog?: number;
  /** Nothing fails: neither hosts, nor AWS, nor functions. */
  readonly isCalm?: boolean;
  /** Puts bugs in. */
  readonly spoil?: Spoil;
  /** How many invocations of the delivery function are killed half-way; default 2 %. */
  readonly deaths?: number;
  /** How many records come twice; default 0.5 %. */
  readonly duplicates?: number;
  /** Ends the run after so much time, and asks of nobody who waits how it will end. */
  readonly hours?: number;
  /** Ends the run at the first thing that must not happen. */
  readonly untilViolation?: boolean;
  /** Leaves out the hourly search for what was lost. */
  readonly withoutReconciling?: boolean;
}

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

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const startMs = Date.UTC(2026, 0, 1);

/** Messages come in for this long. */
const arrivalMs = dayMs;

/** A message lives for five days, and so does what tells of its end; whatever is left after that is stuck. */
const endMs = startMs + 14 * dayMs;

/** As in lib/delivery-stack.ts. */
const visibilitySeconds = 6 * 900 + 1;
const maxReceiveCount = 10;
const invocationsMax = 20;
const batchMax = 10;
const batchingWindowMs = 1_000;

const deadDomain = 'dead.test';

interface Run extends Installation {
  readonly clock: VirtualClock;
  readonly counts: { invocations: number; killed: number; faults: number; redriven: number };
  readonly sinceMs: Map<SimulatedProcess, number>;
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const chance = createChance(options.seed);
  const clock = createVirtualClock(startMs);
  const world = createWorld(options, chance);
  const cloud = createCloud(
    { clock, chance },
    {
      arrived: () => wake(),
      complain: (what) => books.violate(what),
      duplicates: options.duplicates ?? (options.isCalm === true ? 0 : 0.005),
    },
  );
  const sinceMs = new Map<SimulatedProcess, number>();
  const books = createBooks({
    nowMs: clock.now,
    domains: world.domains,
    messages: tableOf(cloud, 'messages'),
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
    settings: settingsFor(world),
    observe: (event) => noteEvent(event, counts, books.violate),
    spoil: options.spoil ?? {},
  };
  const wake = startPolling(run, options);
  const isSubmitted = submitAll(options, run, { world, books });
  startTimetable(run, options, () => {
    const isSpoilt = options.untilViolation === true && books.violations.length > 0;
    const { hours = Number.POSITIVE_INFINITY } = options;
    const isCut = clock.now() >= startMs + hours * hourMs;
    return isSpoilt || isCut || (isSubmitted() && isEmpty(run));
  });
  await clock.run();
  for (const { body, reason } of cloud.deadLetters) {
    books.deadLettered(body, reason);
  }
  const summary = books.close({ isWhole: options.hours === undefined });
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

function noteEvent(
  event: DeliveryEvent,
  counts: { faults: number },
  violate: (what: string) => void,
): void {
  if (event.kind === 'content-lost') {
    violate(`the body of ${event.id} was gone when its sender was to be told`);
  }
  if (event.kind !== 'fault') {
    return;
  }
  counts.faults += 1;
  if (event.error instanceof TypeError || event.error instanceof RangeError) {
    violate(`a bug: ${event.error.stack?.slice(0, 600)}`);
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

function settingsFor({ domains }: World): Installation['settings'] {
  const all = [...domains.values()];
  return {
    ...deliverySettings,
    daneOnly: all.filter(({ settings }) => settings.daneOnly).map(({ name }) => name),
    exceptions: all.flatMap(({ name, settings }) =>
      settings.exceptions.map(({ policy, untilMs }) => ({
        domain: name,
        policy,
        reason: 'a partner without certificates',
        expires: new Date(untilMs).toISOString(),
      })),
    ),
  };
}

export interface CloudOptions {
  /** Called when there is something to receive. */
  readonly arrived: () => void;
  /** Called for what must not happen. */
  readonly complain: (what: string) => void;
  /** How many records come twice; default none. */
  readonly duplicates?: number;
}

/** AWS with nothing in it yet. */
export function createCloud(
  parts: { readonly clock: VirtualClock; readonly chance: Chance },
  { arrived, complain, duplicates = 0 }: CloudOptions,
): Cloud {
  const waiting = { partition: 'waiting' };
  return {
    tables: new Map([
      [
        'messages',
        createTable(
          {
            partition: 'id',
            sort: 'part',
            indexes: {
              WaitingByDue: { ...waiting, sort: 'nextDueAtMs' },
              WaitingByAge: { ...waiting, sort: 'submittedAtMs' },
            },
            isForgotten: (sort) => sort.startsWith('why#'),
            keep: withoutHistory,
          },
          parts,
        ),
      ],
      ['policies', createTable({ partition: 'domain' }, parts)],
      ['retries', createTable({ partition: 'bucket', sort: 'entry' }, parts)],
    ]),
    queue: createQueue({
      ...parts,
      visibilitySeconds,
      maxReceiveCount,
      duplicates,
      arrived,
    }),
    deadLetters: [],
    bucket: createBucket({ nowMs: parts.clock.now, complain }),
    calls: new Map(),
    complain,
  };
}

/** A row that is finished, without what only people ask for: that is most of it. */
function withoutHistory(item: Item): Item {
  if (item['removeAtSeconds'] === undefined || item['why'] === undefined) {
    return item;
  }
  const { why: _why, ...rest } = item;
  return rest;
}

function tableOf({ tables }: Cloud, name: string): SimulatedTable {
  const table = tables.get(name);
  if (table === undefined) {
    throw new RangeError(`no table ${name}`);
  }
  return table;
}

/** Calls fail now and then, and in some stretches of time often. */
function createWeather(clock: VirtualClock, chance: Chance): Installation['weather'] {
  const storms = Array.from({ length: 4 }, () => {
    const fromMs = startMs + chance.below(arrivalMs);
    return { fromMs, toMs: fromMs + chance.between(minuteMs, 20 * minuteMs) };
  });
  return {
    chance,
    failing: () => {
      const nowMs = clock.now();
      return storms.some(({ fromMs, toMs }) => nowMs >= fromMs && nowMs < toMs) ? 0.2 : 0.001;
    },
  };
}

/** Messages come in evenly over a day. Gives whether all of them have. */
function submitAll(
  { messages, seed, backlog = 0, isCalm = false }: SimulationOptions,
  run: Run,
  { world, books }: { readonly world: World; readonly books: ReturnType<typeof createBooks> },
): () => boolean {
  const names = [...world.domains.values()].flatMap(({ name, share }) =>
    name === deadDomain ? [] : Array.from({ length: share }, () => name),
  );
  const { clock, cloud } = run;
  const clientele = { installation: run, clock, books, mishaps: isCalm ? 0 : 0.1 };
  let open = 0;
  // Messages have a chance of their own, so that they are the same whatever else happens.
  const traffic = { chance: createChance(seed), recipientDomains: names, senderDomains: names };
  let submitted = 0;
  const submit = (spec: ReturnType<typeof makeMessage>): void => {
    books.specify(spec);
    if (spec.way === 'http') {
      open += 1;
      handIn(spec, `key ${spec.number}`, clientele).then(
        () => {
          open -= 1;
        },
        (error: unknown) => run.observe({ kind: 'fault', error }),
      );
      return;
    }
    const key = `in/${spec.number}`;
    if (spec.stored) {
      cloud.bucket.put(key, Buffer.from(contentOf(spec)));
    }
    const body = recordOf(spec, { bucket, key });
    books.recorded(body, spec);
    cloud.queue.send(body);
  };
  const next = (): void => {
    submit(makeMessage(submitted, clock.now(), traffic));
    submitted += 1;
    if (submitted < messages) {
      clock.at(startMs + (arrivalMs * submitted) / messages, next);
    }
  };
  clock.at(startMs, next);
  let isBacklogIn = backlog === 0;
  clock.at(startMs + hourMs, () => {
    const quiet: Traffic = {
      ...traffic,
      chance: createChance(7),
      recipientDomains: [deadDomain],
      mailFrom: '',
    };
    for (let index = 0; index < backlog; index += 1) {
      const { poison: _poison, ...spec } = makeMessage(messages + index, clock.now(), quiet);
      submit({ ...spec, way: 'sqs' });
    }
    isBacklogIn = true;
  });
  return () => submitted >= messages && open === 0 && isBacklogIn;
}

/** Calls the delivery function with what is in the queue, as the event source mapping does. */
function startPolling(
  run: Run,
  { isCalm = false, deaths = isCalm ? 0 : 0.02 }: SimulationOptions,
): () => void {
  const { clock, cloud, counts } = run;
  const idle: { process: SimulatedProcess; deliver: Deliver }[] = [];
  let active = 0;
  let isDue = false;

  const invoke = (receipts: readonly Receipt[]): void => {
    const free = idle.pop();
    const process = free?.process ?? createProcess(run);
    const deliver = free?.deliver ?? createDelivery(run, process);
    active += 1;
    counts.invocations += 1;
    run.sinceMs.set(process, clock.now());
    const end = (): void => {
      callOffTimeout();
      callOffDeath();
      active -= 1;
      wake();
    };
    const kill = (): void => {
      counts.killed += 1;
      end();
    };
    process.onDeath(kill);
    const callOffTimeout = clock.at(clock.now() + invocationMs, process.die);
    // At a call, or at any time: in the middle of a dialogue too.
    const callOffDeath = run.chance.happens(deaths / 2)
      ? clock.at(clock.now() + run.chance.below(10_000), process.die)
      : () => {};
    if (run.chance.happens(deaths / 2)) {
      process.dieAfter(run.chance.between(1, 60));
    }
    const records = receipts.map(({ handle, message }) => ({
      messageId: message.messageId,
      body: message.body,
      receiptHandle: handle,
      sentAtMs: message.sentAtMs,
    }));
    deliver(records).then(
      (kept) => {
        if (process.isDead) {
          return;
        }
        for (const { handle, message } of receipts) {
          // A delete that is lost makes the record come again.
          if (!kept.includes(message.messageId) && !run.chance.happens(0.001)) {
            cloud.queue.delete(handle);
          }
        }
        process.onDeath(() => {});
        process.dieAfter(Number.POSITIVE_INFINITY);
        if (run.chance.happens(0.98)) {
          idle.push({ process, deliver });
        }
        end();
      },
      (error: unknown) => {
        run.observe({ kind: 'fault', error });
        end();
      },
    );
  };
  const poll = (): void => {
    isDue = false;
    while (active < invocationsMax) {
      const receipts = cloud.queue.receive(batchMax);
      if (receipts.length === 0) {
        return;
      }
      invoke(receipts);
    }
  };
  const wake = (): void => {
    if (!isDue && active < invocationsMax && cloud.queue.visible > 0) {
      isDue = true;
      clock.at(clock.now() + batchingWindowMs, poll);
    }
  };
  return wake;
}

/** What is called by the clock; and the end, when there is nothing left to do. */
function startTimetable(
  run: Run,
  { withoutReconciling = false }: SimulationOptions,
  isDone: () => boolean,
): void {
  const { clock, chance, cloud, counts } = run;
  const every = (intervalMs: number, work: () => void): void => {
    const tick = (): void => {
      work();
      clock.at(clock.now() + intervalMs, tick);
    };
    clock.at(startMs + intervalMs, tick);
  };
  const start = (work: (process: SimulatedProcess) => Promise<void>): void => {
    const process = createProcess(run);
    if (chance.happens(0.01)) {
      process.dieAfter(chance.between(1, 200));
    }
    clock.at(clock.now() + 60_000, process.die);
    work(process).catch((error: unknown) => run.observe({ kind: 'fault', error }));
  };
  every(minuteMs, () => {
    if (isDone() || clock.now() > endMs) {
      clock.stop();
    } else if (isAnythingDue(run)) {
      start((process) => requeue(run, process));
      if (chance.happens(0.1)) {
        // Schedulers deliver at least once, too.
        start((process) => requeue(run, process));
      }
    }
  });
  every(hourMs, () => {
    if (!withoutReconciling) {
      start((process) => reconcile(run, process));
    }
    // An operator puts back what an outage drove into the dead letters.
    for (const message of cloud.queue.dead.splice(0)) {
      counts.redriven += 1;
      cloud.queue.send(message.body);
    }
  });
}

/** Runs of requeuing that would find nothing at all are left out: an idle night costs nothing. */
function isAnythingDue({ cloud, clock }: Run): boolean {
  const retries = tableOf(cloud, 'retries');
  const soonMs = clock.now() + minuteMs;
  const soon = new Date(soonMs).toISOString().slice(0, 16).replace(/\D/g, '');
  for (const name of retries.partitionKeys()) {
    if (/^\d/.test(name) && name < soon) {
      return true;
    }
    // Back-offs; nearly every other partition is a minute, or of what waits for a domain that has one.
    if (name.startsWith('backoff#')) {
      const isProbeDue = retries
        .itemsOf(name)
        .some(
          ({ nextProbeAtMs, recovered }) =>
            recovered?.BOOL === true || Number(nextProbeAtMs?.N) <= soonMs,
        );
      if (isProbeDue) {
        return true;
      }
    }
  }
  return false;
}

/** Nothing in the queue, nothing under way, and nothing that waits. */
function isEmpty({ cloud }: Run): boolean {
  if (cloud.queue.open > 0) {
    return false;
  }
  for (const item of tableOf(cloud, 'retries').items()) {
    if (item['message'] !== undefined) {
      return false;
    }
  }
  return !hasPendingRow(cloud);
}

function hasPendingRow(cloud: Cloud): boolean {
  for (const item of tableOf(cloud, 'messages').items()) {
    if (
      item['part']?.S?.startsWith('delivery#') === true &&
      item['removeAtSeconds'] === undefined
    ) {
      return true;
    }
  }
  return false;
}
