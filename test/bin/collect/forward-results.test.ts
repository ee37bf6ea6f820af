/** Results on their way from a mail server to the API: batches, pauses, and what is lost when. */
import { expect, test } from 'vitest';
import {
  createForwarder,
  type Forwarder,
  type PostOutcome,
  type ResultBatch,
} from '../../../bin/collect/forward-results.ts';

interface Bench {
  readonly forwarder: Forwarder;
  readonly posted: ResultBatch[];
  readonly lines: string[];
  /** How long the pauses were that came to their end, milliseconds. */
  readonly pauses: number[];
  /** Ends the pause that is under way, and lets all that follows happen. */
  pass(): Promise<void>;
}

const taken: PostOutcome = { kind: 'taken', refused: [] };

/** A forwarder whose posts come to `outcomes`, one after the other, and to the last of them for ever. */
function bench(...outcomes: readonly PostOutcome[]): Bench {
  const posted: ResultBatch[] = [];
  const lines: string[] = [];
  const pauses: number[] = [];
  let pending: { readonly run: () => void; readonly waitMs: number } | undefined;
  let serial = 0;
  const forwarder = createForwarder({
    post: async (batch) => {
      posted.push(batch);
      return outcomes[Math.min(posted.length, outcomes.length) - 1] ?? taken;
    },
    now: () => Date.parse('2026-11-24T12:00:00Z'),
    newId: () => `batch-${++serial}`,
    timers: {
      elapsedMs: () => 0,
      soon: setImmediate,
      start: (run, waitMs) => {
        pending = { run, waitMs };
        return () => {
          pending = undefined;
        };
      },
    },
    log: (line) => lines.push(line),
  });
  return {
    forwarder,
    posted,
    lines,
    pauses,
    pass: async () => {
      const { run, waitMs = -1 } = pending ?? {};
      pending = undefined;
      pauses.push(waitMs);
      run?.();
      await new Promise(setImmediate);
    },
  };
}

const datagram = (domain: string): Buffer => Buffer.from(JSON.stringify({ d: domain }));

test('results are gathered and leave as one batch, with the time at which they came', async () => {
  const { forwarder, posted, pass, pauses } = bench(taken);
  forwarder.add(datagram('a.example'));
  forwarder.add(datagram('b.example'));
  expect(posted).toEqual([]);
  await pass();
  expect(posted).toEqual([
    {
      id: 'batch-1',
      results: [
        { at: '2026-11-24T12:00:00.000Z', datagram: { d: 'a.example' } },
        { at: '2026-11-24T12:00:00.000Z', datagram: { d: 'b.example' } },
      ],
    },
  ]);
  expect(pauses).toEqual([5_000]);
  await pass();
  forwarder.add(datagram('c.example'));
  await pass();
  expect(posted.map(({ id }) => id)).toEqual(['batch-1', 'batch-2']);
});

test('a hundred make a batch, and many leave without a pause between them', async () => {
  const { forwarder, posted, pass } = bench(taken);
  for (let count = 0; count < 250; count += 1) {
    forwarder.add(datagram('a.example'));
  }
  await pass();
  expect(posted.map(({ results }) => results.length)).toEqual([100, 100]);
  await pass();
  expect(posted.map(({ results }) => results.length)).toEqual([100, 100, 50]);
});

test('what is not taken now is sent again, under the same id, after pauses that grow', async () => {
  const later: PostOutcome = { kind: 'later', reason: 'HTTP 503' };
  const { forwarder, posted, pass, pauses, lines } = bench(...Array(8).fill(later), taken);
  forwarder.add(datagram('a.example'));
  for (let round = 0; round < 9; round += 1) {
    await pass();
  }
  expect(new Set(posted.map(({ id }) => id))).toEqual(new Set(['batch-1']));
  expect(posted).toHaveLength(9);
  expect(pauses.slice(1)).toEqual([
    5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000,
  ]);
  expect(lines[0]).toBe('tried again in 5 s: HTTP 503');
});

test('what is refused is told and dropped, and holds up nothing', async () => {
  const { forwarder, posted, pass, lines } = bench({ kind: 'refused', reason: 'HTTP 422' }, taken);
  forwarder.add(datagram('a.example'));
  await pass();
  await pass();
  forwarder.add(datagram('b.example'));
  await pass();
  expect(posted).toHaveLength(2);
  expect(lines).toEqual(['1 results are lost: HTTP 422']);
});

test('results that the API does not count are told', async () => {
  const { forwarder, pass, lines } = bench({ kind: 'taken', refused: ['dpv: wrong'] });
  forwarder.add(datagram('a.example'));
  await pass();
  expect(lines).toEqual(['a result was not counted: dpv: wrong']);
});

test('what is not JSON is dropped, and not quoted', () => {
  const { forwarder, lines } = bench(taken);
  forwarder.add(Buffer.from('secret'));
  expect(lines).toEqual(['not JSON, and dropped: a datagram of 6 octets']);
});

test('more than an hour of results does not fill the memory', async () => {
  const { forwarder, posted, pass, lines } = bench(taken);
  for (let count = 0; count < 100_007; count += 1) {
    forwarder.add(datagram('a.example'));
  }
  await pass();
  expect(lines).toEqual(['7 results are lost: too many wait, or too large ones']);
  expect(posted[0]?.results).toHaveLength(100);
});

test('at the end all that waits leaves at once', async () => {
  const { forwarder, posted } = bench(taken);
  for (let count = 0; count < 150; count += 1) {
    forwarder.add(datagram('a.example'));
  }
  await forwarder.finish();
  expect(posted.map(({ results }) => results.length)).toEqual([100, 50]);
});

test('at the end nothing is waited for that is not taken', async () => {
  const { forwarder, posted, lines } = bench({ kind: 'later', reason: 'HTTP 503' });
  forwarder.add(datagram('a.example'));
  await forwarder.finish();
  expect(posted).toHaveLength(1);
  expect(lines).toEqual(['1 results are lost: HTTP 503']);
});

test('and a pause between two tries ends with it', async () => {
  const { forwarder, posted, pass } = bench({ kind: 'later', reason: 'HTTP 503' }, taken);
  forwarder.add(datagram('a.example'));
  await pass();
  await forwarder.finish();
  expect(posted).toHaveLength(2);
});

test('nothing to do is done', async () => {
  const { forwarder, posted } = bench(taken);
  await forwarder.finish();
  expect(posted).toEqual([]);
});

test('large results are fewer in a batch, so that they cost the others nothing', async () => {
  const { forwarder, posted, pass } = bench(taken);
  const large = Buffer.from(JSON.stringify({ d: 'a.example', x: 'x'.repeat(1_500_000) }));
  const larger = Buffer.from(JSON.stringify({ d: 'a.example', x: 'x'.repeat(5_000_000) }));
  for (const each of [large, large, large, larger, datagram('b.example')]) {
    forwarder.add(each);
  }
  for (let round = 0; round < 4; round += 1) {
    await pass();
  }
  expect(posted.map(({ results }) => results.length)).toEqual([2, 1, 1, 1]);
});

test('large results do not fill the memory, and make room when they have left', async () => {
  const { forwarder, posted, pass, lines } = bench(taken);
  const large = Buffer.from(JSON.stringify({ x: 'x'.repeat(4_999_992) }));
  for (let count = 0; count < 25; count += 1) {
    forwarder.add(large);
  }
  await pass();
  expect(lines).toEqual(['5 results are lost: too many wait, or too large ones']);
  forwarder.add(large);
  for (let round = 0; round < 20; round += 1) {
    await pass();
  }
  expect(posted).toHaveLength(21);
  expect(lines).toHaveLength(1);
});
