/**
 * How the command line finds the local cloud: a file that says where it listens and what its stacks are called, as
 * CloudFormation would say it on AWS. It is there exactly as long as the cloud runs.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { NetworkSetting } from '../../functions/environment.ts';
import { networkSettingSchema } from '../../functions/handlers/read-environment.ts';
import type { LocalCloud } from './cloud.ts';

/** A local cloud as found. */
export interface FoundCloud {
  /** The process that it lives and dies with. */
  readonly pid: number;
  /** For the environment of an AWS SDK: endpoints, region and credentials. */
  readonly variables: Readonly<Record<string, string>>;
  /** Takes the place of the stacks' own setting. */
  readonly network: NetworkSetting;
  /** Stack name -> output name -> value. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const texts = z.record(z.string(), z.string());

const foundCloudSchema: z.ZodType<FoundCloud> = z.strictObject({
  pid: z.int().positive(),
  variables: texts,
  network: networkSettingSchema,
  outputs: z.record(z.string(), texts),
});

/** Where the file is: in the checkout, so that its users find it whatever their working directory; or by a variable. */
export function cloudFilePath(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  return (
    environment['SEALPOST_LOCAL_CLOUD'] ??
    join(import.meta.dirname, '..', '..', '.local-cloud.json')
  );
}

/** Writes the file; whoever stops the cloud calls what this resolves to. */
export async function publishCloud(
  cloud: Pick<LocalCloud, 'variables' | 'stacks'>,
  { file, network }: { readonly file: string; readonly network: NetworkSetting },
): Promise<() => Promise<void>> {
  const region = cloud.stacks[0]?.region;
  const found: FoundCloud = {
    pid: process.pid,
    variables: { ...cloud.variables, ...(region !== undefined && { AWS_REGION: region }) },
    network,
    outputs: Object.fromEntries(
      cloud.stacks.map(({ name, outputs }) => [
        name,
        Object.fromEntries(
          Object.entries(outputs).flatMap(([key, value]) =>
            typeof value === 'string' ? [[key, value]] : [],
          ),
        ),
      ]),
    ),
  };
  // In one step: a reader finds the whole of it or nothing. For its owner alone, who may operate what it names.
  const written = `${file}.${process.pid}`;
  await writeFile(written, `${JSON.stringify(found, undefined, 2)}\n`, { mode: 0o600 });
  await rename(written, file);
  return async () => {
    const current = await readCloudFile(file);
    // Another cloud may have been started since.
    if (current?.pid === process.pid) {
      await rm(file, { force: true });
    }
  };
}

/** The cloud that a file tells of; undefined where there is no such file, or its cloud has ended without a word. */
export async function findCloud(file: string): Promise<FoundCloud | undefined> {
  const found = await readCloudFile(file);
  return found !== undefined && isRunning(found.pid) ? found : undefined;
}

async function readCloudFile(file: string): Promise<FoundCloud | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  const parsed = foundCloudSchema.safeParse(parseJson(text));
  return parsed.success ? parsed.data : undefined;
}

/** Undefined for what is no JSON: another version's, or nobody's. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What cannot be read tells of no cloud, as a file that is not there.
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
