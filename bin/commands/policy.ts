/** `sealpost policy`: the cache of MTA-STS policies, seen and edited. */
import { createPolicyFetcher } from '../../functions/adapters/net/fetch-policy.ts';
import { createNetworkResolver } from '../../functions/adapters/net/network-resolver.ts';
import { domainSchema } from '../../functions/operating/operator-text.ts';
import {
  forgetPolicy,
  type ListedPolicy,
  listPolicies,
  type PolicyPorts,
  policyRequestSchema,
  refreshPolicy,
  type ShownPolicy,
  setPolicy,
  showPolicy,
} from '../../functions/operating/policies.ts';
import { isPolicyDomain } from '../../functions/policy/look-up-record.ts';
import { policyFetchTimeMs } from '../../functions/protocol/mta-sts/policy.ts';
import { type DnsValues, dnsOptions, dnsUsage, readDnsOptions } from './dns-options.ts';
import { exTempFail, exUnavailable } from './exit-status.ts';
import { formatFacts, formatTable, formatTime, print, printable } from './format-table.ts';
import { readInput } from './input-file.ts';
import {
  type InstallationValues,
  installationOptions,
  installationUsage,
  openInstallation,
  policyStoreOf,
  readAuthor,
} from './installation.ts';
import {
  type Command,
  CommandFailure,
  parseArguments,
  readChecked,
  takePositionals,
  UsageError,
  withActions,
} from './usage.ts';

const usage = `usage: sealpost policy list
       sealpost policy show DOMAIN
       sealpost policy refresh DOMAIN
       sealpost policy set DOMAIN FILE --reason TEXT
       sealpost policy forget DOMAIN

The cache of MTA-STS policies (RFC 8461 §3.3). Functions remember a policy for five minutes; an edit reaches them by then.
refresh looks the TXT record up and fetches the policy now. set puts the policy in FILE (- for standard input) there: it
holds for its max_age and is not refreshed, until the domain announces another id than the one it is held under and that
can be fetched. forget lets the next delivery find out anew, unprotected by what was known.

  --reason TEXT              why, for whoever finds it later; why records quote it
  --author NAME              who sets it (default: the user of this machine)
  --id ID                    what to hold it under (default: the id in the domain's TXT record)
${installationUsage}
${dnsUsage}
                             The default here: as the installation does
  --ca FILE                  PEM certificates to trust beside the Mozilla roots

Status: 0 done; 66 nothing is stored or published; 69 the policy cannot be had; 64 wrong usage; 75 AWS does not answer;
78 no installation.
`;

const options = {
  ...installationOptions,
  ...dnsOptions,
  reason: { type: 'string' },
  author: { type: 'string' },
  id: { type: 'string' },
} as const;

/** Policies that one list has. */
const listedMax = 10_000;

/** For a TXT record whose whole chain of trust has to be looked up, and then the policy host's full minute. */
const patienceMs = 30_000 + policyFetchTimeMs;

/** Runs the command; resolves to its exit status. */
export const runPolicy: Command = withActions(usage, { list, show, refresh, set, forget });

async function list(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  takePositionals(positionals);
  const store = policyStoreOf(await openInstallation(values));
  const { policies, isCut } = await listPolicies(store, { max: listedMax, nowMs: Date.now() });
  print(policies, {
    json: values.json ?? false,
    text: () =>
      formatTable(['domain', 'mode', 'mx', 'id', 'fetched', 'ends', 'set by'], policies.map(toRow)),
  });
  if (isCut) {
    process.stderr.write(`there are more; these are the first ${listedMax} found\n`);
  }
  return 0;
}

function toRow(policy: ListedPolicy): readonly string[] {
  const { domain, mode, mx, id, fetchedAt, expiresAt, isOver, setBy } = policy;
  const ends = isOver ? 'over' : formatTime(expiresAt);
  return [domain, mode, mx.join(' '), id, formatTime(fetchedAt), ends, setBy?.author ?? ''];
}

async function show(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  const [domain] = readDomain(takePositionals(positionals, 'DOMAIN'));
  const store = policyStoreOf(await openInstallation(values));
  const shown = await showPolicy(domain, { store, nowMs: Date.now() });
  if (shown === undefined) {
    throw nothingStored(domain);
  }
  print([{ domain, ...shown }], {
    json: values.json ?? false,
    text: () => formatShown(domain, shown),
  });
  return 0;
}

