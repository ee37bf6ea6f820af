/** From a session to its report: the synthesized stacks in the local cloud, a simulated internet around them. */
import { generateKeyPairSync } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { startLocalCloud } from '../../../bin/local/cloud.ts';
import { sendReports, startReportDestinations } from '../../../bin/tour/send-reports.ts';
import { createSender, playScenario } from '../../../bin/tour/send-scenario.ts';
import { joinWorlds } from '../../../bin/world/scenario.ts';
import { scenarios } from '../../../bin/world/scenarios.ts';
import { startWorld } from '../../../bin/world/world.ts';
import { createApp } from '../../lib/synthesize.ts';

const secretArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:dkim-AbCdEf';

test('what is sent in the day is reported, by mail and by HTTPS, signed', async () => {
  const played = scenarios.filter(({ name }) =>
    ['enforce-valid', 'testing-wrong-name'].includes(name),
  );
  const reports = {
    settings: {
      organizationName: 'Example Ltd',
      contactInfo: 'tls-reports@example.com',
      onlyFailures: false,
      destinations: [],
    },
    dkimKeys: [{ domain: 'example.com', selector: 'tour', secretArn }],
  };
  const { directory } = createApp({
    bundle: ['SealpostDelivery', 'SealpostReporting'],
    replace: { reports, recording: {} },
  }).synth();
  const world = await startWorld(joinWorlds(played));
  onTestFinished(() => world.stop());
  const destinations = await startReportDestinations(world);
  onTestFinished(() => destinations.stop());
  const { privateKey } = generateKeyPairSync('ed25519');
  const cloud = await startLocalCloud({
    assembly: directory,
    network: world.network,
    schedules: 'onDemand',
    secrets: { [secretArn]: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string },
  });
  onTestFinished(() => cloud.stop());

  const sender = createSender(cloud);
  for (const scenario of played) {
    expect((await playScenario(scenario, { world, sender })).differences).toEqual([]);
  }
  const rows = await sendReports(cloud, destinations);
  expect(rows.flatMap(({ differences }) => differences)).toEqual([]);
  expect(rows.map(({ happened }) => happened)).toEqual([
    'report of successes',
    'report of failures',
  ]);
  expect(destinations.posted).toMatchObject([
    {
      'contact-info': 'tls-reports@example.com',
      policies: [
        {
          policy: { 'policy-type': 'sts', 'policy-domain': 'testing-wrong-name.example' },
          'failure-details': [{ 'result-type': 'certificate-host-mismatch' }],
        },
      ],
    },
  ]);
  const mail = cloud.ses.messages[0]?.raw?.toString();
  expect(mail).toMatch(/^DKIM-Signature: v=1; a=ed25519-sha256;[^:]*d=example\.com;/);
});
