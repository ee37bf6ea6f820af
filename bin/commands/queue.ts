/** `sealpost queue`: messages that wait, one message, and what operators do with them. */
import type { WaitingDelivery } from '../../functions/delivery/stored-delivery.ts';
import {
  type ActResult,
  actOnQueue,
  type Skipped,
} from '../../functions/operating/act-on-queue.ts';
import type { Deed } from '../../functions/operating/delivery-actions.ts';
import { listWaiting } from '../../functions/operating/list-waiting.ts';
import { listRequestSchema, queueRequestSchema } from '../../functions/operating/queue-requests.ts';
import { showMessage } from '../../functions/operating/show-message.ts';
import { waitingCursorSchema } from '../../functions/operating/waiting-cursor.ts';
import { exUnavailable } from './exit-status.ts';
import { formatMessage, formatResult, formatWaiting } from './format-queue.ts';
import { print } from './format-table.ts';
import {
  installationOptions,
  installationUsage,
  messageControlOf,
  openInstallation,
  queueContextOf,
  readAuthor,
  waitingIndexOf,
} from './installation.ts';
import { runDead } from './queue-dead.ts';
import {
  type Command,
  CommandFailure,
  type ParsedArguments,
  parseArguments,
  readChecked,
  readWhole,
  takePositionals,
  UsageError,
  withActions,
} from './usage.ts';

const usage = `usage: sealpost queue list [--domain D] [--sender A] [--held] [--order age|due] [--limit N]
       sealpost queue show ID
       sealpost queue retry|release WHICH
       sealpost queue hold WHICH --reason TEXT
       sealpost queue cancel WHICH --reason TEXT [--no-bounce]
       sealpost queue override ID [--domain D] --demand require|default|optional --reason TEXT
       sealpost queue dead list|redrive|bounce (see sealpost queue dead --help)

Lists have what waits: deliveries that were put off or are held, oldest first. retry sends the next attempt to the queue
now. hold lets no further attempt begin, until release. cancel gives up whoever is pending and tells the sender, unless
--no-bounce. override sets what one message demands of its channels, whatever its sender said: it is recorded by whom and
why. What is asked of a message before its first attempt is noted, and obeyed when that begins. WHICH is one of

  ID                         a message, or one of its parts
  ID --domain DOMAIN         that part of it only; also of a message that came by SQS and of which nothing is known yet:
                             its ID is the sender's or sqs-<SQS MessageId>, its DOMAIN the smart host's where there is one
  --domain DOMAIN            all that waits for a domain
  --sender ADDRESS           all that waits from a sender; "" for the null reverse-path
  --all                      all that waits

  --reason TEXT              why, for whoever finds it later; the sender of a cancelled message reads it
  --author NAME              who does it (default: the user of this machine)
  --limit N                  list: that many at most (100)
${installationUsage}

Status: 0 done, all or some; 66 nothing is kept under this id; 69 all was left as it is; 64 wrong usage; 75 AWS does not
answer: ask again, what is done is passed over; 78 no installation.
`;

const selectionOptions = {
  ...installationOptions,
  domain: { type: 'string' },
  sender: { type: 'string' },
  all: { type: 'boolean' },
  reason: { type: 'string' },
  author: { type: 'string' },
} as const;

const cancelOptions = { ...selectionOptions, 'no-bounce': { type: 'boolean' } } as const;

const overrideOptions = { ...selectionOptions, demand: { type: 'string' } } as const;

/** What `parseArguments` makes of them. */
interface ActArguments {
  readonly values: ParsedArguments<typeof selectionOptions>['values'] & {
    readonly 'no-bounce'?: boolean | undefined;
    readonly demand?: string | undefined;
  };
  readonly positionals: readonly string[];
}

/** What the shared checks call by a field's name, as it is written here. */
const written = { id: 'WHICH' };

/** Deliveries of one page; the functions that do the work take no more. */
const pageSize = 200;

const listedMax = 100_000;

/** Runs the command; resolves to its exit status. */
export const runQueue: Command = async (args) =>
  args[0] === 'dead' ? runDead(args.slice(1)) : runQueueAction(args);

const runQueueAction = withActions(usage, {
  list,
  show,
  retry: (args) => act('retry', parseArguments(args, selectionOptions)),
  hold: (args) => act('hold', parseArguments(args, selectionOptions)),
  release: (args) => act('release', parseArguments(args, selectionOptions)),
  cancel: (args) => act('cancel', parseArguments(args, cancelOptions)),
  override: (args) => act('override', parseArguments(args, overrideOptions)),
});

