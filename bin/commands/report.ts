/** `sealpost report`: TLS reports that others sent, and what they say (RFC 8460); and whom ours are not sent to. */
import { s3Client } from '../../functions/adapters/aws/aws-clients.ts';
import { domainSchema } from '../../functions/operating/operator-text.ts';
import { utcDay } from '../../functions/protocol/tlsrpt/report.ts';
import {
  countedSums,
  failuresByKind,
  listReporters,
  sessionsByDay,
} from '../../functions/reporting/answers.ts';
import { daysBefore, readSums } from '../../functions/reporting/check-reports.ts';
import { adviseEnforce, type EnforceAdvice } from '../../functions/reporting/enforce-advice.ts';
import type { Receipt } from '../../functions/reporting/receive-ports.ts';
import type { ReportSums } from '../../functions/reporting/report-sums.ts';
import { formatReceivedReport, readReceivedReport } from './format-received-report.ts';
import { formatFacts, formatTable, formatTime, print } from './format-table.ts';
import {
  installationOptions,
  installationUsage,
  openInstallation,
  receivedReportsOf,
} from './installation.ts';
import { runSuppression } from './report-suppression.ts';
import {
  type Command,
  CommandFailure,
  parseArguments,
  readWhole,
  takePositionals,
  UsageError,
  withActions,
} from './usage.ts';

const usage = `usage: sealpost report list [--state STATE] [--days N]
       sealpost report show ID
       sealpost report sessions DOMAIN [--days N] [--unsigned]
       sealpost report failures DOMAIN [--days N] [--unsigned]
       sealpost report reporters DOMAIN [--days N] [--unsigned]
       sealpost report enforce DOMAIN [--days N]
       sealpost report suppression add|list|remove (see sealpost report suppression --help)

TLS reports that others sent about our domains (RFC 8460). list tells what came, and show what it says. sessions, failures
and reporters add up what is counted: per day and type of policy; by type and MX host, with who saw it how often, and the
first of those days on which it was seen; by who reports. enforce answers whether the policy may be switched from testing
to enforce, and with what evidence.

  --days N                   how far back, 1 to 395 (list 7, enforce 60, others 30)
  --state STATE              only what is counted, unverified, foreign, untimely or unreadable
  --unsigned                 also what came by HTTPS, which nobody signs
${installationUsage}

Status: 0 done, and for enforce: yes, or enforced already; 1 enforce: no, or not known yet; 66 there is no such report;
64 wrong usage; 75 AWS does not answer; 78 no installation.
`;

const options = {
  ...installationOptions,
  days: { type: 'string' },
  state: { type: 'string' },
  unsigned: { type: 'boolean' },
} as const;

/** Raw reports and sums are kept for 13 months. */
const daysMax = 395;

const states: readonly Receipt['state'][] = [
  'counted',
  'unverified',
  'foreign',
  'untimely',
  'unreadable',
];

/** Runs the command; resolves to its exit status. */
export const runReport: Command = async (args) =>
  args[0] === 'suppression' ? runSuppression(args.slice(1)) : runReportAction(args);

const runReportAction = withActions(usage, {
  list,
  show,
  sessions,
  failures,
  reporters,
  enforce,
});

async function list(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, options);
  takePositionals(positionals);
  if (values.state !== undefined && !states.some((state) => state === values.state)) {
    throw new UsageError(`--state takes one of ${states.join(', ')}`);
  }
  const days = readWhole('--days', values.days, { min: 1, max: daysMax }) ?? 7;
  const reader = receivedReportsOf(await openInstallation(values));
  const today = utcDay(Date.now());
  const receipts: Receipt[] = [];
  for (let back = days - 1; back >= 0; back -= 1) {
    for await (const portion of reader.receivedOn(daysBefore(today, back))) {
      receipts.push(...portion.filter(({ state }) => state === (values.state ?? state)));
    }
  }
  print(receipts, {
    json: values.json ?? false,
    text: () =>
      formatTable(
        ['received', 'id', 'state', 'by', 'of', 'about', 'sessions', 'failed', 'why'],
        receipts.map(toRow),
      ),
  });
  return 0;
}

function toRow({ receivedAtMs, id, state, way, reason = '', summary }: Receipt): readonly string[] {
  const { submitter = '', domains = [], successes = 0, failures: failed = 0 } = summary ?? {};
  const sums = summary === undefined ? ['', ''] : [String(successes + failed), String(failed)];
  const about = domains.slice(0, 3).join(' ');
  return [formatTime(receivedAtMs), id, state, way, submitter, about, ...sums, reason];
}

