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

/** Reads the offset anew each time: a process that lives through a jump must not go by the time before it. */
const clockModule = `
import { openSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
const file = openSync(fileURLToPath(new URL('./offset', import.meta.url)));
const digits = Buffer.alloc(16);
const RealDate = Date;
const realNow = RealDate.now;
const now = () => realNow() + Number(digits.toString('latin1', 0, readSync(file, digits, 0, digits.length, 0)));
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [now()] : args));
  }
  static now() {
    return now();
  }
};
`;

export interface JumpingClock {
  /** Puts the clock forward, first for the functions and then for this process, which shows them what is visible again. */
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
  const file = join(directory, 'offset');
  // Of one length, and into the file as it is: a reader finds one number or the other.
  const write = (ms: number): Promise<void> =>
    writeFile(file, String(ms).padStart(16, '0'), { flag: 'r+' });
  await writeFile(module, clockModule);
  await writeFile(file, '');
  await write(offsetMs);
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
      await write(offsetMs + ms);
      offsetMs += ms;
    },
    stop: async () => {
      spy.mockRestore();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
