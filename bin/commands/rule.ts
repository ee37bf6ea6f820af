/** `sealpost rule`: tagging rules made at run time, beside those of the config. */
import type { DeliverySettings, TaggingRule, TextPattern } from '../../functions/environment.ts';
import {
  addRule,
  listRules,
  positionMax,
  type RulesContext,
  type RuleTest,
  removeRule,
  ruleRequestSchema,
  testRules,
} from '../../functions/operating/rules.ts';
import { createReadControls } from '../../functions/submission/read-controls.ts';
import { exDataErr } from './exit-status.ts';
import { formatFacts, formatTable, print } from './format-table.ts';
import { readInput } from './input-file.ts';
import {
  controlStoreOf,
  type InstallationValues,
  installationOptions,
  installationUsage,
  openInstallation,
  readAuthor,
} from './installation.ts';
import { envelopeOptions, readEnvelope } from './read-envelope.ts';
import {
  type Command,
  CommandFailure,
  parseArguments,
  readChecked,
  readWhole,
  refused,
  takePositionals,
  UsageError,
  withActions,
} from './usage.ts';

const usage = `usage: sealpost rule add NAME --action ACTION [what must match] [--position N] [--replace]
       sealpost rule list
       sealpost rule remove NAME
       sealpost rule test FILE.eml --from ADDRESS --to ADDRESS [--to ADDRESS …]

Rules say what messages demand of their channels. They are asked in order, those made here before those of the config; the
first that matches decides. Functions obey a change within a minute. test says which rule would decide about the message in
FILE.eml (- for standard input), and what it would demand.

  --action ACTION            require (REQUIRETLS), optional (TLS-Required: No), or leave: no further rule is asked
  --sender PATTERN           the reverse-path
  --recipient PATTERN        one of the recipients
  --header FIELD=PATTERN     a header field of that name
  --bytes-min N, --bytes-max N
                             the size of the message
                             A PATTERN is equals:TEXT, glob:TEXT with * and ?, or regex:RE2; without case, of the whole
  --position N               where in the order (default: behind the others)
  --replace                  in the place of the rule of that name
  --author NAME              who decides it (default: the user of this machine)
  --require-tls              test: the message was submitted with requireTls
${installationUsage}

Status: 0 done; 65 refused; 66 there is none; 64 wrong usage; 75 AWS does not answer; 78 no installation.
`;

const options = {
  ...installationOptions,
  action: { type: 'string' },
  sender: { type: 'string' },
  recipient: { type: 'string' },
  header: { type: 'string' },
  'bytes-min': { type: 'string' },
  'bytes-max': { type: 'string' },
  position: { type: 'string' },
  replace: { type: 'boolean' },
  author: { type: 'string' },
} as const;

const testOptions = { ...installationOptions, ...envelopeOptions } as const;

/** Runs the command; resolves to its exit status. */
export const runRule: Command = withActions(usage, { add, list, remove, test });

async function openContext(
  values: InstallationValues,
): Promise<RulesContext & { readonly settings: DeliverySettings }> {
  const installation = await openInstallation(values);
  const store = controlStoreOf(installation);
  return { store, settings: installation.delivery, nowMs: Date.now() };
}

async function add(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  const [name] = takePositionals(positionals, 'NAME');
  const author = readAuthor(values.author);
  const { action, replace = false } = values;
  const range = { min: -positionMax, max: positionMax };
  const position = readWhole('--position', values.position, range);
  const given = {
    rule: { name, match: readMatch(values), action },
    ...(position !== undefined && { position }),
    replace,
  };
  const request = readChecked(ruleRequestSchema, given, {
    'rule.name': 'NAME',
    'rule.action': '--action',
    'rule.match.sender': '--sender',
    'rule.match.recipient': '--recipient',
    'rule.match.header': '--header',
  });
  const outcome = await addRule(request, author, await openContext(values));
  if (outcome.kind === 'exists') {
    throw new CommandFailure(`there is a rule ${name} already: use --replace`, exDataErr);
  }
  if (outcome.kind === 'refused') {
    throw refused(outcome.faults);
  }
  print([outcome.rule], {
    json: values.json ?? false,
    text: () => `rule ${name} at position ${outcome.rule.position}`,
  });
  return 0;
}

type MatchValues = Readonly<
  Partial<Record<'sender' | 'recipient' | 'header' | 'bytes-min' | 'bytes-max', string | undefined>>
>;