async function show(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, installationOptions);
  const [id] = takePositionals(positionals, 'ID');
  const installation = await openInstallation(values);
  const receipt = await receivedReportsOf(installation).read(id);
  if (receipt === undefined) {
    throw new CommandFailure(`there is no report ${id}`);
  }
  const place = { client: s3Client(), bucket: installation.reportBucket };
  const report = await readReceivedReport(receipt, place);
  print([{ ...receipt, ...(report !== undefined && { report }) }], {
    json: values.json ?? false,
    text: () => formatReceivedReport(receipt, report),
  });
  return 0;
}

interface Asked {
  readonly domain: string;
  readonly sums: readonly ReportSums[];
  readonly json: boolean;
}

/** The sums about a domain that an answer is made of. */
async function ask(args: readonly string[], defaultDays: number): Promise<Asked> {
  const { values, positionals } = parseArguments(args, options);
  const [written] = takePositionals(positionals, 'DOMAIN');
  const domain = domainSchema.safeParse(written);
  if (!domain.success) {
    throw new UsageError(`not a domain name: ${JSON.stringify(written)}`);
  }
  const days = readWhole('--days', values.days, { min: 1, max: daysMax }) ?? defaultDays;
  const reader = receivedReportsOf(await openInstallation(values));
  const to = utcDay(Date.now());
  const { json = false, unsigned = false } = values;
  const sums = await readSums(reader, domain.data, { from: daysBefore(to, days), to, unsigned });
  return { domain: domain.data, json, sums };
}

async function sessions(args: readonly string[]): Promise<number> {
  const { sums, json } = await ask(args, 30);
  const answers = sessionsByDay(sums);
  print(answers, {
    json,
    text: () =>
      formatTable(
        ['day', 'policy', 'succeeded', 'failed', 'reporters'],
        answers.map((each) => [
          each.day,
          each.policyType,
          String(each.successes),
          String(each.failures),
          String(each.reporters),
        ]),
      ),
  });
  return 0;
}

async function failures(args: readonly string[]): Promise<number> {
  const { sums, json } = await ask(args, 30);
  const answers = failuresByKind(sums);
  print(answers, {
    json,
    text: () =>
      formatTable(
        ['type', 'MX host', 'sessions', 'first seen', 'last seen', 'reporters', 'reasons'],
        answers.map((each) => [
          each.resultType,
          each.mxHost ?? '',
          String(each.sessions),
          each.firstDay,
          each.lastDay,
          each.reporters.map((by) => `${by.reporter} ${by.sessions}`).join(', '),
          each.reasons.join('; '),
        ]),
      ),
  });
  return 0;
}

async function reporters(args: readonly string[]): Promise<number> {
  const { sums, json } = await ask(args, 30);
  const answers = listReporters(sums);
  print(answers, {
    json,
    text: () =>
      formatTable(
        ['reporter', 'signed', 'days', 'with failures', 'first', 'last', 'calls itself'],
        answers.map((each) => [
          each.reporter,
          each.isSigned ? 'yes' : 'no',
          String(each.days),
          String(each.failingDays),
          each.firstDay,
          each.lastDay,
          each.organization,
        ]),
      ),
  });
  return 0;
}

async function enforce(args: readonly string[]): Promise<number> {
  const { domain, sums, json } = await ask(args, 60);
  // Anybody may say anything by HTTPS, so a policy is not hung on that.
  const advice = adviseEnforce(domain, countedSums(sums));
  print([advice], { json, text: () => formatAdvice(advice) });
  return advice.verdict === 'yes' || advice.verdict === 'enforced' ? 0 : 1;
}

const verdicts: Readonly<Record<EnforceAdvice['verdict'], string>> = {
  yes: 'yes: nothing that was reported stands against it',
  no: 'no',
  unknown: 'not known yet',
  enforced: 'it is in mode enforce already',
};

function formatAdvice({ verdict, reasons, remarks, evidence }: EnforceAdvice): string {
  const { firstDay, lastDay, successes, failures: failed } = evidence;
  return formatFacts([
    ['enforce?', verdicts[verdict]],
    ...reasons.map((reason) => ['because', reason] as const),
    ...remarks.map((remark) => ['note', remark] as const),
    ['mode', evidence.mode],
    ['mx', evidence.mxPatterns.join(' ') || undefined],
    ['days', firstDay && `${evidence.days}, ${firstDay} to ${lastDay}`],
    ['reporters', evidence.reporters.join(' ') || undefined],
    ['sessions', `${successes + failed}, ${failed} of them failed`],
  ]);
}
