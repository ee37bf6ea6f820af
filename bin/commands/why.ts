/** `sealpost why`: why each attempt of a message went as it went. */
import { showMessage } from '../../functions/operating/show-message.ts';
import { attemptsOf, formatAttempts } from './format-queue.ts';
import { print } from './format-table.ts';
import {
  installationOptions,
  installationUsage,
  messageControlOf,
  openInstallation,
} from './installation.ts';
import {
  type Command,
  CommandFailure,
  parseArguments,
  takePositionals,
  withHelp,
} from './usage.ts';

const usage = `usage: sealpost why ID

The record of each attempt of a message: what was looked up, which policy held, each host and address tried with what it
showed, the replies, and the row of the channel table that decided. ID is that of the message, or of one of its parts.

  --domain DOMAIN            only its delivery to this domain
${installationUsage}

Status: 0 shown; 66 nothing is kept under this id, or nothing was tried yet; 64 wrong usage; 75 AWS does not answer;
78 no installation.
`;

/** Runs the command; resolves to its exit status. */
export const runWhy: Command = withHelp(usage, async (args) => {
  const options = { ...installationOptions, domain: { type: 'string' } } as const;
  const { values, positionals } = parseArguments(args, options);
  const [id] = takePositionals(positionals, 'ID');
  const shown = await showMessage(id, messageControlOf(await openInstallation(values)));
  if (shown === undefined) {
    throw new CommandFailure(`nothing is kept under ${id}`);
  }
  const attempts = attemptsOf(shown).filter(
    ({ domain }) => values.domain === undefined || domain === values.domain,
  );
  if (attempts.length === 0) {
    throw new CommandFailure(`nothing was tried yet for ${id}`);
  }
  print(attempts, { json: values.json ?? false, text: () => formatAttempts(attempts) });
  return 0;
});
