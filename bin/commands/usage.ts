/** What ends a command, and the reading of its arguments. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type * as z from 'zod';
import type { FieldFault } from '../../functions/protocol/problem.ts';
import { exDataErr, exNoInput } from './exit-status.ts';

/** A command line that cannot be obeyed; the message says why. Status 64 (sysexits.h EX_USAGE). */
export class UsageError extends Error {}

/** A command that ends with a status and a word why. */
export class CommandFailure extends Error {
  readonly status: number;

  constructor(message: string, status: number = exNoInput) {
    super(message);
    this.status = status;
  }
}

/** What was asked for is refused, by the fields at fault. */
export function refused(faults: readonly FieldFault[]): CommandFailure {
  const words = faults.map(({ field, fault }) => `${field}: ${fault}`);
  return new CommandFailure(words.join('; '), exDataErr);
}

/** Runs with what stands behind its name; resolves to its exit status. */
export type Command = (args: readonly string[]) => Promise<number>;

/** A command that `--help` explains. */
export function withHelp(usage: string, command: Command): Command {
  return async (args) => {
    if (args.includes('--help')) {
      process.stdout.write(usage);
      return 0;
    }
    return command(args);
  };
}

/** A command whose first argument says what to do. */
export function withActions(usage: string, actions: Readonly<Record<string, Command>>): Command {
  return withHelp(usage, async ([name, ...args]) => {
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) {
      const known = Object.keys(actions).join(', ');
      const isSaid = name !== undefined && !name.startsWith('-');
      const given = isSaid ? `no action ${JSON.stringify(name)}` : 'say what to do';
      throw new UsageError(`${given}: one of ${known} (see --help)`);
    }
    return action(args);
  });
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** What `parseArgs` makes of options and positional arguments. */
export type ParsedArguments<T extends Options> = ReturnType<
  typeof parseArgs<{
    readonly args: string[];
    readonly allowPositionals: true;
    readonly options: T;
  }>
>;

/** Reads arguments. @throws {UsageError} */
export function parseArguments<T extends Options>(
  args: readonly string[],
  options: T,
): ParsedArguments<T> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The positional arguments, which must be as many as there are names. @throws {UsageError} */
export function takePositionals<const T extends readonly string[]>(
  given: readonly string[],
  ...names: T
): { readonly [Index in keyof T]: string } {
  if (given.length !== names.length) {
    throw new UsageError(
      names.length === 0
        ? `no argument is taken, not ${JSON.stringify(given[0])} (see --help)`
        : `give ${names.join(' ')} (see --help)`,
    );
  }
  return given as unknown as { readonly [Index in keyof T]: string };
}

/** A whole number from an option; undefined where it was not given. @throws {UsageError} */
export function readWhole(
  option: string,
  text: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    throw new UsageError(`${option} takes a whole number, ${min} to ${max}, not ${text}`);
  }
  return value;
}

/** For `parseArgs`: what somebody decides for a while, and why. */
export const decisionOptions = {
  reason: { type: 'string' },
  days: { type: 'string' },
  expires: { type: 'string' },
  author: { type: 'string' },
} as const;

/**
 * When something ends, by one of `--days` (from now, up to `daysMax`) and `--expires`; the latter as written, unchecked.
 *
 * @throws {UsageError}
 */
export function readEnd(
  { days, expires }: { readonly days?: string | undefined; readonly expires?: string | undefined },
  daysMax: number,
): string | undefined {
  if ((days === undefined) === (expires === undefined)) {
    throw new UsageError('say when it ends, by one of --days and --expires');
  }
  const count = readWhole('--days', days, { min: 1, max: daysMax });
  return count === undefined ? expires : new Date(Date.now() + count * 86_400_000).toISOString();
}

/**
 * Arguments that make up a value, checked by its schema. Its first fault is named as the user wrote it: by what `written`
 * says of the field, or of what it lies in, else as an option.
 *
 * @throws {UsageError}
 */
export function readChecked<T>(
  schema: z.ZodType<T>,
  given: unknown,
  written: Readonly<Record<string, string>> = {},
): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) {
    return parsed.data;
  }
  const { path = [], message = '' } = parsed.error.issues[0] ?? {};
  const fields = path.map((_, index) => path.slice(0, path.length - index).join('.'));
  const known = fields.find((field) => written[field] !== undefined);
  const name = known === undefined ? `--${fields[0]}` : written[known];
  throw new UsageError(`${name}: ${message}`);
}
