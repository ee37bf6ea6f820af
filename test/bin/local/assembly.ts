/**
 * Cloud assemblies by hand: what `cdk synth` would write, with tiny handlers for bundles.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

/** A template, as plain JSON. */
export type TemplateJson = Readonly<Record<string, unknown>>;

/** A stack of an assembly under test. */
export interface StackJson {
  readonly template: TemplateJson;
  /** `aws://ACCOUNT/REGION`; default bound to none. */
  readonly environment?: string;
}

/** Writes an assembly; `handlers` maps an asset's hash to the source of its index.mjs. Gone after the test. */
export async function writeAssembly(
  stacks: Readonly<Record<string, StackJson>>,
  handlers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sealpost-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const write = (file: string, value: unknown): void =>
    writeFileSync(path.join(directory, file), JSON.stringify(value));
  const files: Record<string, unknown> = {};
  for (const [hash, source] of Object.entries(handlers)) {
    await mkdir(path.join(directory, `asset.${hash}`));
    writeFileSync(path.join(directory, `asset.${hash}`, 'index.mjs'), source);
    files[hash] = {
      source: { path: `asset.${hash}`, packaging: 'zip' },
      destinations: { current: { objectKey: `${hash}.zip` } },
    };
  }
  const artifacts: Record<string, unknown> = { Tree: { type: 'cdk:tree' } };
  for (const [name, { template, environment }] of Object.entries(stacks)) {
    write(`${name}.template.json`, template);
    write(`${name}.assets.json`, { files });
    artifacts[name] = {
      type: 'aws:cloudformation:stack',
      environment: environment ?? 'aws://unknown-account/unknown-region',
      properties: { templateFile: `${name}.template.json` },
    };
  }
  write('manifest.json', { version: '1', artifacts });
  return directory;
}

/** An `AWS::Lambda::Function` that runs `handlers[hash]`. */
export function lambda(
  hash: string,
  properties: Readonly<Record<string, unknown>> = {},
): TemplateJson {
  return {
    Type: 'AWS::Lambda::Function',
    Properties: {
      Handler: 'index.handler',
      Runtime: 'nodejs24.x',
      Code: { S3Bucket: 'assets', S3Key: `${hash}.zip` },
      MemorySize: 256,
      Timeout: 10,
      ...properties,
    },
  };
}
