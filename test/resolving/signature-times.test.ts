/** RFC 4034 §3.1.5: times are serial numbers of 32 bits, which end in 2106. */
import { expect, test } from 'vitest';
import { createSignedWorld, signTree } from './signed-world.ts';

const turnSeconds = 2 ** 32;

/** The root, signed from an hour before the turn to an hour after it. */
const zones = signTree([
  {
    origin: '',
    records: [{ name: 'host', type: 'A', data: '192.0.2.1' }],
    change: () => ({ inceptionSeconds: turnSeconds - 3_600, expirationSeconds: 3_600 }),
  },
]);

test.each([
  [-3_601, 'dns-bogus', 'a second too early'],
  [-3_600, 'secure', 'the first second'],
  [-1, 'secure', 'before the turn'],
  [0, 'secure', 'at the turn'],
  [3_600, 'secure', 'the last second'],
  [3_601, 'dns-bogus', 'a second too late'],
] as const)('%i seconds from the turn: %s, %s', async (offset, expected, _reason) => {
  const nowMs = (turnSeconds + offset) * 1_000;
  const { resolver } = createSignedWorld(zones, { now: () => nowMs });
  const answer = await resolver.lookup('host', 'A', nowMs + 5_000);
  expect(answer.kind === 'failed' ? answer.code : answer.status).toBe(expected);
});
