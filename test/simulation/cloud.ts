/** What is kept on AWS, with nothing in it yet; and how often calls of it fail. */
import type { Cloud } from './aws.ts';
import { createBucket } from './bucket.ts';
import { arrivalMs, minuteMs, startMs } from './calendar.ts';
import type { Chance } from './chance.ts';
import type { VirtualClock } from './clock.ts';
import type { Item } from './expressions.ts';
import type { Installation } from './functions.ts';
import { createQueue } from './queue.ts';
import { createTable, type SimulatedTable } from './table.ts';

/** As in lib/delivery-stack.ts. */
const visibilitySeconds = 6 * 900 + 1;
const maxReceiveCount = 10;

export interface CloudOptions {
  /** Called when there is something to receive. */
  readonly arrived: () => void;
  /** Called for what must not happen. */
  readonly complain: (what: string) => void;
  /** Called where somebody could not read the controls. */
  readonly controlsUnread?: () => void;
  /** How many records come twice; default none. */
  readonly duplicates?: number;
}

/** AWS with nothing in it yet. */
export function createCloud(
  parts: { readonly clock: VirtualClock; readonly chance: Chance },
  { arrived, complain, controlsUnread = () => {}, duplicates = 0 }: CloudOptions,
): Cloud {
  const waiting = { partition: 'waiting' };
  const deadLetters = createQueue({
    ...parts,
    name: 'dead',
    visibilitySeconds,
    maxReceiveCount: Number.POSITIVE_INFINITY,
    giveUp: () => {},
    duplicates: 0,
    arrived: () => {},
  });
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
      ['controls', createTable({ partition: 'kind', sort: 'name' }, parts)],
      ['retries', createTable({ partition: 'bucket', sort: 'entry' }, parts)],
    ]),
    queue: createQueue({
      ...parts,
      name: 'sqs',
      giveUp: deadLetters.put,
      visibilitySeconds,
      maxReceiveCount,
      duplicates,
      arrived,
    }),
    deadLetters,
    bucket: createBucket({ nowMs: parts.clock.now, complain }),
    calls: new Map(),
    complain,
    controlsUnread,
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

export function tableOf({ tables }: Cloud, name: string): SimulatedTable {
  const table = tables.get(name);
  if (table === undefined) {
    throw new RangeError(`no table ${name}`);
  }
  return table;
}

/** Calls fail now and then, and in some stretches of time often. */
export function createWeather(clock: VirtualClock, chance: Chance): Installation['weather'] {
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
