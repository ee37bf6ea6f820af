/** A `why` record for human readers. */
import type {
  DaneNote,
  FailureNote,
  HostNote,
  TryNote,
  WhyRecord,
} from '../../functions/delivery/why.ts';

/** Several lines, the verdict first. Contains nothing but printable text: peers' words were escaped when read. */
export function formatWhy(why: WhyRecord): string {
  const { decision, demand, policy } = why;
  const lines = [
    `${why.domain}: ${decision.outcome}${decision.status === undefined ? '' : ` ${decision.status}`}`,
    `  because   ${decision.reason}`,
    `  row       ${decision.row}`,
    `  demand    ${demand.level}: ${demand.reason}`,
  ];
  if (policy !== undefined) {
    lines.push(`  MTA-STS   ${formatPolicy(policy)}`);
  }
  for (const { name, type, outcome, status, detail } of why.lookups) {
    const found = [outcome === 'records' ? '' : outcome, detail].filter(Boolean).join(' ');
    lines.push(
      `  ${type.padEnd(9)} ${name}: ${found}${status === undefined ? '' : ` (${status})`}`,
    );
  }
  lines.push(...why.hosts.flatMap(formatHost));
  for (const { address, outcome, status, reply } of why.recipients) {
    lines.push(
      `  to        ${address}: ${outcome} ${status}${reply === undefined ? '' : `, ${reply}`}`,
    );
  }
  return lines.join('\n');
}

function formatPolicy(policy: NonNullable<WhyRecord['policy']>): string {
  const { kind, mode, mx, id, source, setBy, reason } = policy;
  const by = setBy === undefined ? '' : `, set by ${setBy}`;
  const facts =
    kind === 'policy' ? `${mode}, mx ${mx?.join(' ')}, id ${id}, from ${source}${by}` : kind;
  return reason === undefined ? facts : `${facts}: ${reason}`;
}

function formatHost({ host, preference, skipped, dane, tries }: HostNote): string[] {
  const head = `  host      ${preference} ${host}`;
  const tlsa = dane === undefined ? [] : [`    TLSA ${formatDane(dane)}`];
  return skipped === undefined
    ? [head, ...tlsa, ...tries.map(formatTry)]
    : [`${head}: not used, ${formatFailure(skipped)}`, ...tlsa, ...tries.map(formatTry)];
}

function formatDane({ level, base, records = [], reason }: DaneNote): string {
  return reason === undefined
    ? `${level} at ${base}: ${records.join('; ')}`
    : `${level}: ${reason}`;
}

function formatTry({ address, level, tls, failure, noted }: TryNote): string {
  const parts = [
    `    ${address} (${level})`,
    tls === undefined
      ? undefined
      : `${tls.version} ${tls.cipher}, certificate ${tls.fingerprint.slice(0, 16)} ${tls.verdict}`,
    failure === undefined ? undefined : `failed: ${formatFailure(failure)}`,
    noted === undefined ? undefined : `noted: ${formatFailure(noted)}`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

function formatFailure({ code, reason, resultType }: FailureNote): string {
  return `${code}${resultType === undefined ? '' : ` [${resultType}]`}: ${reason}`;
}
