/** A local cloud for one test. */
import { onTestFinished } from 'vitest';
import {
  type LocalCloud,
  type LocalCloudOptions,
  startLocalCloud,
} from '../../../bin/local/cloud.ts';
import { type TemplateJson, writeAssembly } from './assembly.ts';

/** Starts one stack `S` with these resources, and the sources of its functions' bundles; ends with the test. */
export async function cloudOf(
  resources: TemplateJson,
  handlers: Readonly<Record<string, string>> = {},
  options: Partial<LocalCloudOptions> = {},
): Promise<LocalCloud> {
  const assembly = await writeAssembly({ S: { template: { Resources: resources } } }, handlers);
  const cloud = await startLocalCloud({ assembly, schedules: 'onDemand', ...options });
  onTestFinished(cloud.stop);
  return cloud;
}

/** The credentials that the local cloud takes, as an AWS SDK wants them. */
export const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
