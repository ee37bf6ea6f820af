import { describe, expect, test } from 'vitest';
import type { TaggingRule } from '../../functions/environment.ts';
import {
  addRule,
  listRules,
  type RuleSettings,
  type RulesContext,
  removeRule,
  ruleRequestSchema,
  rulesMax,
  testRules,
} from '../../functions/operating/rules.ts';
import { deliverySettings } from '../delivery-settings.ts';
import { storedException, storedRule } from './control-store-contract.ts';
import { createMemoryControls } from './memory-controls.ts';

const nowMs = Date.UTC(2026, 10, 24, 12);

const rule: TaggingRule = {
  name: 'bank',
  match: { sender: { glob: '*@bank.example' } },
  action: 'require',
};

function contextWith(change: Partial<RuleSettings> = {}): RulesContext {
  return {
    store: createMemoryControls(),
    settings: { rules: [], requireTls: true, ...change },
    nowMs,
  };
}

const positions = async ({ store }: RulesContext): Promise<unknown[]> =>
  (await store.listRules()).map(({ rule: { name }, position }) => [name, position]);

test.each<[object, string, string]>([
  [{ rule: { ...rule, name: 'a b' } }, 'rule.name', 'no name'],
  [{ rule: { ...rule, action: 'drop' } }, 'rule.action', 'rules do not drop'],
  [{ rule: { ...rule, match: { sender: 'x' } } }, 'rule.match.sender', 'which kind of pattern?'],
  [{ position: 1.5 }, 'position', 'no whole number'],
  [{ position: 1_000_001 }, 'position', 'too far'],
  [{ author: 'bob' }, '', 'the author is who asks, not what is said'],
])('%j is refused by its field %j (%s)', (change, field) => {
  const parsed = ruleRequestSchema.safeParse({ rule, ...change });
  expect(parsed.error?.issues.map(({ path }) => path.join('.'))).toEqual([field]);
});

describe('adding', () => {
  test('behind the others by default, with who and when', async () => {
    const context = contextWith();
    expect(await addRule({ rule }, 'alice', context)).toEqual({
      kind: 'added',
      rule: { rule, position: 10, author: 'alice', addedAtMs: nowMs },
    });
    await addRule({ rule: { ...rule, name: 'b' }, position: 35 }, 'alice', context);
    await addRule({ rule: { ...rule, name: 'c' } }, 'alice', context);
    await addRule({ rule: { ...rule, name: 'd' }, position: -1 }, 'alice', context);
    expect(await positions(context)).toEqual([
      ['d', -1],
      ['bank', 10],
      ['b', 35],
      ['c', 45],
    ]);
  });

  test('over another of its name only where that is said; it keeps its place', async () => {
    const context = contextWith();
    await context.store.putRule(storedRule('bank', { position: 7 }), { replace: false });
    await context.store.putRule(storedRule('z', { position: 90 }), { replace: false });
    expect(await addRule({ rule }, 'bob', context)).toEqual({ kind: 'exists' });
    const outcome = await addRule({ rule, replace: true }, 'bob', context);
    expect(outcome).toMatchObject({ kind: 'added', rule: { author: 'bob', position: 7 } });
  });

  test.each<[TaggingRule['match'], Partial<RuleSettings>, string, string]>([
    [{ sender: { regex: '(' } }, {}, 'rule.match.sender', 'no expression'],
    [{ sender: { regex: '(?=a)b' } }, {}, 'rule.match.sender', 'RE2 has no look-ahead'],
    [{ recipient: { regex: '(a{1,900}){1,900}' } }, {}, 'rule.match.recipient', 'too large'],
    [
      { header: { field: 'Subject', value: { regex: '\\1' } } },
      {},
      'rule.match.header',
      'no back-references',
    ],
    [{ bytesMin: 2, bytesMax: 1 }, {}, 'rule.match.bytesMax', 'nothing could match'],
    [{ bytesMin: 2 }, { rules: [rule] }, 'rule.name', 'a name of the config'],
    [{ bytesMin: 2 }, { requireTls: false }, 'rule', 'no rule is asked'],
  ])('%j under %j: refused by %s (%s)', async (match, settings, field) => {
    const context = contextWith(settings);
    expect(await addRule({ rule: { ...rule, match } }, 'alice', context)).toMatchObject({
      kind: 'refused',
      faults: [{ field }],
    });
    expect(await context.store.listRules()).toEqual([]);
  });

  test('stops at a number, but replaces', async () => {
    const context = contextWith();
    for (let index = 0; index < rulesMax; index += 1) {
      await context.store.putRule(storedRule(`r${index}`), { replace: false });
    }
    expect(await addRule({ rule }, 'alice', context)).toMatchObject({ kind: 'refused' });
    const again = { rule: { ...rule, name: 'r7' }, replace: true };
    expect(await addRule(again, 'alice', context)).toMatchObject({ kind: 'added' });
  });
});

