/** From an HTTP request to an MX host: the synthesized stacks in the local cloud, a simulated internet around them. */
import { expect, onTestFinished, test } from 'vitest';
import { startLocalCloud } from '../../../bin/local/cloud.ts';
import { submitOverHttp } from '../../../bin/tour/submit-over-http.ts';
import { acceptedMessages } from '../../../bin/world/mx-record.ts';
import { scenarios } from '../../../bin/world/scenarios.ts';
import { startWorld } from '../../../bin/world/world.ts';
import { createApp } from '../../lib/synthesize.ts';

test('mail that is submitted over HTTP is delivered, once, and tells what became of it', async () => {
  const scenario = scenarios.find(({ name }) => name === 'enforce-valid');
  if (scenario === undefined) {
    throw new Error('the scenario was renamed');
  }
  const { directory } = createApp({ bundle: ['SealpostApi', 'SealpostDelivery'] }).synth();
  const world = await startWorld(scenario.world);
  onTestFinished(() => world.stop());
  const cloud = await startLocalCloud({
    assembly: directory,
    network: world.network,
    schedules: 'onDemand',
  });
  onTestFinished(() => cloud.stop());

  const rows = await submitOverHttp(cloud, 'user@enforce-valid.example');
  expect(rows.flatMap(({ differences }) => differences)).toEqual([]);

  const taken = acceptedMessages(world.mx('mx1.enforce-valid.example').connections);
  expect(taken).toHaveLength(2);
  for (const { content } of taken) {
    expect(content.toString()).toMatch(/^Received: [\s\S]*\r\nSubject: submitted over HTTP\r\n/m);
  }

  const unsigned = await fetch(`${cloud.url('HttpApi')}v1/messages`, { method: 'POST' });
  expect(unsigned.status).toBe(403);
});
