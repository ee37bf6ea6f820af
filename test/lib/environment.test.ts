/** What the stacks write into an environment is what the handlers read there. */
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  readDeliverEnvironment,
  readPolicyHostEnvironment,
  readReconcileEnvironment,
  readRefreshEnvironment,
  readRequeueEnvironment,
} from '../../functions/handlers/read-environment.ts';
import { exampleProps, synthesizeTemplates, type Templates } from './synthesize.ts';

const props = {
  ...exampleProps(),
  network: { smtpPort: 2525, allowPrivateAddresses: true },
  egress: { kind: 'smartHost' },
  delivery: {
    ...exampleProps().delivery,
    exceptions: [
      {
        domain: 'relay.example.com',
        policy: 'mta-sts',
        reason: 'ticket 4711',
        expires: '2027-01-01T00:00:00Z',
      },
    ],
    smartHost: {
      host: 'relay.example.com',
      port: 587,
      credentialsSecretArn: 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:relay-AbCdEf',
    },
  },
} as const;

let templates: Templates;

beforeAll(() => {
  templates = synthesizeTemplates({ replace: props });
});

describe('every handler accepts its environment and gets from it what the config says', () => {
  test('deliver', () => {
    const environment = readDeliverEnvironment(
      variablesOf(templates.delivery, 'SEALPOST_DELIVERY'),
    );
    expect(environment.SEALPOST_DELIVERY).toEqual(props.delivery);
    expect(environment.SEALPOST_NETWORK).toEqual(props.network);
  });

  test('refresh-policies', () => {
    // The delivery function has a policy table too, and the refresh no other variable of its own.
    const variables = variablesOf(templates.delivery, 'SEALPOST_POLICY_TABLE');
    expect(readRefreshEnvironment(variables).SEALPOST_NETWORK).toEqual(props.network);
  });

  test('requeue', () => {
    const variables = variablesOf(templates.delivery, 'SEALPOST_DEAD_LETTER_QUEUE_URL');
    expect(readRequeueEnvironment(variables)).toEqual(variables);
  });

  test('reconcile', () => {
    const variables = variablesOf(templates.delivery, 'SEALPOST_EXCEPTIONS');
    expect(readReconcileEnvironment(variables)).toEqual({
      ...variables,
      SEALPOST_EXCEPTIONS: props.delivery.exceptions,
    });
  });

  test('policy-host', () => {
    const variables = variablesOf(templates.policyHost, 'SEALPOST_POLICIES');
    expect(readPolicyHostEnvironment(variables).SEALPOST_POLICIES).toEqual(
      Object.fromEntries(props.domains.map(({ domain, policy }) => [domain, policy])),
    );
  });
});

/** The environment of the function with the fewest variables that has `name`; a name in place of what is resolved later. */
function variablesOf(template: Template, name: string): Record<string, string> {
  const environments = Object.values(template.findResources('AWS::Lambda::Function'))
    .map(({ Properties }) => Properties.Environment.Variables as Record<string, unknown>)
    .filter((variables) => name in variables)
    .sort((a, b) => Object.keys(a).length - Object.keys(b).length);
  return Object.fromEntries(
    Object.entries(environments[0] ?? {}).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : 'resolved-later',
    ]),
  );
}
