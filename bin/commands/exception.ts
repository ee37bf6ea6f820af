/** `sealpost exception`: domains to which a policy, or our tagging, does not apply for a while. */
import {
  addException,
  type ExceptionsContext,
  exceptionDaysMax,
  exceptionKeySchema,
  exceptionRequestSchema,
  expiringDays,
  type ListedException,
  listExceptions,
  removeException,
} from '../../functions/operating/exceptions.ts';
import { formatTable, formatTime, print } from './format-table.ts';
import {
  controlStoreOf,
  type InstallationValues,
  installationOptions,
  installationUsage,
  openInstallation,
  readAuthor,
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

const usage = `usage: sealpost exception add DOMAIN --policy POLICY --reason TEXT (--days N | --expires TIME)
       sealpost exception list
       sealpost exception remove DOMAIN --policy POLICY

An exception stops a POLICY for mail to a domain: mta-sts or dane, or tagging by rules and address tags. Functions obey it
within a minute. What a message itself asks for is not excepted: with REQUIRETLS it is refused (5.7.30). Adding one that is
there renews it. Those of the config are listed too, and changed there.

  --policy POLICY            mta-sts, dane or tagging
  --reason TEXT              why, for whoever finds it later
  --days N                   for how long, up to ${exceptionDaysMax}
  --expires TIME             until when, as 2027-03-01T00:00:00Z
  --author NAME              who decides it (default: the user of this machine)
${installationUsage}

Status: 0 done; 65 refused; 66 there is none; 64 wrong usage; 75 AWS does not answer; 78 no installation.
`;

const options = {
  ...installationOptions,
  ...decisionOptions,
  policy: { type: 'string' },
} as const;

/** Runs the command; resolves to its exit status. */
export const runException: Command = withActions(usage, { add, list, remove });

async function openContext(values: InstallationValues): Promise<ExceptionsContext> {
  const installation = await openInstallation(values);
  const store = controlStoreOf(installation);
  return { store, settings: installation.delivery, nowMs: Date.now() };
}

async function add(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  const [domain] = takePositionals(positionals, 'DOMAIN');
  const author = readAuthor(values.author);
  const { policy, reason } = values;
  const expires = readEnd(values, exceptionDaysMax);
  const given = { domain, policy, reason, expires };
  const request = readChecked(exceptionRequestSchema, given, { domain: 'DOMAIN' });
  const outcome = await addException(request, author, await openContext(values));
  if (outcome.kind === 'refused') {
    throw refused(outcome.faults);
  }
  const { exception, replaced } = outcome;
  print([outcome], {
    json: values.json ?? false,
    text: () =>
      `${exception.domain}: no ${exception.policy} until ${formatTime(exception.expires)}` +
      (replaced === undefined
        ? ''
        : `, in the place of one by ${replaced.author} until ${formatTime(replaced.expires)}`),
  });
  return 0;
}

async function list(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  takePositionals(positionals);
  const exceptions = await listExceptions(await openContext(values));
  print(exceptions, {
    json: values.json ?? false,
    text: () =>
      formatTable(
        ['domain', 'not applied', 'until', 'state', 'by', 'reason'],
        exceptions.map(toRow),
      ),
  });
  return 0;
}

function toRow(exception: ListedException): readonly string[] {
  const { domain, policy, expires, state, source, author, reason } = exception;
  const states = {
    'in-force': 'in force',
    expiring: `ends within ${expiringDays} days`,
    over: 'over',
  };
  const by = [author, source === 'config' ? '(config)' : undefined].filter(Boolean).join(' ');
  return [domain, policy, formatTime(expires), states[state], by, reason];
}

async function remove(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    ...installationOptions,
    policy: options.policy,
  });
  const [domain] = takePositionals(positionals, 'DOMAIN');
  const given = { domain, policy: values.policy };
  const key = readChecked(exceptionKeySchema, given, { domain: 'DOMAIN' });
  const outcome = await removeException(key, await openContext(values));
  const name = `${key.policy} exception of ${key.domain}`;
  if (outcome === 'config') {
    throw new CommandFailure(`the ${name} stands in the config: take it out there and deploy`);
  }
  if (outcome === 'absent') {
    throw new CommandFailure(`there is no ${name}`);
  }
  print([{ kind: outcome, ...key }], {
    json: values.json ?? false,
    text: () => `removed the ${name}`,
  });
  return 0;
}
