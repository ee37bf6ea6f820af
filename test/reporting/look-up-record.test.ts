/** Who wants reports, as DNS says. */
import { beforeEach, expect, test } from 'vitest';
import type { Answer, RecordType, Resolver } from '../../functions/protocol/dns/answer.ts';
import { createRecordLookup } from '../../functions/reporting/look-up-record.ts';
import type { LookUpRecord, RecordLookup } from '../../functions/reporting/ports.ts';

type Txt = readonly string[] | 'nodata' | 'nxdomain' | 'failed' | 'bogus';

let nowMs: number;
let txt: Txt;
let questions: string[];
let lookUp: LookUpRecord;

const resolver: Resolver = {
  lookup: async <T extends RecordType>(name: string, type: T, deadlineMs: number) => {
    questions.push(`${name} ${type} ${deadlineMs}`);
    return answer(name) as Answer<T>;
  },
};

function answer(name: string): Answer<'TXT'> {
  if (txt === 'failed') {
    return { kind: 'failed', code: 'dns-timeout', reason: 'no answer' };
  }
  const facts = { canonicalName: name, aliases: [], ttlSeconds: 60, status: 'insecure' } as const;
  if (txt === 'nodata' || txt === 'nxdomain') {
    return { ...facts, kind: txt };
  }
  return txt === 'bogus'
    ? { ...facts, status: 'bogus', kind: 'records', records: [record] }
    : { ...facts, kind: 'records', records: txt };
}

const record = 'v=TLSRPTv1; rua=mailto:r@a.example';

beforeEach(() => {
  nowMs = 1_000;
  questions = [];
  lookUp = createRecordLookup({ resolver, now: () => nowMs });
});

test.each<[Txt, RecordLookup['kind'], string]>([
  [[record], 'record', 'asks for reports'],
  [['v=spf1 -all', record], 'record', 'among others'],
  ['nodata', 'none', 'has other records'],
  ['nxdomain', 'none', 'has none'],
  [['v=spf1 -all'], 'none', 'no TLSRPT record'],
  [[record, record], 'none', 'two are as good as none (RFC 8460 §3)'],
  [['v=TLSRPTv1; rua=ftp://a.example'], 'none', 'nowhere to send to'],
  ['failed', 'failed', 'nobody knows'],
  ['bogus', 'failed', 'forged perhaps'],
])('%j: %s, %s', async (answered, kind, _reason) => {
  txt = answered;
  expect(await lookUp('a.example', 5_000)).toMatchObject({
    kind,
    ...(kind === 'record' && { text: record }),
  });
  expect(questions).toEqual(['_smtp._tls.a.example TXT 5000']);
});

test.each([
  [`${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(60), 'no room for the labels in front'],
  ['[192.0.2.1]', 'an address literal'],
  ['', 'nothing'],
])('%j is not asked for: %s', async (domain, _reason) => {
  txt = [record];
  expect(await lookUp(domain, 5_000)).toMatchObject({ kind: 'none' });
  expect(questions).toEqual([]);
});

test('a failure stands for a minute, an answer only as long as the resolver remembers it', async () => {
  txt = 'failed';
  await lookUp('a.example', 5_000);
  txt = [record];
  nowMs += 59_999;
  expect(await lookUp('a.example', 65_000)).toMatchObject({ kind: 'failed' });
  nowMs += 1;
  expect(await lookUp('a.example', 65_000)).toMatchObject({ kind: 'record' });
  await lookUp('a.example', 65_000);
  expect(questions).toHaveLength(3);
});
