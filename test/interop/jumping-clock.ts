/**
 * A clock that can be put forward, for this process and for the functions of a cloud assembly: waits of an hour, for
 * leases to end and records to be visible again, take no time.
 *
 * Functions learn the time by a module that is loaded before them (`NODE_OPTIONS`), so that no line of theirs knows.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { vi } from 'vitest';

const clockModule = `
import { readFileSync } from 'node:fs';
const offsetMs = Number(readFileSync(new URL('./offset', import.meta.url), 'utf8'));
const RealDate = Date;
const now = RealDate.now;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [now() + offsetMs] : args));
  }
  static now() {
    return now() + offsetMs;
  }
};
`;

export interface JumpingClock {
  /** Puts the clock forward: at once for this process, for a function when its next process starts. */
  jump(ms: number): Promise<void>;
  stop(): Promise<void>;
}

interface Template {
  readonly Resources: Record<
    string,
    {
      readonly Type: string;
      readonly Properties: { Environment?: { Variables?: Record<string, string> } };
    }
  >;
}

/** Has the functions of these templates of an assembly go by the clock; `Date.now` of this process does already. */
export async function startJumpingClock(templates: readonly string[]): Promise<JumpingClock> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-clock-'));
  const module = join(directory, 'clock.mjs');
  let offsetMs = 0;
  const write = (): Promise<void> => writeFile(join(directory, 'offset'), String(offsetMs));
  await writeFile(module, clockModule);
  await write();
  for (const file of templates) {
    const template = JSON.parse(await readFile(file, 'utf8')) as Template;
    for (const { Type, Properties } of Object.values(template.Resources)) {
      if (Type === 'AWS::Lambda::Function') {
        const { Variables = {} } = Properties.Environment ?? {};
        Variables['NODE_OPTIONS'] = `--import=${pathToFileURL(module)}`;
        Properties.Environment = { Variables };
      }
    }
    await writeFile(file, JSON.stringify(template));
  }
  const now = Date.now;
  const spy = vi.spyOn(Date, 'now').mockImplementation(() => now() + offsetMs);
  return {
    jump: async (ms) => {
      offsetMs += ms;
      await write();
    },
    stop: async () => {
      spy.mockRestore();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
