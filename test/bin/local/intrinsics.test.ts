// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Fn::Sub is written with them
import { describe, expect, test } from 'vitest';
import { evaluateCondition, resolveValue, type Scope } from '../../../bin/local/intrinsics.ts';
import { LocalCloudError, type TemplateValue } from '../../../bin/local/template.ts';

const scope: Scope = {
  ref: (name) => {
    if (name === 'AWS::NoValue') {
      return undefined;
    }
    return name === 'List' ? ['a', 'b'] : `<${name}>`;
  },
  attribute: (logicalId, name) => `<${logicalId}.${name}>`,
  importValue: (name) => `import of ${name}`,
  condition: (name) => name === 'Yes',
  mapping: (name) => (name === 'Regions' ? { 'eu-west-1': { ami: 'ami-1' } } : {}),
  zones: (region) => [`${region || 'here'}a`, `${region || 'here'}b`],
};

describe('intrinsic functions', () => {
  test.each<[TemplateValue, TemplateValue | undefined, string]>([
    ['text', 'text', 'a literal'],
    [{ Ref: 'Queue' }, '<Queue>', 'Ref'],
    [{ Ref: 'AWS::NoValue' }, undefined, 'no value at all'],
    [{ a: { Ref: 'AWS::NoValue' }, b: 1 }, { b: 1 }, 'NoValue takes its property away'],
    [[{ Ref: 'AWS::NoValue' }, 1], [1], 'and its list element'],
    [{ 'Fn::GetAtt': ['Queue', 'Arn'] }, '<Queue.Arn>', 'GetAtt with a list'],
    [{ 'Fn::GetAtt': 'Queue.Arn' }, '<Queue.Arn>', 'GetAtt with a dotted text'],
    [{ 'Fn::GetAtt': 'Nested.Outputs.Url' }, '<Nested.Outputs.Url>', 'dots in the attribute'],
    [{ 'Fn::Join': ['-', ['a', { Ref: 'B' }, 3]] }, 'a-<B>-3', 'Join'],
    [{ 'Fn::Join': [',', { Ref: 'List' }] }, 'a,b', 'Join of a list that must be resolved'],
    [{ 'Fn::Join': ['', [{ Ref: 'AWS::NoValue' }, 'x']] }, 'x', 'Join leaves NoValue out'],
    [{ 'Fn::Sub': 'arn:${AWS::Region}:${Q.Arn}' }, 'arn:<AWS::Region>:<Q.Arn>', 'Sub'],
    [{ 'Fn::Sub': ['${x}/${Q}', { x: { Ref: 'X' } }] }, '<X>/<Q>', 'Sub with variables first'],
    [{ 'Fn::Sub': '${!Kept} $5 ${ A }' }, '${Kept} $5 <A>', 'Sub with a literal and spaces'],
    [{ 'Fn::Select': [1, ['a', 'b']] }, 'b', 'Select'],
    [{ 'Fn::Select': ['0', { 'Fn::GetAZs': '' }] }, 'herea', 'Select of zones, index as text'],
    [{ 'Fn::GetAZs': 'us-east-1' }, ['us-east-1a', 'us-east-1b'], 'zones of a named region'],
    [{ 'Fn::Split': ['/', 'a/b'] }, ['a', 'b'], 'Split'],
    [
      { 'Fn::Select': [2, { 'Fn::Split': ['/', { 'Fn::GetAtt': ['Url', 'https://h/'] }] }] },
      'h',
      'the host of a function URL, as the CDK writes it',
    ],
    [{ 'Fn::If': ['Yes', 1, { 'Fn::Unknown': [] }] }, 1, 'If resolves the branch taken only'],
    [{ 'Fn::If': ['No', 1, { Ref: 'AWS::NoValue' }] }, undefined, 'If with NoValue'],
    [{ 'Fn::ImportValue': { 'Fn::Sub': 'x-${Y}' } }, 'import of x-<Y>', 'ImportValue'],
    [{ 'Fn::FindInMap': ['Regions', 'eu-west-1', 'ami'] }, 'ami-1', 'FindInMap'],
    [{ 'Fn::Base64': 'hi' }, 'aGk=', 'Base64'],
    [{ a: [{ b: { Ref: 'C' } }] }, { a: [{ b: '<C>' }] }, 'depth'],
    [{ Ref: 'A', Other: 1 }, { Ref: 'A', Other: 1 }, 'two keys are no intrinsic'],
  ])('%j is %j: %s', (value, expected) => {
    expect(resolveValue(value, scope)).toEqual(expected);
  });

  test.each<[TemplateValue, RegExp, string]>([
    [{ 'Fn::Cidr': ['10.0.0.0/16', 2] }, /Fn::Cidr/, 'an unknown function is named'],
    [{ 'Fn::Join': ['-', 'text'] }, /Fn::Join/, 'Join of a text'],
    [{ 'Fn::Join': ['-', [['a']]] }, /Fn::Join/, 'Join of lists'],
    [{ 'Fn::Select': [5, ['a']] }, /no element 5/, 'Select beyond the end'],
    [{ 'Fn::If': ['Yes', 1] }, /Fn::If/, 'If with one branch'],
    [{ 'Fn::FindInMap': ['Regions', 'mars', 'ami'] }, /Regions.mars.ami/, 'nothing there'],
    [{ 'Fn::GetAtt': ['Queue'] }, /Fn::GetAtt/, 'GetAtt without an attribute'],
  ])('%j is refused: %s', (value, message) => {
    expect(() => resolveValue(value, scope)).toThrow(LocalCloudError);
    expect(() => resolveValue(value, scope)).toThrow(message);
  });
});

describe('conditions', () => {
  test.each<[TemplateValue, boolean]>([
    [{ 'Fn::Equals': ['a', 'a'] }, true],
    [{ 'Fn::Equals': [{ Ref: 'A' }, 'a'] }, false],
    [{ 'Fn::Equals': ['1', 1] }, true],
    [{ 'Fn::Not': [{ 'Fn::Equals': ['a', 'b'] }] }, true],
    [{ 'Fn::And': [{ Condition: 'Yes' }, { Condition: 'No' }] }, false],
    [{ 'Fn::Or': [{ Condition: 'Yes' }, { Condition: 'No' }] }, true],
  ])('%j is %s', (condition, expected) => {
    expect(evaluateCondition(condition, scope)).toBe(expected);
  });

  test.each<[TemplateValue]>([[{ 'Fn::Contains': [['a'], 'a'] }], [{}], ['Yes'], [null]])(
    '%j is no condition',
    (condition) => {
      expect(() => evaluateCondition(condition, scope)).toThrow(LocalCloudError);
    },
  );
});
