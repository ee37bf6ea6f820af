import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeSetting, toJsonSchema } from '../../bin/config/json-schema.ts';

type Node = Readonly<Record<string, unknown>>;

describe('the JSON Schema for editors', () => {
  test('sealpost.config.schema.json is current; else run: node bin/config/write-schema.ts', () => {
    const shipped: unknown = JSON.parse(readFileSync('sealpost.config.schema.json', 'utf8'));
    expect(shipped).toEqual(toJsonSchema());
  });

  test('every setting is explained', () => {
    expect(unexplained(toJsonSchema() as Node, '')).toEqual([]);
  });

  test('defaults need not be written', () => {
    const { required } = toJsonSchema();
    expect(required).toEqual(['organization', 'domains', 'delivery', 'egress']);
  });
});

describe('describeSetting', () => {
  test.each([
    [['organization'], /^The name of your organization/],
    [['domains', 0, 'mtaSts', 'mx', 3], /^$/],
    [['domains', 7, 'mtaSts', 'mode'], /^What senders do/],
    [['egress', 'elasticIps', 1, 'address'], /^Its address/],
    [['egress', 'host'], /^The name of the relay/],
    [['no', 'such'], /^$/],
  ])('%j', (path, description) => {
    expect(describeSetting(path).description).toMatch(description);
  });

  test('knows what lies within', () => {
    expect(describeSetting(['egress']).known).toEqual([
      'kind',
      'elasticIps',
      'availabilityZones',
      'host',
      'port',
      'credentialsSecretArn',
    ]);
    expect(describeSetting(['egress'], { kind: 'nat' }).known).toEqual([
      'kind',
      'elasticIps',
      'availabilityZones',
    ]);
  });
});

/** Paths of properties without a description. */
function unexplained(node: Node, path: string): readonly string[] {
  const properties = Object.entries((node['properties'] ?? {}) as Record<string, Node>);
  const variants = ['oneOf', 'anyOf', 'prefixItems'].flatMap((key) => (node[key] ?? []) as Node[]);
  const items = node['items'] === undefined ? [] : [node['items'] as Node];
  return [
    ...properties.flatMap(([name, child]) => [
      ...(child['description'] === undefined ? [`${path}.${name}`] : []),
      ...unexplained(child, `${path}.${name}`),
    ]),
    ...[...variants, ...items].flatMap((child) => unexplained(child, path)),
  ];
}
