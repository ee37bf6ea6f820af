import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { createApp } from './synthesize.ts';

/** The cloud assembly of an app whose policy host is bundled, and the bundle. */
let assembly: string;
let asset: string;

beforeAll(() => {
  const built = createApp({ bundle: ['SealpostPolicyHost'] }).synth();
  const { template } = built.getStackByName('SealpostPolicyHost');
  const [handler] = Object.values<{ Type: string; Properties: { Code: { S3Key: string } } }>(
    template.Resources,
  ).filter(({ Type }) => Type === 'AWS::Lambda::Function');
  const hash = handler?.Properties.Code.S3Key.replace('.zip', '');
  assembly = built.directory;
  asset = join(assembly, `asset.${hash}`);
});

describe('a bundled handler', () => {
  test('is one ES module that exports what the template names', async () => {
    expect(readdirSync(asset)).toEqual(['index.mjs']);
    const module: unknown = await import(pathToFileURL(join(asset, 'index.mjs')).href);
    expect(module).toMatchObject({ handler: expect.any(Function) });
  });

  test('is minified and does not mention its map', () => {
    const code = readFileSync(join(asset, 'index.mjs'), 'utf8');
    expect(code.split('\n').length).toBeLessThan(code.length / 500);
    expect(code).not.toContain('sourceMappingURL');
  });

  test('has its source map kept apart, in the assembly', () => {
    const path = join(assembly, 'source-maps', 'policy-host.mjs.map');
    const { sources } = JSON.parse(readFileSync(path, 'utf8'));
    expect(sources).toContainEqual(expect.stringMatching(/functions\/handlers\/policy-host\.ts$/));
  });
});
