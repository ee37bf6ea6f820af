// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Fn::Sub is written with them
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkFunctionDependencies } from '../../../bin/local/dependencies.ts';
import { openDeployment } from '../../../bin/local/deployment.ts';
import type { Deployment } from '../../../bin/local/resource.ts';
import { LocalCloudError, readAssembly } from '../../../bin/local/template.ts';
import { lambda, type StackJson, type TemplateJson, writeAssembly } from './assembly.ts';

async function deploy(stacks: Readonly<Record<string, StackJson>>): Promise<Deployment> {
  const assembly = await writeAssembly(stacks, { code: '' });
  return openDeployment(readAssembly(assembly, 'eu-north-1'), {
    sqsEndpoint: 'http://127.0.0.1:9',
    authority: (key) => `127.0.0.1:80#${key}`,
  });
}

function resources(declared: TemplateJson): StackJson {
  return { template: { Resources: declared } };
}

function withVariables(variables: TemplateJson, more: TemplateJson = {}): TemplateJson {
  return { ...lambda('code', { Environment: { Variables: variables } }), ...more };
}

describe('readAssembly', () => {
  test('tells the region of each stack, and reads stages', async () => {
    const assembly = await writeAssembly({
      Free: resources({}),
      Bound: { ...resources({}), environment: 'aws://123456789012/us-east-1' },
    });
    const inner = path.join(assembly, 'assembly-Stage');
    await mkdir(inner);
    await writeFile(path.join(inner, 'T.template.json'), '{"Resources":{}}');
    await writeFile(path.join(inner, 'T.assets.json'), '{"files":{}}');
    const artifact = (type: string, properties: object): object => ({ type, properties });
    await writeFile(
      path.join(inner, 'manifest.json'),
      JSON.stringify({
        artifacts: {
          T: artifact('aws:cloudformation:stack', {
            templateFile: 'T.template.json',
            stackName: 'Stage-T',
          }),
        },
      }),
    );
    await writeFile(
      path.join(assembly, 'manifest.json'),
      JSON.stringify({
        artifacts: {
          Bound: {
            ...artifact('aws:cloudformation:stack', { templateFile: 'Bound.template.json' }),
            environment: 'aws://123456789012/us-east-1',
          },
          Stage: artifact('cdk:cloud-assembly', { directoryName: 'assembly-Stage' }),
        },
      }),
    );
    expect(readAssembly(assembly, 'eu-north-1').map(({ name, region }) => [name, region])).toEqual([
      ['Bound', 'us-east-1'],
      ['Stage-T', 'eu-north-1'],
    ]);
  });

  test('names the file that is not as it should be', async () => {
    const assembly = await writeAssembly({ S: { template: { Outputs: {} } } });
    expect(() => readAssembly(assembly, 'eu-north-1')).toThrow(/S\.template\.json/);
    expect(() => readAssembly(path.join(assembly, 'none'), 'eu-north-1')).toThrow(LocalCloudError);
  });
});

describe('names', () => {
  test('are resolved within a stack, by parameter and by pseudo parameter', async () => {
    const { resources: all } = await deploy({
      Main: {
        environment: 'aws://unknown-account/us-east-1',
        template: {
          Parameters: { Version: { Type: 'String', Default: '/cdk/version' } },
          Resources: {
            Dead: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'dead' } },
            Mail: {
              Type: 'AWS::SQS::Queue',
              Properties: {
                RedrivePolicy: {
                  deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] },
                  maxReceiveCount: 3,
                },
              },
            },
            Fn: withVariables({
              URL: { Ref: 'Dead' },
              VERSION: { Ref: 'Version' },
              WHERE: { 'Fn::Sub': '${AWS::Partition}/${AWS::Region}/${AWS::StackName}' },
              EXTERNAL: { 'Fn::GetAtt': ['Role', 'Arn'] },
            }),
            Role: { Type: 'AWS::IAM::Role' },
          },
        },
      },
    });
    const [, mail, fn, role] = all;
    expect(mail?.property('RedrivePolicy')).toEqual({
      deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:dead',
      maxReceiveCount: 3,
    });
    expect(fn?.property('Environment')).toEqual({
      Variables: {
        URL: 'http://127.0.0.1:9/000000000000/dead',
        VERSION: '/cdk/version',
        WHERE: 'aws/us-east-1/Main',
        EXTERNAL: role?.identity().attribute('Arn'),
      },
    });
  });

  test('are imported from other stacks, whatever their order and region', async () => {
    const deployment = await deploy({
      User: resources({ Fn: withVariables({ TABLE: { 'Fn::ImportValue': 'State:Table' } }) }),
      State: {
        environment: 'aws://unknown-account/us-east-1',
        template: {
          Resources: { Table: { Type: 'AWS::DynamoDB::GlobalTable', Properties: {} } },
          Outputs: {
            Out: {
              Value: { Ref: 'Table' },
              Export: { Name: { 'Fn::Sub': '${AWS::StackName}:Table' } },
            },
          },
        },
      },
    });
    const [fn, table] = deployment.resources;
    const name = table?.identity().ref ?? '';
    expect(name).toMatch(/^State-Table-[0-9a-f]{8}$/);
    expect(fn?.property('Environment')).toEqual({ Variables: { TABLE: name } });
    expect(table?.identity().attribute('Arn')).toContain(':us-east-1:');
  });

  test('are the same at each start, and differ between stacks', async () => {
    const stacks = { A: resources({ Q: queue }), B: resources({ Q: queue }) };
    const refs = async (): Promise<readonly string[]> =>
      (await deploy(stacks)).resources.map((resource) => resource.identity().ref);
    const first = await refs();
    expect(await refs()).toEqual(first);
    expect(new Set(first).size).toBe(2);
  });

  test('of unmet conditions do not exist', async () => {
    const { resources: all } = await deploy({
      S: {
        template: {
          Parameters: { Stage: { Type: 'String', Default: 'dev' } },
          Conditions: {
            Prod: { 'Fn::Equals': [{ Ref: 'Stage' }, 'prod'] },
            Dev: { 'Fn::Not': [{ Condition: 'Prod' }] },
          },
          Resources: { P: { ...queue, Condition: 'Prod' }, D: { ...queue, Condition: 'Dev' } },
        },
      },
    });
    expect(all.map(({ logicalId }) => logicalId)).toEqual(['D']);
  });

  test('of outputs that cannot be had here are left out', async () => {
    const stack: StackJson = {
      template: {
        Resources: { Q: queue, X: { Type: 'AWS::Mars::Rover' } },
        Outputs: {
          Url: { Value: { Ref: 'Q' } },
          Rover: { Value: { Ref: 'X' } },
          Gone: { Value: { Ref: 'Nothing' } },
        },
      },
    };
    const deployment = await deploy({ S: stack });
    const [first] = deployment.resources;
    expect(Object.keys(first === undefined ? {} : deployment.outputs(first.stack))).toEqual([
      'Url',
    ]);
  });

  test.each<[TemplateJson, RegExp, string]>([
    [{ Ref: 'Nothing' }, /S\/Fn: S has no Nothing/, 'no such resource'],
    [{ 'Fn::GetAtt': ['Q', 'Colour'] }, /S\/Q has no attribute Colour/, 'no such attribute'],
    [{ 'Fn::ImportValue': 'Other:Thing' }, /no stack exports Other:Thing/, 'no such export'],
    [{ 'Fn::If': ['Maybe', 1, 2] }, /S declares no Maybe/, 'no such condition'],
  ])('%j is an error that says where: %s', async (value, message) => {
    const { resources: all } = await deploy({
      S: resources({ Q: queue, Fn: withVariables({ X: value }) }),
    });
    expect(() => all[1]?.property('Environment')).toThrow(message);
  });
});

