/** Checked reading of what templates say. */
import { z } from 'zod';
import type { DeployedResource } from './resource.ts';
import { LocalCloudError } from './template.ts';

/**
 * Reads a resource's properties by a schema.
 *
 * @throws LocalCloudError that names the resource and what is wrong with which property
 */
export function readProperties<T>(resource: DeployedResource, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(resource.properties());
  if (!parsed.success) {
    throw new LocalCloudError(
      `${resource.key} (${resource.type}):\n${z.prettifyError(parsed.error)}`,
    );
  }
  return parsed.data;
}

/** A property that would change what happens and has no counterpart here; present, it is an error that says so. */
export function notImplemented(what: string): z.ZodOptional<z.ZodUndefined> {
  return z.undefined(`${what} are not implemented by the local cloud`).optional();
}
