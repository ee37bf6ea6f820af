/** What hostile input costs: a million changed messages, messages full of pointers, and zones that are traps. */
import { decodeMessage } from '../../functions/protocol/dns/message.ts';
import { makeSeeds, mutate, walkMessage } from '../protocol/dns/hostile-messages.ts';
import { startRandom } from '../random.ts';
import { cpuSecondsSince, type Measurement, type Report } from './report.ts';
import { spring, traps } from './traps.ts';

const messages = 1_000_000;
/** Over this, an input is tried again: it may have been the machine. */
const slowMs = 1;
const tries = 10;

export async function benchHostile(): Promise<Report> {
  const sprung: Measurement[] = [];
  // The first one warms the code up.
  for (const trap of traps.slice(0, 1)) {
    await spring(trap);
  }
  for (const trap of traps) {
    const { status, cpuMs, verifications, queries } = await spring(trap);
    const note = `${status}; ${verifications} verifications, ${queries} queries`;
    sprung.push({ what: trap.what, value: cpuMs, unit: 'ms of CPU', note });
  }
  return {
    benchmark: 'hostile',
    measurements: [...measureMutations(), ...pointerBombs().flatMap(measureBomb), ...sprung],
  };
}

/** Throws where the walk throws anything but its own error. */
function measureMutations(): readonly Measurement[] {
  const seeds = makeSeeds();
  const random = startRandom(1035);
  const begun = process.cpuUsage();
  let wellFormed = 0;
  let slowestMs = 0;
  for (let index = 0; index < messages; index += 1) {
    const octets = mutate(seeds, random);
    const begunMs = performance.now();
    wellFormed += walkMessage(octets) ? 1 : 0;
    const tookMs = performance.now() - begunMs;
    if (tookMs > Math.max(slowMs, slowestMs)) {
      slowestMs = Math.max(
        slowestMs,
        shortest(() => walkMessage(octets)),
      );
    }
  }
  const cpuUs = cpuSecondsSince(begun) * 1e6;
  return [
    { what: 'changed messages walked', value: messages, unit: 'messages' },
    { what: 'of which well-formed still', value: (wellFormed / messages) * 100, unit: '%' },
    { what: 'each, change included', value: cpuUs / messages, unit: 'µs of CPU' },
    {
      what: 'the slowest of them',
      value: Math.max(slowestMs, 0),
      unit: 'ms',
      note: slowestMs === 0 ? `none took ${slowMs} ms` : 'aim: 5',
    },
  ];
}

/** The shortest of some tries: what it takes, whatever else the machine does. */
function shortest(run: () => void): number {
  let shortestMs = Number.POSITIVE_INFINITY;
  for (let count = 0; count < tries; count += 1) {
    const begunMs = performance.now();
    run();
    shortestMs = Math.min(shortestMs, performance.now() - begunMs);
  }
  return shortestMs;
}

interface Bomb {
  readonly what: string;
  readonly octets: Uint8Array;
}

/** Messages of 64 KB or as many records as are taken, whose names take all steps that they may. */
function pointerBombs(): readonly Bomb[] {
  const header = (answers: number): readonly number[] => [
    ...[0, 0, 0x80, 0, 0, 1, answers >> 8, answers & 0xff, 0, 0, 0, 0],
  ];
  const question = [1, 97, 0, 0, 1, 0, 1];
  const rest = [0, 99, 0, 1, 0, 0, 0, 0, 0, 0];
  const longest = [...Array.from({ length: 126 }, () => [1, 97]).flat(), 0];
  const start = 12 + question.length;
  const pointer = (offset: number): readonly number[] => [0xc0 | (offset >> 8), offset & 0xff];
  const stairs = Array.from({ length: 63 }, (_, index) => [
    ...[1, 97],
    ...pointer(index === 0 ? 12 : start + (index - 1) * 14),
    ...rest,
  ]).flat();
  const top = pointer(start + 62 * 14);
  const repeated = (count: number, octets: readonly number[]): readonly number[] =>
    Array.from({ length: count }, () => octets).flat();
  return [
    {
      what: '1,023 names of 126 labels by one pointer each',
      octets: Uint8Array.of(
        ...header(1_023),
        ...question,
        ...longest,
        ...rest,
        ...repeated(1_022, [...pointer(start), ...rest]),
      ),
    },
    {
      what: '1,023 names of 64 pointers each',
      octets: Uint8Array.of(
        ...header(1_023),
        ...question,
        ...stairs,
        ...repeated(1_023 - 63, [...top, ...rest]),
      ),
    },
    {
      what: '64 KB of pointers',
      octets: Uint8Array.of(...header(1_000), ...question, ...repeated(32_000, [0xc0, 12])),
    },
  ];
}

/** Decoded, and where it is well-formed then searched for sixteen RRsets as well. */
function measureBomb({ what, octets }: Bomb): readonly Measurement[] {
  if (!walkMessage(octets)) {
    const refusing = shortest(() => walkMessage(octets));
    return [{ what, value: refusing, unit: 'ms', note: 'refused' }];
  }
  return [
    { what, value: shortest(() => decodeMessage(octets)), unit: 'ms', note: 'decoded' },
    { what, value: shortest(() => walkMessage(octets)), unit: 'ms', note: 'and 16 RRsets' },
  ];
}