function formatShown(domain: string, { policy, failure }: ShownPolicy): string {
  const text = policy?.text.split(/\r?\n/).map((line) => `  ${printable(line)}`.trimEnd());
  return [formatStored(domain, policy, failure), ...(text === undefined ? [] : ['', ...text])]
    .join('\n')
    .trimEnd();
}

function formatStored(
  domain: string,
  policy: ListedPolicy | undefined,
  failure?: ShownPolicy['failure'],
): string {
  return formatFacts([
    ['domain', domain],
    ['mode', policy?.mode],
    ['mx', policy?.mx.join(' ')],
    ['id', policy?.id],
    ['fetched', policy && formatTime(policy.fetchedAt)],
    ['used', policy && formatTime(policy.usedAt)],
    ['ends', policy && formatTime(policy.expiresAt) + (policy.isOver ? ', over' : '')],
    ['set by', policy?.setBy?.author],
    ['because', policy?.setBy?.reason],
    ['failed', failure && `${formatTime(failure.failedAt)} for id ${failure.id}`],
    ['with', failure && `${failure.code}: ${failure.reason}`],
  ]);
}

async function refresh(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  const [domain] = readDomain(takePositionals(positionals, 'DOMAIN'));
  const outcome = await refreshPolicy(domain, await openPorts(values));
  if (outcome.kind === 'absent') {
    throw new CommandFailure(`${domain} has no policy: ${outcome.reason}`);
  }
  if (outcome.kind === 'failed') {
    const { failure, kept } = outcome;
    const rest = kept === undefined ? '' : `; the one of ${formatTime(kept.fetchedAt)} stays`;
    throw new CommandFailure(`${failure.code}: ${failure.reason}${rest}`, exUnavailable);
  }
  print([outcome.policy], {
    json: values.json ?? false,
    text: () => formatStored(domain, outcome.policy),
  });
  return 0;
}

async function set(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  const [domain, file] = readDomain(takePositionals(positionals, 'DOMAIN', 'FILE'));
  const author = readAuthor(values.author);
  const given = {
    text: (await readInput(file)).toString(),
    reason: values.reason,
    ...(values.id !== undefined && { id: values.id }),
  };
  const request = readChecked(policyRequestSchema, given, { text: file });
  const outcome = await setPolicy(domain, { request, author }, await openPorts(values));
  if (outcome.kind === 'overtaken') {
    throw new CommandFailure('somebody fetched it at this moment: try again', exTempFail);
  }
  const { policy, record } = outcome;
  print([policy], {
    json: values.json ?? false,
    text: () => formatStored(domain, policy),
  });
  if (record.kind === 'record' && record.id !== policy.id) {
    process.stderr.write(
      `the domain announces id ${record.id}: its own policy takes this one's place as soon as it can be fetched\n`,
    );
  }
  if (record.kind === 'failed') {
    process.stderr.write(`what the domain announces is not known: ${record.reason}\n`);
  }
  return 0;
}

async function forget(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  const [domain] = readDomain(takePositionals(positionals, 'DOMAIN'));
  const store = policyStoreOf(await openInstallation(values));
  if (!(await forgetPolicy(store, domain))) {
    throw nothingStored(domain);
  }
  print([{ kind: 'forgotten', domain }], {
    json: values.json ?? false,
    text: () => `forgot what was stored of ${domain}`,
  });
  return 0;
}

function nothingStored(domain: string): CommandFailure {
  return new CommandFailure(`nothing is stored of ${domain}`);
}

/** The first of the positional arguments as a policy domain; the rest as they are. */
function readDomain<const T extends readonly string[]>([written = '', ...rest]: T): T {
  const domain = domainSchema.safeParse(written);
  if (!domain.success || !isPolicyDomain(domain.data)) {
    throw new UsageError(`not the name of a policy domain: ${JSON.stringify(written)}`);
  }
  return [domain.data, ...rest] as unknown as T;
}

async function openPorts(values: InstallationValues & DnsValues): Promise<PolicyPorts> {
  const asked = await readDnsOptions(values);
  const installation = await openInstallation(values);
  const network = { ...installation.network, ...asked };
  const resolver = createNetworkResolver(network);
  return {
    store: policyStoreOf(installation),
    resolver,
    fetchPolicy: createPolicyFetcher({ resolver, network }),
    now: Date.now,
    deadlineMs: Date.now() + patienceMs,
  };
}
