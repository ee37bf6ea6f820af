#!/usr/bin/env node
import { TransportSecurityError } from '../functions/protocol/errors.ts';
/** The command line: `sealpost COMMAND …`, one file a command. */
import { runDeliver } from './commands/deliver.ts';
import { runDns } from './commands/dns.ts';
import { runException } from './commands/exception.ts';
import { exSoftware, exTempFail, exUsage } from './commands/exit-status.ts';
import { printable } from './commands/format-table.ts';
import { runPolicy } from './commands/policy.ts';
import { runRule } from './commands/rule.ts';
import { type Command, CommandFailure, UsageError } from './commands/usage.ts';

const commands: Readonly<Record<string, Command>> = {
  deliver: runDeliver,
  dns: runDns,
  exception: runException,
  policy: runPolicy,
  rule: runRule,
};

const usage = `usage: sealpost COMMAND [options]

  deliver FILE.eml --from A --to B…   one delivery attempt from this machine, without AWS
  dns NAME TYPE                       one look-up, validated by DNSSEC, with its chain of trust
  exception add|list|remove           domains to which a policy does not apply for a while
  policy list|show|refresh|set|forget the cache of MTA-STS policies
  rule add|list|remove|test           tagging rules: which messages demand what

sealpost COMMAND --help tells more.
`;

async function main([name, ...args]: readonly string[]): Promise<number> {
  const command = name === undefined ? undefined : commands[name];
  if (command === undefined) {
    const asked = name === undefined || name === '--help' || name === 'help';
    (asked ? process.stdout : process.stderr).write(
      asked ? usage : `sealpost: no command ${JSON.stringify(name)}\n\n${usage}`,
    );
    return name === undefined || !asked ? exUsage : 0;
  }
  try {
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

/** Undefined for a bug, whose stack is worth seeing. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof UsageError) {
    return exUsage;
  }
  if (error instanceof CommandFailure) {
    return error.status;
  }
  if (error instanceof TransportSecurityError) {
    return error.code === 'store-unavailable' ? exTempFail : exSoftware;
  }
  return undefined;
}

process.exitCode = await main(process.argv.slice(2));
