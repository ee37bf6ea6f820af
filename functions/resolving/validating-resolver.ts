/**
 * A validating resolver: asks servers that nobody has to trust, and believes what the zones have signed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-4 RFC 4035 §4, §5}
 */
import type {
  Answer,
  LookupOptions,
  RecordData,
  RecordType,
  Resolver,
} from '../protocol/dns/answer.ts';
import { type DnsName, foldName, parseName } from '../protocol/dns/name.ts';
import { nameKey } from '../protocol/dns/name-tree.ts';
import { decodeRdata } from '../protocol/dns/record-data.ts';
import { formatType, optType, recordTypes } from '../protocol/dns/record-type.ts';
import { type AlgorithmTable, signatureAlgorithms } from '../protocol/dnssec/algorithms.ts';
import { rootAnchors, type TrustAnchor } from '../protocol/dnssec/anchors.ts';
import { chooseDs } from '../protocol/dnssec/delegation.ts';
import { reason } from '../protocol/dnssec/reason.ts';
import { defaultValidationLimits } from '../protocol/dnssec/work.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import { expectDnsFailure, forgetEarly } from './ask.ts';
import { type BoundedCache, createBoundedCache } from './bounded-cache.ts';
import {
  type AnchorPoint,
  type ResolutionLimits,
  type ResolverState,
  startContext,
} from './context.ts';
import type { Exchange } from './ports.ts';
import type { Resolution } from './resolution.ts';
import { resolveName } from './resolve-name.ts';
import type { DnsFailureCode } from './zone.ts';

export interface ValidatingResolverOptions {
  readonly exchange: Exchange;
  /** Where trust begins; default: the root's keys. Anchors whose algorithm is not in `algorithms` do not count. */
  readonly anchors?: readonly TrustAnchor[];
  /** Names at and below which nothing is validated (RFC 7646), unless an anchor is closer. */
  readonly negativeAnchors?: readonly string[];
  /** Epoch milliseconds; default: the machine's clock. */
  readonly now?: () => number;
  /** Default: 8, 10 and 13 to 16. */
  readonly algorithms?: AlgorithmTable;
  readonly limits?: Partial<ResolutionLimits>;
}

export interface ValidatingResolver extends Resolver {
  /**
   * Looks a record type up by its number and says all there is to say of the outcome. Never rejects for what a server
   * says or fails to say.
   *
   * @throws {RangeError} for a type that is no data of a zone's: 0, OPT, RRSIG, ANY and the like
   */
  resolve(name: string, type: number, deadlineMs: number): Promise<Resolution>;
}

export const defaultResolutionLimits: ResolutionLimits = {
  ...defaultValidationLimits,
  queriesPerResolution: 64,
  verificationsPerResolution: 256,
  attempts: 2,
  aliasesMax: 12,
  entriesMax: 10_000,
  ttlSecondsMax: 86_400,
  negativeTtlSecondsMax: 3_600,
  bogusTtlSeconds: 5,
  failureTtlSeconds: 1,
};

/** An outcome that is kept, and its form for {@link Resolver} once that was asked for. */
interface Kept {
  readonly resolution: Resolution;
  readonly expiresMs: number;
  readonly answers: { [T in RecordType]?: Answer<T> };
}

interface Memory extends ResolverState {
  readonly kept: BoundedCache<Kept>;
  readonly running: Map<string, Promise<Kept>>;
}

/** Makes a resolver with a memory of its own; one serves a whole process. */
export function createValidatingResolver(options: ValidatingResolverOptions): ValidatingResolver {
  const { exchange, now = Date.now, algorithms = signatureAlgorithms } = options;
  const limits: ResolutionLimits = { ...defaultResolutionLimits, ...options.limits };
  const memory: Memory = {
    exchange,
    now,
    algorithms,
    limits,
    anchors: placeAnchors(options, algorithms),
    cuts: createBoundedCache(limits.entriesMax),
    openings: new Map(),
    early: new Map(),
    kept: createBoundedCache(limits.entriesMax),
    running: new Map(),
  };
  return {
    lookup: (name, type, deadlineMs, options) =>
      lookup(memory, { name, type, deadlineMs, ...options }),
    resolve: async (name, type, deadlineMs) => {
      checkType(type);
      const kept = await find(memory, { name, type, deadlineMs });
      return { ...kept.resolution, ttlSeconds: ttlLeft(kept, now()) };
    },
  };
}

/** Anchors by name, without those that no signature could be verified by. */
function placeAnchors(
  { anchors = rootAnchors, negativeAnchors = [] }: ValidatingResolverOptions,
  algorithms: AlgorithmTable,
): readonly AnchorPoint[] {
  const points = new Map<string, { readonly name: DnsName; readonly ds: TrustAnchor[] }>();
  for (const name of negativeAnchors.map(parseName)) {
    points.set(nameKey(name), { name, ds: [] });
  }
  for (const anchor of anchors) {
    if (chooseDs(anchor.name, [anchor], algorithms).supported) {
      const point = points.get(nameKey(anchor.name)) ?? { name: anchor.name, ds: [] };
      point.ds.push(anchor);
      points.set(nameKey(anchor.name), point);
    }
  }
  return [...points.values()];
}

/** Query and meta types (RFC 6895 §3.1), OPT and RRSIG name no RRset that a zone could have signed. */
function checkType(type: number): void {
  const data = Number.isInteger(type) && type > 0 && type <= 0xffff && (type < 128 || type > 255);
  if (!data || type === optType || type === recordTypes.RRSIG) {
    throw new RangeError(`${formatType(type)} cannot be looked up`);
  }
}

