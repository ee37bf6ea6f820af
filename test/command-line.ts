/** The command line as its users meet it: a process of its own, with arguments, standard input and an exit status. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { World } from '../bin/world/world.ts';
import type { WhyRecord } from '../functions/delivery/why.ts';

const program = new URL('../bin/sealpost.ts', import.meta.url).pathname;

/** A message with attachments, as a mail program sends it. */
export const multipartFile: string = new URL('data/multipart.eml', import.meta.url).pathname;

/** What a run left behind. */
export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sealpost` to its end; `input` is its standard input, `variables` are added to its environment. */
export async function runSealpost(
  args: readonly string[],
  input: Uint8Array = new Uint8Array(),
  variables: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: 'pipe',
    env: { ...process.env, ...variables },
  });
  child.stdin.on('error', () => {
    // A command that was used wrongly ends before it reads.
  });
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { status, stdout, stderr };
}

/** Writes a file for an option to name; it is gone after the test. */
export async function writeTemporaryFile(name: string, content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-command-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, name);
  await writeFile(file, content);
  return file;
}

/** The `why` records of a run with `--json`. */
export function readJsonWhys({ stdout }: CommandResult): readonly WhyRecord[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as WhyRecord);
}

/** What makes commands live in a simulated internet. */
export interface WorldOptions {
  /** For `sealpost deliver`. */
  readonly options: readonly string[];
  /** Those of them that `sealpost dns` takes too. */
  readonly dns: readonly string[];
  /** Removes the files that the options name. */
  remove(): Promise<void>;
}

/** Writes the options for a world, and its roots and trust anchors to files. */
export async function worldOptions(world: World): Promise<WorldOptions> {
  const { resolvers, trustAnchors, smtpPort, httpsPort, extraRoots } = world.network;
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-command-'));
  const roots = join(directory, 'roots.pem');
  await writeFile(roots, extraRoots);
  const anchors = join(directory, 'anchors.ds');
  await writeFile(anchors, `; the root of this world\n${trustAnchors}\n`);
  const dns = [...resolvers.flatMap((server) => ['--dns', server]), '--anchor', anchors];
  return {
    dns,
    options: [
      ...dns,
      ...['--ca', roots, '--smtp-port', `${smtpPort}`, '--https-port', `${httpsPort}`],
      '--allow-private-addresses',
      ...['--ehlo', 'mail.sender.example'],
    ],
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
