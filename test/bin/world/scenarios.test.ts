import { describe, expect, test } from 'vitest';
import type { MxConnection, MxTransaction } from '../../../bin/world/mx-record.ts';
import {
  compareScenario,
  type Expected,
  joinWorlds,
  type Observed,
  readWhyRecords,
} from '../../../bin/world/scenario.ts';
import { ownPolicyScenario, scenarios, tourScenarios } from '../../../bin/world/scenarios.ts';
import { startWorld } from '../../../bin/world/world.ts';
import type { WhyRecord } from '../../../functions/delivery/why.ts';
import { failures } from '../../../functions/protocol/errors.ts';
import { parseQueueMessage } from '../../../functions/submission/queue-message.ts';

const defaults = { sqsMessageId: 'one', sentAtMs: 0, expiryDays: 5 };

describe('the scenario table', () => {
  test('every scenario has a name and a title of its own', () => {
    expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
    expect(new Set(scenarios.map(({ title }) => title)).size).toBe(scenarios.length);
  });

  test('every message is a queue message', () => {
    const preludes = scenarios.flatMap(({ prelude }) =>
      prelude.flatMap((step) => (step.kind === 'send' ? [step.message] : [])),
    );
    for (const message of [...scenarios.flatMap(({ messages }) => messages), ...preludes]) {
      expect(parseQueueMessage(JSON.stringify(message), defaults).id).toBe('sqs-one');
    }
  });

  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s: statuses fit outcomes, result types fit codes, and every host is accounted for',
    (_, { expected, world }) => {
      for (const { outcome, status } of expected.recipients) {
        expect(status[0]).toBe({ delivered: '2', deferred: '4', failed: '5' }[outcome]);
      }
      expect(expected.mx.map(({ host }) => host)).toEqual(world.mxHosts.map(({ name }) => name));
      if (expected.resultTypes !== undefined) {
        const types = expected.codes.map((code) => failures[code].resultType);
        expect(new Set(expected.resultTypes)).toEqual(
          new Set(types.filter((type) => type !== null)),
        );
      }
    },
  );

  test.each([
    'enforce-valid',
    'enforce-starttls-stripped',
    'enforce-wrong-name',
    'enforce-expired',
    'enforce-untrusted',
    'enforce-mx-not-listed',
    'testing-wrong-name',
    'requiretls-offered',
    'requiretls-not-offered',
    'requiretls-no-policy',
    'tls-optional-wrong-name',
    'policy-host-down',
    'opportunistic',
    'two-recipients-one-rejected',
    'null-mx',
    'three-messages-one-connection',
    'dane-ee',
    'dane-mismatch',
    'dane-tlsa-bogus',
    'dane-ta',
    'dane-unusable',
    'dane-insecure-zone',
    'dane-mx-alias',
    'requiretls-dane',
    'dane-forged-mx',
  ])('the tour shows %s', (name) => {
    expect(tourScenarios.map((scenario) => scenario.name)).toContain(name);
  });

  test('nobody in the tour keeps the sender waiting', () => {
    expect(tourScenarios.filter(({ attemptMs }) => attemptMs !== undefined)).toEqual([]);
  });
});

function transaction(changes: Partial<MxTransaction> = {}): MxTransaction {
  return {
    mail: { address: 'a@sender.example', parameters: { SIZE: '1', REQUIRETLS: '' } },
    recipients: [
      { address: 'b@x.example', parameters: { NOTIFY: 'NEVER' }, accepted: true },
      { address: 'c@x.example', parameters: {}, accepted: false },
    ],
    command: 'BDAT',
    content: Buffer.from('x'),
    complete: true,
    accepted: true,
    overTls: true,
    ...changes,
  };
}

function connection(changes: Partial<MxConnection> = {}): MxConnection {
  return {
    tls: { version: 'TLSv1.3', cipher: 'x', serverName: 'mx1.x.example', resumed: false },
    tlsError: undefined,
    authenticated: false,
    transcript: [],
    transactions: [transaction()],
    violations: [],
    ended: 'quit',
    ...changes,
  };
}

const expected: Expected = {
  recipients: [
    { address: 'b@x.example', outcome: 'delivered', status: '2.0.0' },
    { address: 'c@x.example', outcome: 'failed', status: '5.1.1' },
  ],
  codes: ['rejected'],
  resultTypes: [],
  mx: [
    {
      host: 'mx1.x.example',
      messages: 1,
      connections: 1,
      channel: 'tls',
      serverName: 'mx1.x.example',
      mailParameters: { REQUIRETLS: '', RET: null },
      rcptParameters: { 'b@x.example': { NOTIFY: 'NEVER' } },
      recipients: ['b@x.example'],
      contents: [Buffer.from('x').toString('base64')],
    },
  ],
};

const observed: Observed = {
  recipients: [...expected.recipients].reverse(),
  codes: ['sts-mx-mismatch', 'rejected'],
  resultTypes: [],
  mx: { 'mx1.x.example': [connection()] },
};

function seen(...connections: MxConnection[]): Partial<Observed> {
  return { mx: { 'mx1.x.example': connections } };
}

