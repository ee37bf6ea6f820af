/** From a session to its report, and back in: the synthesized stacks in the local cloud, a simulated internet around them. */
import { expect, onTestFinished, test } from 'vitest';
import { startLocalCloud } from '../../../bin/local/cloud.ts';
import { tourKeyOf, tourReportInbox } from '../../../bin/tour/assembly.ts';
import { receiveReport } from '../../../bin/tour/receive-report.ts';
import { sendReports, startReportDestinations } from '../../../bin/tour/send-reports.ts';
import { createSender, playScenario } from '../../../bin/tour/send-scenario.ts';
import { joinWorlds } from '../../../bin/world/scenario.ts';
import { scenarios } from '../../../bin/world/scenarios.ts';
import { startWorld } from '../../../bin/world/world.ts';
import { createApp } from '../../lib/synthesize.ts';

const secretArn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:dkim-AbCdEf';

test('what is sent in the day is reported, by mail and by HTTPS, signed, and taken in', async () => {
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
    dkimKeys: [{ ...tourKeyOf, secretArn }],
  };
  const { mailbox, domains } = tourReportInbox;
  const reportInbox = {
    mailbox,
    createsIdentity: true,
    https: false,
    setting: { domains, mxHosts: [], failurePercentMax: 5 },
    domains: domains.map((domain) => ({ domain })),
  };
  const { directory } = createApp({
    bundle: ['SealpostDelivery', 'SealpostReporting', 'SealpostReportInbox'],
    replace: { reports, recording: {}, reportInbox },
  }).synth();
  const world = await startWorld(joinWorlds(played));
  onTestFinished(() => world.stop());
  const destinations = await startReportDestinations(world);
  onTestFinished(() => destinations.stop());
  const cloud = await startLocalCloud({
    assembly: directory,
    network: world.network,
    schedules: 'onDemand',
    secrets: { [secretArn]: destinations.signingKey },
  });
  onTestFinished(() => cloud.stop());

  const sender = createSender(cloud);
  for (const scenario of played) {
    expect((await playScenario(scenario, { world, sender })).differences).toEqual([]);
  }
  const { rows, received } = await sendReports(cloud, destinations);
  expect(rows.flatMap(({ differences }) => differences)).toEqual([]);
  expect(rows.map(({ happened }) => happened)).toEqual([
    'report of successes',
    'report of failures',
    'report counted',
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
  const mail = cloud.ses.messages[0]?.raw?.toString() ?? '';
  expect(mail).toMatch(/^DKIM-Signature: v=1; a=ed25519-sha256;[^:]*d=example\.com;/);
  expect(received).toMatch(/^state +counted$/m);
  expect(received).toMatch(/^submitter +example\.com$/m);
  expect(received).toMatch(/^enforce-valid\.example, sts: \d+ sessions succeeded, 0 failed$/m);

  // What came in was judged: with a word of it changed it is not counted, and the tour says so.
  const changed = mail.replace(/^Subject: /im, 'Subject: Re: ');
  expect(await receiveReport(cloud, Buffer.from(changed))).toMatchObject({
    row: {
      happened: 'report unverified',
      differences: [expect.stringContaining('not signed by example.com')],
    },
    shown: expect.stringMatching(/^state +unverified$/m),
  });
  expect((await receiveReport(cloud, undefined)).row).toMatchObject({
    happened: 'nothing',
    differences: ['no report was mailed that could come in'],
  });
});