function readMatch(values: MatchValues): TaggingRule['match'] {
  const { sender, recipient, header } = values;
  const sizes = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const bytesMin = readWhole('--bytes-min', values['bytes-min'], sizes);
  const bytesMax = readWhole('--bytes-max', values['bytes-max'], sizes);
  const match = {
    ...(sender !== undefined && { sender: readPattern('--sender', sender) }),
    ...(recipient !== undefined && { recipient: readPattern('--recipient', recipient) }),
    ...(header !== undefined && { header: readHeader(header) }),
    ...(bytesMin !== undefined && { bytesMin }),
    ...(bytesMax !== undefined && { bytesMax }),
  };
  if (Object.keys(match).length === 0) {
    throw new UsageError('say what must match: --sender, --recipient, --header or a size');
  }
  return match;
}

function readPattern(option: string, text: string): TextPattern {
  const [, kind, pattern = ''] = /^(equals|glob|regex):(.*)$/s.exec(text) ?? [];
  switch (kind) {
    case 'equals':
      return { equals: pattern };
    case 'glob':
      return { glob: pattern };
    case 'regex':
      return { regex: pattern };
    default:
      throw new UsageError(`${option} takes equals:TEXT, glob:TEXT or regex:RE2, not ${text}`);
  }
}

function readHeader(text: string): NonNullable<TaggingRule['match']['header']> {
  const equals = text.indexOf('=');
  if (equals < 1) {
    throw new UsageError(`--header takes FIELD=PATTERN, as Subject=glob:*secret*, not ${text}`);
  }
  const value = readPattern('--header', text.slice(equals + 1));
  return { field: text.slice(0, equals), value };
}

async function list(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  takePositionals(positionals);
  const rules = await listRules(await openContext(values));
  print(rules, {
    json: values.json ?? false,
    text: () =>
      formatTable(
        ['position', 'name', 'action', 'where', 'by'],
        rules.map(({ position, name, action, match, author }) => [
          position === undefined ? 'config' : String(position),
          name,
          action,
          formatMatch(match),
          author ?? '',
        ]),
      ),
  });
  return 0;
}

/** As it is written on the command line. */
function formatMatch({
  sender,
  recipient,
  header,
  bytesMin,
  bytesMax,
}: TaggingRule['match']): string {
  return [
    sender && `sender ${formatPattern(sender)}`,
    recipient && `recipient ${formatPattern(recipient)}`,
    header && `${header.field} ${formatPattern(header.value)}`,
    bytesMin === undefined ? undefined : `bytes >= ${bytesMin}`,
    bytesMax === undefined ? undefined : `bytes <= ${bytesMax}`,
  ]
    .filter((each) => each !== undefined)
    .join(', ');
}

function formatPattern(pattern: TextPattern): string {
  return Object.entries(pattern)
    .map(([kind, text]) => `${kind}:${text}`)
    .join();
}

async function remove(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  const [name] = takePositionals(positionals, 'NAME');
  const outcome = await removeRule(name, await openContext(values));
  if (outcome === 'config') {
    throw new CommandFailure(`rule ${name} stands in the config: take it out there and deploy`);
  }
  if (outcome === 'absent') {
    throw new CommandFailure(`there is no rule ${name}`);
  }
  print([{ kind: outcome, name }], {
    json: values.json ?? false,
    text: () => `removed rule ${name}`,
  });
  return 0;
}

async function test(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, testOptions);
  const [file] = takePositionals(positionals, 'FILE.eml');
  const envelope = readEnvelope(values);
  const content = await readInput(file);
  const { store, settings, nowMs } = await openContext(values);
  // What the functions read is what is tested, by the code that reads it; there is no second read to observe.
  const controls = await createReadControls({ store, now: () => nowMs, observe: () => {} })();
  const tested = testRules({ envelope, content }, { settings, controls, nowMs });
  print([tested], { json: values.json ?? false, text: () => formatTest(tested) });
  return 0;
}

function formatTest({ rule, domains }: RuleTest): string {
  const decides = formatFacts([
    ['rule', rule?.name ?? 'none'],
    ['action', rule?.action],
    ['where', rule && formatMatch(rule.match)],
  ]);
  const rows = domains.map(({ domain, demand, reason, recipients }) => [
    domain,
    demand,
    reason,
    recipients.join(' '),
  ]);
  return `${decides}\n\n${formatTable(['domain', 'demand', 'because', 'recipients'], rows)}`;
}
