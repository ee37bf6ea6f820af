import { expect, test } from 'vitest';
import { formatTable, summarizeOutcomes } from '../../../bin/tour/table.ts';

test('a row a scenario, with a mark, and what differs below it', () => {
  const table = formatTable([
    { scenario: 'one', expected: 'delivered', happened: 'delivered', why: 'ok', differences: [] },
    {
      scenario: 'second',
      expected: 'failed',
      happened: 'deferred',
      why: 'x'.repeat(200),
      differences: ['deferred was not expected'],
    },
  ]);
  const lines = table.split('\n');
  expect(lines.slice(0, 2)).toEqual([
    '  scenario  expected   happened   why',
    '✓ one       delivered  delivered  ok',
  ]);
  expect(lines[2]).toMatch(/^✗ second {4}failed {5}deferred {3}x+…$/);
  expect(lines[3]).toBe('    deferred was not expected');
});

test('outcomes are told once each', () => {
  const delivered = { outcome: 'delivered', status: '2.0.0' };
  expect(summarizeOutcomes([delivered, delivered])).toBe('delivered 2.0.0');
  expect(summarizeOutcomes([delivered, { outcome: 'failed', status: '5.1.1' }])).toBe(
    'delivered 2.0.0, failed 5.1.1',
  );
  expect(summarizeOutcomes([])).toBe('nothing');
});
