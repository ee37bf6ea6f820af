/** From a question to what it comes to, alias by alias. */
import { type DnsName, foldName, formatName } from '../protocol/dns/name.ts';
import { type Reason, reason } from '../protocol/dnssec/reason.ts';
import type { RrSet } from '../protocol/dnssec/rrset.ts';
import { ask, expectDnsFailure, type Question } from './ask.ts';
import type { Context } from './context.ts';
import { type Hop, judgeResponse, type ResponseJudgement } from './judge-response.ts';
import type { Failed, Judgement } from './judge-sets.ts';
import type { Resolution } from './resolution.ts';
import { type DnsFailureCode, listChain } from './zone.ts';

type Answered = Extract<ResponseJudgement, { readonly kind: 'records' | 'absent' }>;

/** Looks a name up. Never rejects for what servers do. */
export async function resolveName(context: Context, question: Question): Promise<Resolution> {
  let hops: readonly Hop[] = [];
  try {
    // Ends because each further question is an alias further on, and `judgeResponse` counts them.
    for (;;) {
      const at: Question = { name: hops.at(-1)?.target ?? question.name, type: question.type };
      const before = hops;
      const judged = await ask<ResponseJudgement>(context, at, (message, terms) =>
        judgeResponse({ context, message, terms }, at, before),
      );
      switch (judged.kind) {
        case 'alias':
          hops = judged.hops;
          break;
        case 'bogus':
          return conclude(context, question, { hops, ...bogus(judged.reason) });
        case 'failed':
          return conclude(context, question, { hops, ...failed(judged) });
        default:
          return answer(context, question, judged);
      }
    }
  } catch (error) {
    const { code, message } = expectDnsFailure(error);
    const text = `${formatName(question.name) || '.'}: ${message}`;
    return conclude(context, question, {
      hops,
      ...(code === 'dns-bogus'
        ? bogus(reason('bogus', text))
        : failed({ code: code as DnsFailureCode, reason: reason('noReachableAuthority', text) })),
    });
  }
}

function bogus(why: Reason): Ending {
  return { kind: 'failed', status: 'bogus', code: 'dns-bogus', reason: why };
}

function failed({ code, reason: why }: Pick<Failed, 'code' | 'reason'>): Ending {
  return { kind: 'failed', status: 'indeterminate', code, reason: why };
}

type Ending = Pick<Extract<Resolution, { readonly kind: 'failed' }>, 'kind' | 'status' | 'code'> & {
  readonly reason: Reason;
};

function conclude(
  { limits }: Context,
  question: Question,
  { hops, ...ending }: Ending & { readonly hops: readonly Hop[] },
): Resolution {
  return {
    ...describe(question, hops),
    ...ending,
    ttlSeconds: ending.status === 'bogus' ? limits.bogusTtlSeconds : failureTtl(limits, ending),
    sets: hops.map(({ set }) => set),
    proof: hops.flatMap(({ judgement }) => judgement.proof),
    chain: listChain(hops.map(({ judgement }) => judgement.zone)),
  };
}

/** A look-up that ran out of its own time says nothing about the next one. */
function failureTtl(
  { failureTtlSeconds }: Context['limits'],
  { code }: { readonly code: DnsFailureCode },
): number {
  return code === 'dns-timeout' ? 0 : failureTtlSeconds;
}

function answer({ limits }: Context, question: Question, answered: Answered): Resolution {
  const { hops, judgement } = answered;
  const judgements: readonly Judgement[] = [...hops.map((hop) => hop.judgement), judgement];
  const set: readonly RrSet[] = answered.kind === 'records' ? [answered.set] : [];
  const ttlMax = answered.kind === 'records' ? limits.ttlSecondsMax : limits.negativeTtlSecondsMax;
  const evidence = {
    ...describe(question, hops),
    status: judgement.status,
    ...(judgement.reason === undefined ? {} : { reason: judgement.reason }),
    sets: [...hops.map((hop) => hop.set), ...set],
    proof: judgements.flatMap(({ proof }) => proof),
    chain: listChain(judgements.map(({ zone }) => zone)),
    ttlSeconds: Math.min(ttlMax, ...judgements.map(({ ttlSeconds }) => ttlSeconds)),
  };
  return answered.kind === 'records'
    ? { ...evidence, kind: 'records', set: answered.set }
    : { ...evidence, kind: answered.judgement.outcome };
}

function describe(
  { name, type }: Question,
  hops: readonly Hop[],
): Pick<Resolution, 'name' | 'type' | 'canonicalName' | 'aliases'> {
  return {
    name: textOf(name),
    type,
    canonicalName: textOf(hops.at(-1)?.target ?? name),
    aliases: hops.map((hop) => ({
      name: textOf(hop.name),
      target: textOf(hop.target),
      status: hop.judgement.status,
      ...(hop.judgement.reason === undefined ? {} : { reason: hop.judgement.reason }),
    })),
  };
}

function textOf(name: DnsName): string {
  return formatName(foldName(name));
}
