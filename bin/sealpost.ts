#!/usr/bin/env node
/** The command line: `sealpost COMMAND …`, one file a command, which alone is loaded. */
import { type FailureCode, TransportSecurityError } from '../functions/protocol/errors.ts';
import { exDataErr, exSoftware, exTempFail, exUsage } from './commands/exit-status.ts';
import { printable } from './commands/format-table.ts';
import { type Command, CommandFailure, UsageError } from './commands/usage.ts';

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  collect: async () => (await import('./commands/collect.ts')).runCollect,
  deliver: async () => (await import('./commands/deliver.ts')).runDeliver,
  dns: async () => (await import('./commands/dns.ts')).runDns,
  exception: async () => (await import('./commands/exception.ts')).runException,
  policy: async () => (await import('./commands/policy.ts')).runPolicy,
  queue: async () => (await import('./commands/queue.ts')).runQueue,
  report: async () => (await import('./commands/report.ts')).runReport,
  rule: async () => (await import('./commands/rule.ts')).runRule,
  why: async () => (await import('./commands/why.ts')).runWhy,
};

const usage = `usage: sealpost COMMAND [options]

  collect --socket PATH --url URL     Postfix's TLS results, for the organization's reports
  deliver FILE.eml --from A --to B…   one delivery attempt from this machine, without AWS
  dns NAME TYPE                       one look-up, validated by DNSSEC, with its chain of trust
  exception add|list|remove           domains to which a policy does not apply for a while
  policy list|show|refresh|set|forget the cache of MTA-STS policies
  queue list|show|retry|hold|release|cancel|override|dead
                                      messages that wait, and what to do with them
  report list|show|sessions|failures|reporters|enforce
                                      TLS reports that others sent, and what they say
  rule add|list|remove|test           tagging rules: which messages demand what
  why ID                              why each attempt of a message went as it went

sealpost COMMAND --help tells more.
`;

async function main([name, ...args]: readonly string[]): Promise<number> {
  const load = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    const asked = name === undefined || name === '--help' || name === 'help';
    (asked ? process.stdout : process.stderr).write(
      asked ? usage : `sealpost: no command ${JSON.stringify(name)}\n\n${usage}`,
    );
    return name === undefined || !asked ? exUsage : 0;
  }
  try {
    const command = await load();
    return await command(args);
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined) {
      throw error;
    }
    process.stderr.write(`sealpost ${name}: ${printable((error as Error).message)}\n`);
    return status;
  }
}

/** Of what the functions throw; anything else is about what a table holds. */
const statuses: Readonly<Partial<Record<FailureCode, number>>> = {
  'store-unavailable': exTempFail,
  'content-invalid': exDataErr,
};

/** Undefined for a bug, whose stack is worth seeing. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof UsageError) {
    return exUsage;
  }
  if (error instanceof CommandFailure) {
    return error.status;
  }
  if (error instanceof TransportSecurityError) {
    return statuses[error.code] ?? exSoftware;
  }
  return undefined;
}

process.exitCode = await main(process.argv.slice(2));
