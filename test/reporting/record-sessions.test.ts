/** Recording: what is written down, for whom, and that nothing of it holds mail up. */
import { describe, expect, test } from 'vitest';
import type { AppliedPolicy } from '../../functions/protocol/tlsrpt/tally.ts';
import type {
  RecordedResults,
  RecordingEvent,
  RecordLookup,
} from '../../functions/reporting/ports.ts';
import {
  createSessionRecorder,
  type SessionRecorder,
} from '../../functions/reporting/record-sessions.ts';

const sts: AppliedPolicy = {
  type: 'sts',
  domain: 'a.example',
  strings: ['mode: enforce'],
  mxHosts: [],
};
const tlsa: AppliedPolicy = {
  type: 'tlsa',
  domain: 'mx.b.example',
  strings: ['3 1 1 AB'],
  mxHosts: [],
};
const evening = Date.parse('2026-11-23T23:59:59.999Z');

function world(records: Readonly<Record<string, RecordLookup>>): {
  readonly recorder: SessionRecorder;
  readonly written: RecordedResults[];
  readonly events: RecordingEvent[];
  fail?: Error;
} {
  const written: RecordedResults[] = [];
  const events: RecordingEvent[] = [];
  let serial = 0;
  const made = {
    written,
    events,
    recorder: createSessionRecorder({
      store: {
        write: async (results) => {
          if (made.fail !== undefined) {
            throw made.fail;
          }
          written.push(...results);
        },
      },
      lookUpRecord: async (domain) => records[domain] ?? { kind: 'none', reason: 'no TXT' },
      idOf: () => `id-${++serial}`,
      observe: (event) => events.push(event),
    }),
  } as {
    recorder: SessionRecorder;
    written: RecordedResults[];
    events: RecordingEvent[];
    fail?: Error;
  };
  return made;
}

const text = 'v=TLSRPTv1; rua=mailto:r@a.example';
const asks: RecordLookup = { kind: 'record', text };

test('sessions of a batch are one item for each day and domain', async () => {
  const { recorder, written } = world({ 'a.example': asks });
  recorder.record({ domain: 'a.example', startedAtMs: evening, policy: sts });
  recorder.record({
    domain: 'a.example',
    startedAtMs: evening,
    policy: sts,
    failure: { resultType: 'certificate-expired' },
  });
  recorder.record({ domain: 'a.example', startedAtMs: evening + 1, policy: sts });
  await recorder.flush(0);
  expect(written).toEqual([
    {
      id: 'id-1',
      day: '2026-11-23',
      domain: 'a.example',
      record: text,
      policies: [
        {
          policy: sts,
          successes: 1,
          failures: 1,
          details: [{ failure: { resultType: 'certificate-expired' }, sessions: 1 }],
        },
      ],
    },
    {
      id: 'id-2',
      day: '2026-11-24',
      domain: 'a.example',
      record: text,
      policies: [{ policy: sts, successes: 1, failures: 0, details: [] }],
    },
  ]);
  await recorder.flush(0);
  expect(written.length).toBe(2);
});

describe('who asks for reports', () => {
  test.each<[RecordLookup, number, string]>([
    [{ kind: 'none', reason: 'no TXT' }, 0, 'nobody: nothing is written'],
    [{ kind: 'failed', reason: 'SERVFAIL' }, 1, 'unknown: kept, and decided when reports are sent'],
    [asks, 1, 'somebody'],
  ])('%j', async (lookup, items, _reason) => {
    const { recorder, written } = world({ 'a.example': lookup });
    recorder.record({ domain: 'a.example', startedAtMs: evening, policy: sts });
    await recorder.flush(0);
    expect(written.length).toBe(items);
    expect(written[0]?.record).toBe(lookup.kind === 'record' ? text : undefined);
  });

  test('DANE is told to the recipient and to the TLSA base domain, each by its own record', async () => {
    const { recorder, written } = world({
      'a.example': asks,
      'mx.b.example': { kind: 'record', text: 'v=TLSRPTv1; rua=mailto:r@b.example' },
    });
    recorder.record({ domain: 'a.example', startedAtMs: evening, policy: tlsa });
    recorder.record({ domain: 'a.example', startedAtMs: evening, policy: sts });
    await recorder.flush(0);
    expect(
      written.map(({ domain, policies }) => [domain, policies.map(({ policy }) => policy.type)]),
    ).toEqual([
      ['a.example', ['tlsa', 'sts']],
      ['mx.b.example', ['tlsa']],
    ]);
  });
});

test('what cannot be written is counted as lost, and stops nothing', async () => {
  const made = world({ 'a.example': asks });
  made.recorder.record({ domain: 'a.example', startedAtMs: evening, policy: sts });
  made.fail = new Error('throttled');
  await made.recorder.flush(0);
  expect(made.events).toEqual([{ kind: 'results-lost', sessions: 1, error: made.fail }]);
});
