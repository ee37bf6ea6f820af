/** `npm run bench -- hostile` does the same with a million messages. */
import { expect, test } from 'vitest';
import { startRandom } from '../../random.ts';
import { makeSeeds, mutate, walkMessage } from './hostile-messages.ts';

const messages = 20_000;
const seeds = makeSeeds();

test('the seeds are well-formed', () => {
  expect(seeds.map(walkMessage)).not.toContain(false);
});

test(`${messages} changed messages are read or refused as malformed, and nothing else`, () => {
  const random = startRandom(1035);
  let wellFormed = 0;
  for (let index = 0; index < messages; index += 1) {
    wellFormed += walkMessage(mutate(seeds, random)) ? 1 : 0;
  }
  // Both happen often, so that both are tried.
  expect(wellFormed).toBeGreaterThan(messages / 20);
  expect(messages - wellFormed).toBeGreaterThan(messages / 20);
});
