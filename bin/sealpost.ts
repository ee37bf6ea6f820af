#!/usr/bin/env node
/** The command line: `sealpost COMMAND …`, one file a command. */
import { runDeliver } from './commands/deliver.ts';
import { runDns } from './commands/dns.ts';
import { UsageError } from './commands/usage.ts';

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  deliver: runDeliver,
  dns: runDns,
};

const usage = `usage: sealpost COMMAND [options]

  deliver FILE.eml --from A --to B…   one delivery attempt from this machine, without AWS
  dns NAME TYPE                       one look-up, validated by DNSSEC, with its chain of trust

sealpost COMMAND --help tells more.
`;

/** sysexits.h: the command was used wrongly. */
const exUsage = 64;

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
    if (error instanceof UsageError) {
      process.stderr.write(`sealpost ${name}: ${error.message}\n`);
      return exUsage;
    }
    throw error;
  }
}

process.exitCode = await main(process.argv.slice(2));