interface Request<Type> extends LookupOptions {
  readonly name: string;
  readonly type: Type;
  readonly deadlineMs: number;
}

/** What is known is answered by one look into the memory. */
function lookup<T extends RecordType>(memory: Memory, request: Request<T>): Promise<Answer<T>> {
  const type = recordTypes[request.type];
  const nowMs = memory.now();
  const kept = recall(memory, { ...request, type }, nowMs);
  return kept === undefined
    ? find(memory, { ...request, type }).then((found) =>
        toAnswer(found, request.type, memory.now()),
      )
    : Promise.resolve(toAnswer(kept, request.type, nowMs));
}

function recall(
  memory: Memory,
  { name, type, afresh = false }: Request<number>,
  nowMs: number,
): Kept | undefined {
  return afresh ? undefined : memory.kept.get(`${type} ${name}`, nowMs);
}

async function find(memory: Memory, request: Request<number>): Promise<Kept> {
  const key = `${request.type} ${request.name}`;
  const kept = recall(memory, request, memory.now());
  if (kept !== undefined) {
    return kept;
  }
  // What is being looked up is asked of the servers as well, and so fresh enough for anybody.
  const awaited = memory.running.get(key);
  const shared = awaited && (await beforeDeadline(memory, request, awaited));
  if (shared !== undefined && !ranOutOfTime(shared)) {
    return shared;
  }
  // Nobody is looking it up, or whoever was had less time.
  const run = look(memory, request);
  memory.running.set(key, run);
  try {
    return await beforeDeadline(memory, request, run);
  } finally {
    if (memory.running.get(key) === run) {
      memory.running.delete(key);
    }
  }
}

async function look(memory: Memory, { name, type, deadlineMs }: Request<number>): Promise<Kept> {
  const context = startContext(memory, deadlineMs);
  try {
    const resolution = await resolveName(context, { name: foldName(parseName(name)), type });
    const kept = keep(memory, resolution);
    remember(memory, `${type} ${name}`, kept);
    return kept;
  } catch (error) {
    // A name over 255 octets, say: it cannot be asked for, and no server has denied it.
    return keep(memory, fail({ name, type }, expectDnsFailure(error)));
  } finally {
    forgetEarly(context);
  }
}

/** A failure does not take the place of an answer whose time is not over, and which was asked for afresh. */
function remember({ kept: answers, now }: Memory, key: string, kept: Kept): void {
  const nowMs = now();
  const isKnown = kept.resolution.kind === 'failed' && answers.get(key, nowMs) !== undefined;
  if (kept.expiresMs > nowMs && !isKnown) {
    answers.set(key, kept);
  }
}

function keep({ now }: Memory, resolution: Resolution): Kept {
  return { resolution, expiresMs: now() + resolution.ttlSeconds * 1_000, answers: {} };
}

/** Gives up at the caller's deadline, whatever the transport does about it. */
async function beforeDeadline(
  memory: Memory,
  request: Request<number>,
  pending: Promise<Kept>,
): Promise<Kept> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Kept>((resolve) => {
    const leftMs = Math.min(request.deadlineMs - memory.now(), timerMsMax);
    timer = setTimeout(() => {
      const error = new TransportSecurityError('dns-timeout', 'no answer before the deadline');
      resolve(keep(memory, fail(request, error)));
    }, leftMs);
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a timer takes. */
const timerMsMax = 0x7fff_ffff;

function ranOutOfTime({ resolution }: Kept): boolean {
  return resolution.kind === 'failed' && resolution.code === 'dns-timeout';
}

function fail(
  { name, type }: Pick<Request<number>, 'name' | 'type'>,
  error: TransportSecurityError,
): Resolution {
  return {
    kind: 'failed',
    name,
    type,
    status: 'indeterminate',
    code: error.code as DnsFailureCode,
    reason: reason('noReachableAuthority', `${name}: ${error.message}`),
    canonicalName: name,
    aliases: [],
    sets: [],
    proof: [],
    chain: [],
    ttlSeconds: 0,
  };
}

/** The form of {@link Resolver}, made once for each kept outcome; only the time that is left changes. */
function toAnswer<T extends RecordType>(kept: Kept, type: T, nowMs: number): Answer<T> {
  const made: Answer<T> | undefined = kept.answers[type];
  const answer = made ?? makeAnswer(kept.resolution, type);
  if (made === undefined) {
    Object.assign(kept.answers, { [type]: answer });
  }
  return answer.kind === 'failed' ? answer : { ...answer, ttlSeconds: ttlLeft(kept, nowMs) };
}

function ttlLeft({ expiresMs }: Kept, nowMs: number): number {
  return Math.max(0, Math.ceil((expiresMs - nowMs) / 1_000));
}

function makeAnswer<T extends RecordType>(resolution: Resolution, type: T): Answer<T> {
  const { kind, status, canonicalName, ttlSeconds } = resolution;
  if (kind === 'failed') {
    const { code, reason: why } = resolution;
    return { kind, code, reason: why?.text ?? '', ...(why && { infoCode: why.infoCode }) };
  }
  const aliases = resolution.aliases.map(({ name, target, status: hopStatus }) => ({
    name,
    target,
    status: hopStatus,
  }));
  const facts = { status, canonicalName, aliases, ttlSeconds };
  if (kind !== 'records') {
    return { ...facts, kind };
  }
  const records = resolution.set.rdatas.map((rdata): RecordData[T] => decodeRdata(rdata, type));
  return { ...facts, kind, records };
}
