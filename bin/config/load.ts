/** Reading the config file, and saying what is wrong with it: the setting, its value, the remedy. */
import { existsSync, readFileSync } from 'node:fs';
import type { z } from 'zod';
import { describeSetting } from './json-schema.ts';
import { parseJsonc } from './jsonc.ts';
import { configSchema, type SealpostConfig, warnOf } from './schema.ts';

/** The config of whoever deploys. */
export const defaultConfigPath = 'sealpost.config.json';

/** What a checkout without a config synthesizes; it names AWS's documentation account, so it cannot be deployed. */
export const exampleConfigPath = 'sealpost.config.example.jsonc';

/** The config cannot be used. The message is for the operator and needs no stack trace. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** A config that can be used. */
export interface LoadedConfig {
  readonly config: SealpostConfig;
  /** One sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Loads the config at `path`, or the default one, or where there is none the example.
 *
 * @throws {ConfigError} when it cannot be read, is not JSON with comments, or has a setting at fault.
 */
export function loadConfig(path: string | undefined, nowMs: number): LoadedConfig {
  if (path !== undefined || existsSync(defaultConfigPath)) {
    const chosen = path ?? defaultConfigPath;
    return readConfig(readText(chosen), chosen, nowMs);
  }
  const { config, warnings } = readConfig(readText(exampleConfigPath), exampleConfigPath, nowMs);
  const notice = `no ${defaultConfigPath}, so this is the example. Copy ${exampleConfigPath} there and edit it before you deploy.`;
  return { config, warnings: [notice, ...warnings] };
}

/**
 * Parses and checks the text of a config; `path` is only named in errors.
 *
 * @throws {ConfigError} listing every setting at fault.
 */
export function readConfig(text: string, path: string, nowMs: number): LoadedConfig {
  const raw = parseText(text, path);
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) {
    const lines = parsed.error.issues.flatMap((issue) => describeIssue(issue, raw));
    throw new ConfigError(`${path}:\n${lines.map((line) => `  ${line}`).join('\n')}`, {
      cause: parsed.error,
    });
  }
  return { config: parsed.data, warnings: warnOf(parsed.data, nowMs) };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new ConfigError(
      `${path}: cannot be read (${reason}). Copy ${exampleConfigPath} to ${defaultConfigPath}, or name your config with -c config=PATH.`,
      { cause },
    );
  }
}

function parseText(text: string, path: string): unknown {
  try {
    return parseJsonc(text);
  } catch (cause) {
    throw new ConfigError(
      `${path}: not JSON with comments: ${(cause as SyntaxError).message}. Mend it there.`,
      { cause },
    );
  }
}

/** One line for each setting at fault: where, its value, what is wrong, and what to write instead. */
function describeIssue(issue: z.core.$ZodIssue, raw: unknown): readonly string[] {
  const value = issue.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key],
    raw,
  );
  const { description, known } = describeSetting(issue.path, value);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(
      (key) =>
        `${showPath([...issue.path, key])}: no such setting. Remove it, or use one of: ${known.join(', ')}.`,
    );
  }
  const setting = showPath(issue.path);
  // A rule of ours brings its remedy along; for what zod found the description of the setting is the remedy.
  const remedied = issue.code === 'custom' || issue.code === 'invalid_union';
  if (value === undefined && !remedied) {
    return [`${setting}: missing. ${description}`];
  }
  const shown = value === undefined ? setting : `${setting} = ${showValue(value)}`;
  return [`${shown}: ${remedied ? issue.message : `${issue.message}. ${description}`}`];
}

/** `domains[0].mtaSts.mx`, and `(file)` for the whole. */
function showPath(path: readonly PropertyKey[]): string {
  const text = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('');
  return text.replace(/^\./, '') || '(file)';
}

/** The value as JSON, cut to a line's length. */
function showValue(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}
