/**
 * All functions of the stacks, and the runtime that their processes start with.
 */
import { readFile } from 'node:fs/promises';
import { transformSync } from 'esbuild';
import type { ReportEvent } from './events.ts';
import { type FunctionSurroundings, functionSettings } from './lambda-function.ts';
import { createFunction, type LocalFunction } from './lambda-pool.ts';
import type { Deployment } from './resource.ts';
import { LocalCloudError } from './template.ts';

/** All functions. */
export interface LocalFunctions {
  readonly all: readonly LocalFunction[];
  /** @throws LocalCloudError for a name that no function has */
  named(name: string): LocalFunction;
  stop(): Promise<void>;
}

/** Prepares all functions; no process is started yet. */
export async function createFunctions(
  deployment: Deployment,
  surroundings: FunctionSurroundings,
  report: ReportEvent,
): Promise<LocalFunctions> {
  const settings = deployment.resources
    .filter(({ type }) => type === 'AWS::Lambda::Function')
    .map((resource) => functionSettings(resource, surroundings));
  const bootstrap = await readBootstrap();
  const all = settings.map((one) => createFunction(one, bootstrap, report));
  // The processes notice by themselves when this one is killed; this is for an orderly exit in mid-flight.
  const killAll = (): void => {
    for (const local of all) {
      void local.stop();
    }
  };
  process.once('exit', killAll);
  return {
    all,
    named: (name) => {
      const found = all.find((local) => local.settings.name === name);
      if (found === undefined) {
        throw new LocalCloudError(`there is no function ${name}`);
      }
      return found;
    },
    stop: async () => {
      process.off('exit', killAll);
      await Promise.all(all.map((local) => local.stop()));
    },
  };
}

/**
 * The runtime as JavaScript: a process that had to strip its types first would hold 17 MB more, which the function
 * could not use. It is handed over as text, so that no file is left behind when this process is killed.
 */
async function readBootstrap(): Promise<string> {
  const source = await readFile(new URL('./lambda-bootstrap.ts', import.meta.url), 'utf8');
  return transformSync(source, { loader: 'ts', format: 'esm', target: 'node22' }).code;
}