async function list(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    ...installationOptions,
    domain: { type: 'string' },
    sender: { type: 'string' },
    held: { type: 'boolean' },
    order: { type: 'string' },
    limit: { type: 'string' },
  } as const);
  takePositionals(positionals);
  const { domain, sender, held, order } = values;
  const max = readWhole('--limit', values.limit, { min: 1, max: listedMax }) ?? 100;
  const request = readChecked(listRequestSchema, {
    ...given({ domain, sender, order }),
    ...(held === true && { held: 'true' }),
    limit: pageSize,
  });
  const waiting = waitingIndexOf(await openInstallation(values));
  const deliveries: WaitingDelivery[] = [];
  let cursor: string | undefined;
  do {
    const page = await listWaiting({ ...request, ...decodeCursor(cursor) }, waiting);
    deliveries.push(...page.deliveries);
    cursor = page.cursor;
  } while (cursor !== undefined && deliveries.length <= max);
  const listed = deliveries.slice(0, max);
  print(listed, { json: values.json ?? false, text: () => formatWaiting(listed) });
  if (deliveries.length > max) {
    process.stderr.write(`there are more than ${max}: see --limit\n`);
  }
  return 0;
}

async function show(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  const [id] = takePositionals(positionals, 'ID');
  const shown = await showMessage(id, messageControlOf(await openInstallation(values)));
  if (shown === undefined) {
    throw new CommandFailure(`nothing is kept under ${id}`);
  }
  print([shown], { json: values.json ?? false, text: () => formatMessage(shown) });
  return 0;
}

/** Does an action page by page, until all that is meant was looked at. */
async function act(action: Deed['action'], { values, positionals }: ActArguments): Promise<number> {
  const { domain, sender, all, reason, demand } = values;
  const request = readChecked(
    queueRequestSchema(action),
    {
      ...given({ id: readId(positionals), domain, sender, all, reason, demand }),
      bounce: values['no-bounce'] !== true,
      limit: pageSize,
    },
    written,
  );
  const actor = { author: readAuthor(values.author), reason: request.reason };
  const context = queueContextOf(await openInstallation(values));
  let result: ActResult = { done: 0, skipped: [] };
  let cursor: string | undefined;
  do {
    const page = await actOnQueue({ ...request, actor, ...decodeCursor(cursor) }, context);
    const noted = (result.noted ?? 0) + (page.noted ?? 0);
    result = {
      done: result.done + page.done,
      ...(noted > 0 && { noted }),
      skipped: addSkipped(result.skipped, page.skipped),
    };
    cursor = page.cursor;
  } while (cursor !== undefined);
  const isIdle = result.done === 0 && result.noted === undefined;
  const { selection } = request;
  const isUnknown = isIdle && result.skipped.some(({ reason: why }) => why === 'unknown');
  if (isUnknown && selection.kind === 'message') {
    const hint = hintAtDomain(selection.domain, context.settings);
    throw new CommandFailure(`nothing is kept under ${selection.id}${hint}`);
  }
  print([result], {
    json: values.json ?? false,
    text: () => formatResult(action, result),
  });
  return isIdle && result.skipped.length > 0 ? exUnavailable : 0;
}

/** A message that came by SQS is found by the domain of its delivery, before that has begun. */
function hintAtDomain(
  named: string | undefined,
  { smartHost }: ReturnType<typeof queueContextOf>['settings'],
): string {
  if (smartHost !== undefined && named !== smartHost.host) {
    return `; if it came by SQS, name the smart host too, which all mail is for: --domain ${smartHost.host}`;
  }
  return named === undefined ? '; if it came by SQS, name its domain too: --domain' : '';
}

function readId([id, ...more]: readonly string[]): string | undefined {
  if (more.length > 0) {
    throw new UsageError('one ID at a time (see --help)');
  }
  return id;
}

/** The fields that have a value: the schemas know no undefined. */
function given<T extends Readonly<Record<string, unknown>>>(fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}

function decodeCursor(
  cursor: string | undefined,
): { readonly cursor: ReturnType<typeof waitingCursorSchema.parse> } | object {
  return cursor === undefined ? {} : { cursor: waitingCursorSchema.parse(cursor) };
}

/** Sums what two pages left as it is, reason by reason. */
function addSkipped(one: readonly Skipped[], two: readonly Skipped[]): readonly Skipped[] {
  const summed = new Map(one.map((each) => [each.reason, each]));
  for (const each of two) {
    const before = summed.get(each.reason);
    summed.set(each.reason, {
      ...each,
      count: each.count + (before?.count ?? 0),
      examples: before?.examples ?? each.examples,
      ...(before?.untilMs !== undefined && {
        untilMs: Math.max(before.untilMs, each.untilMs ?? 0),
      }),
    });
  }
  return [...summed.values()];
}
