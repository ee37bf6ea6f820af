import { describe, expect, test } from 'vitest';
import {
  addException,
  type ExceptionRequest,
  type ExceptionSettings,
  type ExceptionsContext,
  exceptionRequestSchema,
  exceptionsMax,
  findExpiring,
  listExceptions,
  removeException,
} from '../../functions/operating/exceptions.ts';
import { storedException } from './control-store-contract.ts';
import { createMemoryControls } from './memory-controls.ts';

const nowMs = Date.UTC(2026, 10, 24, 12);

const settings: ExceptionSettings = { exceptions: [], mtaSts: true, dane: true, daneOnly: [] };

const smartHost = { host: 'relay.example', port: 587, credentialsSecretArn: 'arn:aws:x' };

function contextWith(change: Partial<ExceptionSettings> = {}): ExceptionsContext {
  return { store: createMemoryControls(), settings: { ...settings, ...change }, nowMs };
}

const request: ExceptionRequest = {
  domain: 'example.net',
  policy: 'mta-sts',
  reason: 'their certificate ran out, ticket 7',
  expires: '2026-12-01T00:00:00Z',
};

type Change = Partial<ExceptionRequest>;

describe('what an operator may write', () => {
  test('a domain in any form becomes A-labels, blanks around the reason go', () => {
    const written = { ...request, domain: 'Bücher.Example.', reason: ' ticket 7 ' };
    expect(exceptionRequestSchema.parse(written)).toEqual({
      ...request,
      domain: 'xn--bcher-kva.example',
      reason: 'ticket 7',
    });
  });

  test.each<[object, string, string]>([
    [{ domain: 'a..example' }, 'domain', 'no domain name'],
    [{ domain: '192.0.2.1' }, 'domain', 'an address'],
    [{ policy: 'all' }, 'policy', 'there is no exception from everything'],
    [{ reason: '  ' }, 'reason', 'no reason'],
    [{ reason: 'a\nb' }, 'reason', 'two lines'],
    [{ reason: 'a\u001b[2Jb' }, 'reason', 'what a terminal would obey'],
    [{ reason: 'a\u202eb' }, 'reason', 'what would turn the line round'],
    [{ reason: 'x'.repeat(501) }, 'reason', 'a long reason'],
    [{ expires: undefined }, 'expires', 'no end'],
    [{ expires: '2026-12-01' }, 'expires', 'a day, which begins when?'],
    [{ author: 'bob' }, '', 'the author is who asks, not what is said'],
  ])('%j is refused by its field %j: %s', (change, field) => {
    const parsed = exceptionRequestSchema.safeParse({ ...request, ...change });
    expect(parsed.error?.issues.map(({ path }) => path.join('.'))).toEqual([field]);
  });
});

