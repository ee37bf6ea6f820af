import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('a config that cannot be used ends synthesis with what is wrong, and no stack trace', () => {
  const config = join(mkdtempSync(join(tmpdir(), 'sealpost-')), 'config.json');
  writeFileSync(config, '{ "organization": "Example Ltd" }');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/app.ts'], {
    encoding: 'utf8',
    env: { CDK_CONTEXT_JSON: JSON.stringify({ config }) },
  });
  expect({ status, stdout, stderr: stderr.split('\n') }).toEqual({
    status: 1,
    stdout: '',
    stderr: [
      `sealpost: ${config}:`,
      expect.stringMatching(/^ {2}domains: missing\. /),
      expect.stringMatching(/^ {2}delivery: missing\. /),
      expect.stringMatching(/^ {2}egress: missing\. /),
      '',
    ],
  });
});
