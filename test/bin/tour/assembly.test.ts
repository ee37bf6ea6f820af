import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readPublishedRecord } from '../../../bin/tour/assembly.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

const write = (resources: object): void =>
  writeFileSync(
    join(directory, 'SealpostPolicyHost.template.json'),
    JSON.stringify({ Resources: resources }),
  );

const recordSet = (properties: object): object => ({
  Type: 'AWS::Route53::RecordSet',
  Properties: properties,
});

test('the record is read as the template publishes it', () => {
  write({
    Alias: recordSet({ Type: 'A', Name: 'mta-sts.example.com.' }),
    Txt: recordSet({
      Type: 'TXT',
      Name: '_mta-sts.example.com.',
      ResourceRecords: ['"v=STSv1; id=1;"'],
    }),
  });
  expect(readPublishedRecord(directory)).toEqual({
    domain: 'example.com',
    record: 'v=STSv1; id=1;',
  });
});

test('a template that publishes nothing is an error', () => {
  write({ Other: recordSet({ Type: 'TXT', Name: 'x.example.com.', ResourceRecords: ['"y"'] }) });
  expect(() => readPublishedRecord(directory)).toThrow(RangeError);
});
