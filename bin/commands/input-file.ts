/** Files that a command line names. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { UsageError } from './usage.ts';

/** @throws {UsageError} where it cannot be read */
export async function readInputFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : error}`);
  }
}

/** The same, with `-` for standard input. */
export async function readInput(file: string): Promise<Buffer> {
  return file === '-' ? await buffer(process.stdin) : await readInputFile(file);
}