describe('compareScenario', () => {
  test('is content with what must be, in any order and with further codes', () => {
    expect(compareScenario(expected, observed)).toEqual({ asExpected: true, differences: [] });
  });

  test.each<[Partial<Observed>, string]>([
    [{ recipients: expected.recipients.slice(1) }, 'b@x.example delivered 2.0.0 was expected'],
    [
      { recipients: [...expected.recipients, ...expected.recipients.slice(0, 1)] },
      'b@x.example delivered 2.0.0 was not expected',
    ],
    [{ codes: [] }, 'the code rejected is not on record'],
    [
      { resultTypes: ['validation-failure'] },
      'result types: [] expected, ["validation-failure"] seen',
    ],
    [seen(), 'mx1.x.example: messages: 1 expected, 0 seen'],
    [seen(connection(), connection()), 'mx1.x.example: connections: 1 expected, 2 seen'],
    [
      seen(connection({ transactions: [transaction({ accepted: false })] })),
      'mx1.x.example: messages: 1 expected, 0 seen',
    ],
    [
      seen(connection({ transactions: [transaction(), transaction({ accepted: false })] })),
      'mx1.x.example: transactions: 1 expected, 2 seen',
    ],
    [
      seen(connection({ transactions: [transaction({ overTls: false })] })),
      'mx1.x.example: channel: "tls" expected, "clear" seen',
    ],
    [
      seen(
        connection({
          tls: { version: '', cipher: '', serverName: 'mx2.x.example', resumed: true },
        }),
      ),
      'mx1.x.example: SNI: "mx1.x.example" expected, "mx2.x.example" seen',
    ],
    [
      seen(
        connection({
          transactions: [transaction({ mail: { address: '', parameters: { RET: 'FULL' } } })],
        }),
      ),
      'mx1.x.example: MAIL REQUIRETLS: "" expected, null seen',
    ],
    [
      seen(
        connection({
          transactions: [
            transaction({
              recipients: [{ address: 'b@x.example', parameters: {}, accepted: true }],
            }),
          ],
        }),
      ),
      'mx1.x.example: RCPT b@x.example: {"NOTIFY":"NEVER"} expected, {} seen',
    ],
    [
      seen(connection({ transactions: [transaction({ content: Buffer.from('y') })] })),
      'mx1.x.example: content: not the octets that were handed in',
    ],
    [
      seen(connection({ violations: [{ kind: 'bare-lf', detail: 'MAIL' }] })),
      'mx1.x.example: violation bare-lf (MAIL)',
    ],
    [
      { mx: { ...observed.mx, 'mx2.x.example': [connection()] } },
      'mx2.x.example: messages: 0 expected, 1 seen',
    ],
  ])('%#: %s', (changes, difference) => {
    const { asExpected, differences } = compareScenario(expected, { ...observed, ...changes });
    expect(asExpected).toBe(false);
    expect(differences).toContain(difference);
  });
});

test('a why record tells recipients, codes and result types, wherever they stand in it', () => {
  const why: WhyRecord = {
    version: 1,
    id: 'x',
    domain: 'x.example',
    attempt: 1,
    startedAt: '2026-11-24T12:00:00Z',
    endedAt: '2026-11-24T12:00:01Z',
    demand: { level: 'default', reason: '' },
    lookups: [],
    hosts: [
      {
        host: 'a',
        preference: 1,
        skipped: { code: 'sts-mx-mismatch', reason: '', resultType: 'validation-failure' },
        tries: [],
      },
      {
        host: 'b',
        preference: 2,
        tries: [
          {
            address: '127.25.0.1',
            level: 'pkix',
            failure: { code: 'certificate-expired', reason: '', resultType: 'certificate-expired' },
          },
          {
            address: '127.25.0.2',
            level: 'opportunistic',
            noted: {
              code: 'starttls-refused',
              reason: '',
              resultType: 'starttls-not-supported',
            },
          },
        ],
      },
    ],
    recipients: [{ address: 'b@x.example', outcome: 'failed', status: '5.1.1', reply: '550' }],
    decision: { row: '', outcome: 'failed', code: 'rejected', reason: '' },
  };
  expect(readWhyRecords([why, why])).toEqual({
    recipients: [
      { address: 'b@x.example', outcome: 'failed', status: '5.1.1' },
      { address: 'b@x.example', outcome: 'failed', status: '5.1.1' },
    ],
    codes: ['certificate-expired', 'rejected', 'starttls-refused', 'sts-mx-mismatch'],
    resultTypes: ['certificate-expired', 'starttls-not-supported', 'validation-failure'],
  });
});

test('our own domain has its MX hosts in the world, and a place for its policy host', async () => {
  const scenario = ownPolicyScenario({
    domain: 'own.example',
    mx: ['mx1.own.example', 'mx.elsewhere.example'],
    record: 'v=STSv1; id=abc;',
  });
  const world = await startWorld(joinWorlds([scenario]));
  try {
    const place = await world.reserve('mta-sts.own.example');
    expect(world.zones.lookup('mta-sts.own.example', 'A').records).toMatchObject([
      { data: place.address },
    ]);
    for (const host of ['mx1.own.example', 'mx.elsewhere.example']) {
      expect(world.zones.lookup(host, 'A').records).toMatchObject([
        { data: world.mx(host).address },
      ]);
    }
    expect(world.zones.lookup('_mta-sts.own.example', 'TXT').records).toHaveLength(1);
  } finally {
    await world.stop();
  }
});
