/** What name servers and policy hosts of the world answer, by what is true at that moment. */
import type { FetchPolicy } from '../../functions/policy/ports.ts';
import type { Answer, DnssecStatus, RecordType } from '../../functions/protocol/dns/answer.ts';
import { type Domain, type Host, type HostTruth, truthAt } from './truth.ts';

/** Who is asked, and when. */
export interface AnsweringWorld {
  readonly nowMs: () => number;
  readonly domains: ReadonlyMap<string, Domain>;
  readonly hosts: ReadonlyMap<string, Host>;
}

/** Answers are made once for each truth that they follow from. */
export type KnownAnswers = WeakMap<object, Map<string, Answer<RecordType>>>;

export function lookUp(
  { nowMs, domains, hosts }: AnsweringWorld,
  known: KnownAnswers,
  { name, type }: { readonly name: string; readonly type: RecordType },
): Answer<RecordType> {
  const owner = name.replace(/^(_mta-sts|_25\._tcp)\./, '');
  const subject = type === 'MX' || type === 'TXT' ? domains.get(owner) : hosts.get(owner);
  if (subject === undefined) {
    return deny(name, 'nxdomain', 'insecure');
  }
  const truth: object = truthAt<object>(subject.timeline, nowMs());
  const ofTruth = known.get(truth) ?? new Map<string, Answer<RecordType>>();
  known.set(truth, ofTruth);
  const question = `${name} ${type}`;
  const answer = ofTruth.get(question) ?? makeAnswer(subject, name, type, nowMs());
  ofTruth.set(question, answer);
  return answer;
}

function makeAnswer(
  subject: Domain | Host,
  name: string,
  type: RecordType,
  nowMs: number,
): Answer<RecordType> {
  if ('manner' in subject) {
    return answerOfHost(subject, truthAt(subject.timeline, nowMs), name, type);
  }
  const truth = truthAt(subject.timeline, nowMs);
  const status = truth.secure ? 'secure' : 'insecure';
  if (type === 'TXT') {
    if (truth.policyRecord === 'failing') {
      return fail(name, type);
    }
    return truth.policy === undefined
      ? deny(name, 'nxdomain', status)
      : tell(name, [`v=STSv1; id=${truth.policy.id};`], status);
  }
  switch (truth.mx) {
    case 'hosts':
      return tell(
        name,
        truth.hosts.map((exchange, index) => ({ preference: 10 * (1 + (index >> 1)), exchange })),
        status,
      );
    case 'null':
      return tell(name, [{ preference: 0, exchange: '' }], status);
    case 'implicit':
      return deny(name, 'nodata', status);
    case 'nxdomain':
      return deny(name, 'nxdomain', status);
    case 'bogus':
      return deny(name, 'nodata', 'bogus');
    case 'failing':
      return fail(name, type);
  }
}

/** Associated data of TLSA records: digests need no certificate to be well-formed. */
const digest = new Uint8Array(32).fill(7);

function answerOfHost(
  host: Host,
  truth: HostTruth,
  name: string,
  type: RecordType,
): Answer<RecordType> {
  const status = truth.secure ? 'secure' : 'insecure';
  if (type === 'TLSA') {
    switch (truth.tlsa) {
      case 'failing':
        return fail(name, type);
      case 'none':
        return deny(name, 'nodata', status);
      default:
        return tell(
          name,
          [
            {
              usage: truth.tlsa === 'unusable' ? 9 : 3,
              selector: 1,
              matchingType: 1,
              data: digest,
            },
          ],
          status,
        );
    }
  }
  if (truth.addresses === 'failing') {
    return fail(name, type);
  }
  return type === 'A' && truth.addresses === 'found'
    ? tell(name, [host.address], status)
    : deny(name, 'nodata', status);
}

function tell(name: string, records: readonly unknown[], status: DnssecStatus): Answer<RecordType> {
  const facts = { status, canonicalName: name, aliases: [], ttlSeconds: 300 };
  return { ...facts, kind: 'records', records } as Answer<RecordType>;
}

function deny(name: string, kind: 'nodata' | 'nxdomain', status: DnssecStatus): Answer<RecordType> {
  return { kind, status, canonicalName: name, aliases: [], ttlSeconds: 300 };
}

function fail(name: string, type: string): Answer<RecordType> {
  return { kind: 'failed', code: 'dns-server-failure', reason: `${name} ${type}: SERVFAIL` };
}

export function servePolicy(
  { nowMs, domains }: AnsweringWorld,
  name: string,
): Awaited<ReturnType<FetchPolicy>> {
  const domain = domains.get(name);
  const truth = domain && truthAt(domain.timeline, nowMs());
  if (truth?.policy === undefined || truth.policyHost === 'failing') {
    return { kind: 'failed', code: 'sts-policy-fetch-error', reason: 'no answer' };
  }
  const { mode, mx, maxAgeSeconds } = truth.policy;
  const lines = [
    'version: STSv1',
    `mode: ${mode}`,
    ...mx.map((host) => `mx: ${host}`),
    `max_age: ${maxAgeSeconds}`,
    '',
  ];
  return {
    kind: 'response',
    status: 200,
    contentType: 'text/plain',
    body: Buffer.from(lines.join('\r\n')),
  };
}
