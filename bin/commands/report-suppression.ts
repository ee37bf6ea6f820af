/** `sealpost report suppression`: destinations that our reports are not sent to. */
import {
  addSuppression,
  type ListedSuppression,
  listSuppressions,
  removeSuppression,
  type SuppressionsContext,
  suppressionDaysMax,
  suppressionRequestSchema,
} from '../../functions/reporting/suppressions.ts';
import { formatTable, formatTime, print } from './format-table.ts';
import {
  type InstallationValues,
  installationOptions,
  installationUsage,
  openInstallation,
  readAuthor,
  suppressionStoreOf,
} from './installation.ts';
import {
  type Command,
  CommandFailure,
  decisionOptions,
  parseArguments,
  readChecked,
  readEnd,
  refused,
  takePositionals,
  withActions,
} from './usage.ts';

const usage = `usage: sealpost report suppression add URI --reason TEXT (--days N | --expires TIME)
       sealpost report suppression list
       sealpost report suppression remove URI

No report is sent to a suppressed destination, a URI of a TLSRPT record as in "mailto:tls@example.net". Functions obey
within a minute. Adding one that is there renews it. An address from which a report came back for good is added by the
installation itself, for 30 days.

  --reason TEXT              why, for whoever finds it later
  --days N                   for how long, up to ${suppressionDaysMax}
  --expires TIME             until when, as 2027-03-01T00:00:00Z
  --author NAME              who decides it (default: the user of this machine)
${installationUsage}

Status: 0 done; 65 refused; 66 there is none; 64 wrong usage; 75 AWS does not answer; 78 no installation.
`;

const options = { ...installationOptions, ...decisionOptions } as const;

/** Runs the command; resolves to its exit status. */
export const runSuppression: Command = withActions(usage, { add, list, remove });

async function openContext(values: InstallationValues): Promise<SuppressionsContext> {
  return { store: suppressionStoreOf(await openInstallation(values)), nowMs: Date.now() };
}

async function add(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  const [uri] = takePositionals(positionals, 'URI');
  const author = readAuthor(values.author);
  const { reason } = values;
  const expires = readEnd(values, suppressionDaysMax);
  const request = readChecked(suppressionRequestSchema, { uri, reason, expires }, { uri: 'URI' });
  const outcome = await addSuppression(request, author, await openContext(values));
  if (outcome.kind === 'refused') {
    throw refused(outcome.faults);
  }
  const { suppression } = outcome;
  print([outcome], {
    json: values.json ?? false,
    text: () => `${suppression.uri}: no reports until ${formatTime(suppression.expires)}`,
  });
  return 0;
}

async function list(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  takePositionals(positionals);
  const suppressions = await listSuppressions(await openContext(values));
  print(suppressions, {
    json: values.json ?? false,
    text: () =>
      formatTable(['destination', 'until', 'state', 'by', 'reason'], suppressions.map(toRow)),
  });
  return 0;
}

function toRow({ uri, expires, state, author, reason }: ListedSuppression): readonly string[] {
  return [uri, formatTime(expires), state === 'over' ? 'over' : 'in force', author, reason];
}

async function remove(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  const [uri] = takePositionals(positionals, 'URI');
  if (!(await removeSuppression(uri, await openContext(values)))) {
    throw new CommandFailure(`${uri} is not suppressed`);
  }
  print([{ kind: 'removed', uri }], {
    json: values.json ?? false,
    text: () => `removed the suppression of ${uri}`,
  });
  return 0;
}