const queue: TemplateJson = { Type: 'AWS::SQS::Queue', Properties: {} };
const unknown: TemplateJson = { Type: 'AWS::Mars::Rover', Properties: {} };

describe('what a function depends on', () => {
  test.each<[TemplateJson, string]>([
    [{ X: unknown, Fn: withVariables({ A: { Ref: 'X' } }) }, 'Ref in the environment'],
    [{ X: unknown, Fn: withVariables({ A: { 'Fn::GetAtt': ['X', 'Arn'] } }) }, 'GetAtt'],
    [{ X: unknown, Fn: withVariables({ A: { 'Fn::Sub': 'a-${X.Arn}' } }) }, 'Sub'],
    [
      { X: unknown, Fn: withVariables({ A: { 'Fn::Join': ['', ['a', { Ref: 'X' }]] } }) },
      'within Join',
    ],
    [{ X: unknown, Fn: withVariables({}, { DependsOn: ['X'] }) }, 'DependsOn'],
    [{ X: unknown, Fn: withVariables({}, { DependsOn: 'X' }) }, 'DependsOn as a text'],
    [
      {
        X: unknown,
        Policy: { Type: 'AWS::IAM::Policy', Properties: { Resource: { Ref: 'X' } } },
        Role: { Type: 'AWS::IAM::Role', DependsOn: 'Policy' },
        Fn: lambda('code', { Role: { 'Fn::GetAtt': ['Role', 'Arn'] } }),
      },
      'by way of others',
    ],
  ])('%j of an unknown type is an error: %s', async (declared) => {
    const deployment = await deploy({ S: resources(declared) });
    expect(() => checkFunctionDependencies(deployment)).toThrow(
      'S/Fn depends on S/X of type AWS::Mars::Rover, which the local cloud does not know',
    );
  });

  test('is followed into other stacks', async () => {
    const deployment = await deploy({
      S: resources({ Fn: withVariables({ A: { 'Fn::ImportValue': 'x' } }) }),
      T: {
        template: {
          Resources: { X: unknown },
          Outputs: { O: { Value: { Ref: 'X' }, Export: { Name: 'x' } } },
        },
      },
    });
    expect(() => checkFunctionDependencies(deployment)).toThrow(/S\/Fn depends on T\/X/);
  });

  test.each<[TemplateJson, string]>([
    [{ X: unknown, Fn: withVariables({}) }, 'an unknown resource beside it'],
    [
      { X: { ...unknown, Properties: { Fn: { Ref: 'Fn' } } }, Fn: withVariables({}) },
      'one that depends on the function',
    ],
    [
      {
        Vpc: { Type: 'AWS::EC2::VPC', Properties: {} },
        Subnet: {
          Type: 'AWS::EC2::Subnet',
          Properties: { CidrBlock: { 'Fn::Cidr': ['10.0.0.0/16', 1] }, VpcId: { Ref: 'Vpc' } },
        },
        Fn: lambda('code', { VpcConfig: { SubnetIds: [{ Ref: 'Subnet' }] } }),
      },
      'a network, which has no counterpart here',
    ],
    [
      {
        X: unknown,
        Fn: withVariables({ A: { 'Fn::If': ['Never', { Ref: 'X' }, ''] } }),
      },
      'one behind an unmet condition',
    ],
  ])('%j is no error: %s', async (declared) => {
    const deployment = await deploy({
      S: {
        template: {
          Conditions: { Never: { 'Fn::Equals': ['a', 'b'] } },
          Resources: declared,
        },
      },
    });
    expect(() => checkFunctionDependencies(deployment)).not.toThrow();
  });
});
