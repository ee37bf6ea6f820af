/** A tree of signed zones in memory, and a resolver that is asked over it. */
import {
  answerSigned,
  encodeSignedAnswer,
  readQuestion,
  type SignedAnswer,
} from '../../bin/world/dnssec-answers.ts';
import {
  createSigningKey,
  type SigningAlgorithm,
  type SigningKey,
} from '../../bin/world/dnssec-keys.ts';
import {
  dsRecords,
  type SignedZone,
  type SigningOptions,
  signZone,
} from '../../bin/world/dnssec-signer.ts';
import type { SignableRecord } from '../../bin/world/dnssec-wire.ts';
import { parseName } from '../../functions/protocol/dns/name.ts';
import { decodeRdata } from '../../functions/protocol/dns/record-data.ts';
import type { TrustAnchor } from '../../functions/protocol/dnssec/anchors.ts';
import type { Exchange } from '../../functions/resolving/ports.ts';
import {
  createValidatingResolver,
  type ValidatingResolver,
  type ValidatingResolverOptions,
} from '../../functions/resolving/validating-resolver.ts';

/** 2026-07-01T00:00:00Z; signatures are valid from a day before to thirty days after. */
export const nowSeconds = 1_782_864_000;
export const inceptionSeconds: number = nowSeconds - 86_400;
export const expirationSeconds: number = nowSeconds + 30 * 86_400;
export const deadlineMs: number = nowSeconds * 1_000 + 5_000;

export type ZoneSpec = { readonly origin: string; readonly records?: readonly SignableRecord[] } & {
  /** Default: one key, algorithm 13. 'none': not signed. */
  readonly keys?: readonly SigningKey[] | 'none';
  /** What its parent has of it; default: the DS records of its keys. */
  readonly ds?: readonly SignableRecord[];
} & Partial<
    Pick<SigningOptions, 'denial' | 'change' | 'otherKeys' | 'ttlSeconds' | 'minimumSeconds'>
  >;

/** The one key of a zone, unless it is given others. */
export function keyOf(
  origin: string,
  algorithm: SigningAlgorithm = 13,
  options: { readonly flags?: number; readonly protocol?: number; readonly seed?: string } = {},
): SigningKey {
  return createSigningKey({ seed: `zone ${origin}`, algorithm, ...options });
}

/** Signs zones, each delegated by the closest one above it. The zones may be given in any order. */
export function signTree(specs: readonly ZoneSpec[]): readonly SignedZone[] {
  const deepestFirst = [...specs].sort((a, b) => depth(b.origin) - depth(a.origin));
  const signed: SignedZone[] = [];
  for (const spec of deepestFirst) {
    const delegations = deepestFirst
      .filter((child) => parentOf(specs, child.origin) === spec.origin)
      .flatMap(({ origin, ds }): readonly SignableRecord[] => {
        const zone = signed.find((other) => other.origin === origin);
        return [
          { name: origin, type: 'NS', data: `ns.${origin}` },
          ...(ds ?? (zone === undefined ? [] : dsRecords(zone))),
        ];
      });
    signed.push(
      signZone({
        ...spec,
        keys: spec.keys === 'none' ? [] : (spec.keys ?? [keyOf(spec.origin)]),
        records: [...(spec.records ?? []), ...delegations],
        inceptionSeconds,
        expirationSeconds,
      }),
    );
  }
  return signed;
}

function depth(origin: string): number {
  return origin === '' ? 0 : origin.split('.').length;
}

function parentOf(specs: readonly ZoneSpec[], origin: string): string | undefined {
  return specs
    .map((spec) => spec.origin)
    .filter((other) => other !== origin && (other === '' || origin.endsWith(`.${other}`)))
    .sort((a, b) => b.length - a.length)[0];
}

/** DS anchors for keys. */
export function anchorsOf(zone: SignedZone): readonly TrustAnchor[] {
  return zone.ds.map((rdata) => ({ name: parseName(zone.origin), ...decodeRdata(rdata, 'DS') }));
}

export interface AskedQuestion {
  readonly name: string;
  readonly type: number;
}

export interface SignedWorld {
  readonly resolver: ValidatingResolver;
  /** What was asked so far, in order. */
  readonly asked: AskedQuestion[];
  readonly zones: readonly SignedZone[];
}

/** Changes an answer before it is sent; `attempt` counts from 0. */
export type Intercept = (
  answer: SignedAnswer,
  question: AskedQuestion & { readonly attempt: number },
) => SignedAnswer | Error;

/** Makes a resolver over zones; `intercept` stands between it and their servers. */
export function createSignedWorld(
  zones: readonly SignedZone[],
  options: Partial<ValidatingResolverOptions> & { readonly intercept?: Intercept } = {},
): SignedWorld {
  const asked: AskedQuestion[] = [];
  const { intercept, ...rest } = options;
  const exchange = createSignedExchange(zones, { asked, ...(intercept && { intercept }) });
  const root = zones.find(({ origin }) => origin === '');
  const resolver = createValidatingResolver({
    exchange,
    now: () => nowSeconds * 1_000,
    ...(root === undefined ? {} : { anchors: anchorsOf(root) }),
    ...rest,
  });
  return { resolver, asked, zones };
}

/** The servers of zones, without a network. */
export function createSignedExchange(
  zones: readonly SignedZone[],
  options: { readonly asked?: AskedQuestion[]; readonly intercept?: Intercept } = {},
): Exchange {
  const { asked = [], intercept = (answer) => answer } = options;
  return async (query, _, rejected) => {
    const question = readQuestion(query);
    if (question === undefined) {
      throw new TypeError('not a query');
    }
    asked.push(question);
    const answer = intercept(answerSigned(zones, question), {
      ...question,
      attempt: rejected.length,
    });
    if (answer instanceof Error) {
      throw answer;
    }
    return encodeSignedAnswer(query, answer);
  };
}