describe('adding', () => {
  test('keeps what was asked for, who asked and when', async () => {
    const context = contextWith();
    const exception = { ...request, author: 'alice', addedAtMs: nowMs };
    expect(await addException(request, 'alice', context)).toEqual({ kind: 'added', exception });
    expect(await context.store.listExceptions()).toEqual([exception]);
  });

  test('renews, and tells what it took the place of', async () => {
    const context = contextWith();
    await context.store.putException(storedException({ author: 'bob' }));
    expect(await addException(request, 'alice', context)).toMatchObject({
      kind: 'added',
      exception: { author: 'alice' },
      replaced: { author: 'bob' },
    });
    expect(await context.store.listExceptions()).toHaveLength(1);
  });

  test.each<[Change, Partial<ExceptionSettings>, string, string]>([
    [{ expires: '2026-11-24T12:00:00Z' }, {}, 'expires', 'over this very moment'],
    [{ expires: '2026-11-24T12:59:00+01:00' }, {}, 'expires', 'over, in another zone'],
    [{ expires: '2027-11-25T12:00:01Z' }, {}, 'expires', 'in more than 366 days'],
    [{}, { mtaSts: false }, 'policy', 'nothing to be excepted from'],
    [{ policy: 'dane' }, { dane: false }, 'policy', 'the same for DANE'],
    [{ policy: 'dane' }, { daneOnly: ['example.net'] }, 'domain', 'against a setting'],
    [{}, { smartHost }, 'domain', 'mail goes to the smart host, whatever its domain'],
    [{ policy: 'tagging' }, { smartHost }, 'domain', 'tagging too goes by the next hop'],
  ])('%j under %j: refused by %s (%s)', async (change, changed, field) => {
    const context = contextWith(changed);
    const outcome = await addException({ ...request, ...change }, 'alice', context);
    expect(outcome).toMatchObject({ kind: 'refused', faults: [{ field }] });
    expect(await context.store.listExceptions()).toEqual([]);
  });

  test.each<[Change, Partial<ExceptionSettings>, string]>([
    [{ expires: '2027-11-25T12:00:00Z' }, {}, '366 days'],
    [{ policy: 'tagging' }, { mtaSts: false, dane: false }, 'tagging is always there'],
    [{ policy: 'mta-sts' }, { daneOnly: ['example.net'] }, 'DANE still holds'],
    [{ domain: smartHost.host }, { smartHost }, 'the only policy domain'],
  ])('%j under %j: taken (%s)', async (change, changed) => {
    const outcome = await addException({ ...request, ...change }, 'alice', contextWith(changed));
    expect(outcome.kind).toBe('added');
  });

  test('stops at a number, but renews', async () => {
    const context = contextWith();
    for (let index = 0; index < exceptionsMax; index += 1) {
      await context.store.putException(storedException({ domain: `d${index}.example` }));
    }
    expect(await addException(request, 'alice', context)).toMatchObject({
      kind: 'refused',
      faults: [{ field: 'domain', fault: expect.stringContaining('remove some') }],
    });
    const again = { ...request, domain: 'd7.example' };
    expect(await addException(again, 'alice', context)).toMatchObject({ kind: 'added' });
  });
});

test('the list has those of config and run time by domain, and says which are ending or over', async () => {
  const context = contextWith({
    exceptions: [{ domain: 'm.example', policy: 'dane', reason: 'x', expires: request.expires }],
  });
  const put = (domain: string, expires: string): Promise<void> =>
    context.store.putException(storedException({ domain, expires }));
  await put('z.example', '2026-11-24T11:00:00Z');
  await put('a.example', '2026-11-27T12:00:00Z');
  await put('b.example', '2026-11-27T12:00:01Z');
  const listed = await listExceptions(context);
  expect(listed.map(({ domain, source, state }) => [domain, source, state])).toEqual([
    ['a.example', 'run-time', 'expiring'],
    ['b.example', 'run-time', 'in-force'],
    ['m.example', 'config', 'in-force'],
    ['z.example', 'run-time', 'over'],
  ]);
  expect(listed[0]?.addedAt).toBe('2026-11-24T12:00:00.000Z');
});

test.each<[string, ExceptionRequest['policy'], string, string]>([
  ['example.net', 'mta-sts', 'removed', 'whether or not it is over'],
  ['example.net', 'dane', 'absent', 'another policy'],
  ['m.example', 'dane', 'config', 'that one is taken out of the config file'],
])('removing the exception of %s from %s: %s (%s)', async (domain, policy, outcome) => {
  const context = contextWith({
    exceptions: [{ domain: 'm.example', policy: 'dane', reason: 'x', expires: request.expires }],
  });
  await context.store.putException(storedException({ expires: '2026-01-01T00:00:00Z' }));
  expect(await removeException({ domain, policy }, context)).toBe(outcome);
});

test.each([
  ['2026-11-24T12:00:00Z', 0, 'over'],
  ['2026-11-24T12:00:01Z', 1, 'about to end'],
  ['2026-11-27T12:00:00Z', 1, 'in three days'],
  ['2026-11-27T12:00:01Z', 0, 'later'],
])('of an exception until %s %i is expiring (%s)', (expires, count) => {
  expect(findExpiring([storedException({ expires })], nowMs)).toHaveLength(count);
});