test('the list is in the order of asking: run time by position, then the config', async () => {
  const context = contextWith({ rules: [{ ...rule, name: 'configured' }] });
  await context.store.putRule(storedRule('second', { position: 2 }), { replace: false });
  await context.store.putRule(storedRule('first', { position: 1 }), { replace: false });
  const listed = await listRules(context);
  expect(listed.map(({ name, source }) => [name, source])).toEqual([
    ['first', 'run-time'],
    ['second', 'run-time'],
    ['configured', 'config'],
  ]);
  expect(listed[0]).toMatchObject({ author: 'alice', addedAt: '2026-11-24T12:00:00.000Z' });
});

test.each([
  ['here', 'removed', 'it was made at run time'],
  ['configured', 'config', 'that one is taken out of the config file'],
  ['nowhere', 'absent', 'there is none'],
])('removing %s: %s (%s)', async (name, outcome) => {
  const context = contextWith({ rules: [{ ...rule, name: 'configured' }] });
  await context.store.putRule(storedRule('here'), { replace: false });
  expect(await removeRule(name, context)).toBe(outcome);
});

describe('testing a message', () => {
  const message = (mailFrom: string, ...to: string[]) => ({
    envelope: { mailFrom, rcptTo: to.map((address) => ({ address })) },
    content: Buffer.from('Subject: x\n\nhello\n'),
  });
  const settings = { ...deliverySettings, rules: [{ ...rule, name: 'configured' }] };

  test('names the rule that decides, run time before config', () => {
    const controls = { rules: [rule], exceptions: [] };
    expect(
      testRules(message('a@bank.example', 'b@x.example'), { settings, controls, nowMs }),
    ).toEqual({
      rule,
      domains: [
        {
          domain: 'x.example',
          recipients: ['b@x.example'],
          demand: 'require',
          reason: 'rule bank requires TLS',
        },
      ],
    });
  });

  test('names a rule that decides by leaving', () => {
    const leaving = { ...rule, action: 'leave' as const };
    const controls = { rules: [leaving], exceptions: [] };
    const tested = testRules(message('a@bank.example', 'b@x.example'), {
      settings,
      controls,
      nowMs,
    });
    expect(tested).toMatchObject({ rule: leaving, domains: [{ demand: 'default' }] });
  });

  test('says what becomes of each domain, tags and exceptions included', () => {
    const exception = storedException({ domain: 'y.example', policy: 'tagging' });
    const controls = { rules: [], exceptions: [exception] };
    const tested = testRules(message('a@other.example', 'b+requiretls@x.example', 'c@y.example'), {
      settings,
      controls,
      nowMs,
    });
    expect(tested).not.toHaveProperty('rule');
    expect(tested.domains).toMatchObject([
      { domain: 'x.example', recipients: ['b@x.example'], demand: 'require' },
      { domain: 'y.example', demand: 'default' },
    ]);
  });

  test('refuses a header that no message may have', () => {
    const broken = { ...message('', 'b@x.example'), content: Buffer.from('no header\n\nx\n') };
    const rules = { settings, controls: { rules: [], exceptions: [] }, nowMs };
    expect(() => testRules(broken, rules)).toThrow(
      expect.objectContaining({ code: 'content-invalid' }),
    );
  });
});
