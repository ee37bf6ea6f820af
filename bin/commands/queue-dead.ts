/** `sealpost queue dead`: the dead-letter queue, seen and emptied. */
import {
  bounceDeadLetters,
  type DeadLetterContext,
  type DeadLetterResult,
  deadLettersMax,
  listDeadLetters,
  redriveDeadLetters,
} from '../../functions/operating/dead-letters.ts';
import {
  bounceRequestSchema,
  redriveRequestSchema,
} from '../../functions/operating/queue-requests.ts';
import { exUnavailable } from './exit-status.ts';
import { formatDeadLetters } from './format-queue.ts';
import { print, printable } from './format-table.ts';
import {
  type InstallationValues,
  installationOptions,
  installationUsage,
  openInstallation,
  queueContextOf,
  readAuthor,
} from './installation.ts';
import {
  type Command,
  parseArguments,
  readChecked,
  readWhole,
  takePositionals,
  withActions,
} from './usage.ts';

const usage = `usage: sealpost queue dead list [--limit N]
       sealpost queue dead redrive [RECORD …] [--limit N]
       sealpost queue dead bounce [RECORD …] --reason TEXT [--discard-unreadable] [--limit N]

The dead-letter queue has what delivery could not work with, and what SQS took away after too many faults of ours. redrive
sends records to the delivery queue again. bounce gives up whoever is pending and tells the sender. Both take the RECORDs
that are named, or as many as SQS hands out; SQS chooses which, and a list may be short of some.

  --limit N                  that many at most, up to ${deadLettersMax} (list: ${deadLettersMax}, else 10)
  --reason TEXT              why, for whoever finds it later; the sender reads it
  --discard-unreadable       a record that names no sender is removed; else it stays
  --author NAME              who does it (default: the user of this machine)
${installationUsage}

Status: 0 done, all or some; 69 all was left as it is; 64 wrong usage; 75 AWS does not answer; 78 no installation.
`;

const options = { ...installationOptions, limit: { type: 'string' } } as const;

/** Runs the command; resolves to its exit status. */
export const runDead: Command = withActions(usage, { list, redrive, bounce });

async function openContext(values: InstallationValues): Promise<DeadLetterContext> {
  return queueContextOf(await openInstallation(values));
}

function readLimit(text: string | undefined, fallback: number): number {
  return readWhole('--limit', text, { min: 1, max: deadLettersMax }) ?? fallback;
}

async function list(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  takePositionals(positionals);
  const limit = readLimit(values.limit, deadLettersMax);
  const letters = await listDeadLetters(limit, await openContext(values));
  print(letters, { json: values.json ?? false, text: () => formatDeadLetters(letters) });
  return 0;
}

async function redrive(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  const given = { limit: readLimit(values.limit, 10), ...named(positionals) };
  const request = readChecked(redriveRequestSchema, given, { messageIds: 'RECORD' });
  return report('redriven', await redriveDeadLetters(request, await openContext(values)), values);
}

async function bounce(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    ...options,
    reason: { type: 'string' },
    author: { type: 'string' },
    'discard-unreadable': { type: 'boolean' },
  } as const);
  const given = {
    limit: readLimit(values.limit, 10),
    reason: values.reason,
    discardUnreadable: values['discard-unreadable'] ?? false,
    ...named(positionals),
  };
  const { reason, ...request } = readChecked(bounceRequestSchema, given, { messageIds: 'RECORD' });
  const actor = { author: readAuthor(values.author), reason };
  const result = await bounceDeadLetters(request, actor, await openContext(values));
  return report('given up', result, values);
}

function named(messageIds: readonly string[]): { readonly messageIds?: readonly string[] } {
  return messageIds.length === 0 ? {} : { messageIds };
}

function report(
  word: string,
  result: DeadLetterResult,
  { json = false }: { readonly json?: boolean | undefined },
): number {
  const reasons = {
    unreadable: 'cannot be read',
    busy: 'is being tried at this moment',
    failed: 'failed',
    'not-found': 'was not found now: SQS may show it later',
  };
  const { done, skipped } = result;
  print([result], {
    json,
    text: () =>
      [
        `${done} ${word}`,
        ...skipped.map(({ messageId, reason, detail }) =>
          printable(`${messageId} ${reasons[reason]}${detail === undefined ? '' : `: ${detail}`}`),
        ),
      ].join('\n'),
  });
  return done === 0 && skipped.length > 0 ? exUnavailable : 0;
}
