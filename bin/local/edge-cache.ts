/**
 * The cache of the edge: what makes two requests the same, and how long an answer is kept.
 */
import type { EdgeCachePolicy, EdgeSelection, NameSelection } from './edge-settings.ts';
import type { HttpAnswer, HttpRequest } from './payload.ts';

/** An answer in the cache. */
export interface CachedAnswer {
  readonly answer: HttpAnswer;
  /** Unix time in milliseconds. */
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** Answers by cache key. */
export interface EdgeCache {
  /** undefined for what is not there or no longer fresh. */
  get(key: string, now: number): CachedAnswer | undefined;
  put(key: string, cached: CachedAnswer): void;
}

const entriesMax = 10_000;

/** An empty cache; the oldest answers go when it is full. */
export function createEdgeCache(): EdgeCache {
  const entries = new Map<string, CachedAnswer>();
  return {
    get: (key, now) => {
      const cached = entries.get(key);
      return cached !== undefined && cached.expiresAt > now ? cached : undefined;
    },
    put: (key, cached) => {
      entries.delete(key);
      entries.set(key, cached);
      const [oldest] = entries.keys();
      if (entries.size > entriesMax && oldest !== undefined) {
        entries.delete(oldest);
      }
    },
  };
}

/**
 * The cache key: the path, and of headers, cookies and query what the policy names, as a text.
 *
 * Host is not part of it unless the policy names it; two names of one distribution share their answers else.
 */
export function cacheKey(request: HttpRequest, policy: EdgeCachePolicy): string {
  const { headers, cookies, queries } = select(request, policy.key);
  const encodings = acceptedEncodings(request, policy);
  return JSON.stringify([request.path, queries, headers.toSorted(), cookies, encodings]);
}

/** What of a request goes on to the origin, by the cache key and beside it. */
export interface ForwardedParts {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
}

/** Selects what the origin sees of a request; everything else stays at the edge. */
export function forwardedParts(
  request: HttpRequest,
  policy: EdgeCachePolicy,
  beside: EdgeSelection,
): ForwardedParts {
  const keyed = select(request, policy.key);
  const other = select(request, beside);
  const cookies = union(keyed.cookies, other.cookies).join('; ');
  const encodings = acceptedEncodings(request, policy).join(',');
  return {
    headers: {
      ...Object.fromEntries([...other.headers, ...keyed.headers]),
      ...(cookies === '' ? {} : { cookie: cookies }),
      ...(encodings === '' ? {} : { 'accept-encoding': encodings }),
    },
    query: union(keyed.queries, other.queries).join('&'),
  };
}

/**
 * How long an answer may be kept, in seconds, by the origin's Cache-Control or Expires and the policy's bounds.
 *
 * Errors are kept for ten seconds even when the origin says nothing of them, as CloudFront does.
 */
export function ttlSeconds(
  { status, headers }: HttpAnswer,
  policy: EdgeCachePolicy,
  now: number,
): number {
  const asked = originTtlSeconds(headers, now);
  if (status >= 400) {
    const isAlwaysCached = [404, 414, 500, 501, 502, 503, 504].includes(status);
    const isCachedIfAsked = [400, 403, 405, 412, 415].includes(status) && asked.given;
    return isAlwaysCached || isCachedIfAsked ? Math.max(errorTtlSeconds, asked.seconds ?? 0) : 0;
  }
  const seconds = asked.given
    ? Math.min(asked.seconds, policy.ttlSecondsMax)
    : policy.ttlSecondsDefault;
  return Math.max(seconds, policy.ttlSecondsMin);
}

const errorTtlSeconds = 10;

type OriginTtl =
  | { readonly given: true; readonly seconds: number }
  | { readonly given: false; readonly seconds?: undefined };

function originTtlSeconds(headers: HttpAnswer['headers'], now: number): OriginTtl {
  const directives = (headers['cache-control'] ?? '').toLowerCase().split(/\s*,\s*/);
  if (directives.some((directive) => /^(no-cache|no-store|private)\b/.test(directive))) {
    return { given: true, seconds: 0 };
  }
  for (const name of ['s-maxage', 'max-age']) {
    const value = directives.find((directive) => directive.startsWith(`${name}=`));
    const seconds = Number(value?.slice(name.length + 1));
    if (value !== undefined && seconds >= 0) {
      return { given: true, seconds };
    }
  }
  if (headers['expires'] === undefined) {
    return { given: false };
  }
  // RFC 9111 §5.3: what is not a date, "0" above all, is in the past.
  const expires = Date.parse(headers['expires']);
  return { given: true, seconds: Math.max(0, (expires - now) / 1000 || 0) };
}

interface Selected {
  readonly headers: readonly (readonly [string, string])[];
  /** `name=value`, as sent. */
  readonly cookies: readonly string[];
  readonly queries: readonly string[];
}

function select(request: HttpRequest, selection: EdgeSelection): Selected {
  const { cookie = '', ...headers } = request.headers;
  const isNamed = ({ names, isInverted }: NameSelection, name: string): boolean =>
    names.includes(name) !== isInverted;
  const pick = (list: string, separator: RegExp, names: NameSelection): readonly string[] =>
    list.split(separator).filter((pair) => pair !== '' && isNamed(names, pair.split('=')[0] ?? ''));
  return {
    headers: Object.entries(headers).filter(
      ([name]) => !connectionHeaders.includes(name) && isNamed(selection.headers, name),
    ),
    cookies: pick(cookie, /; */, selection.cookies),
    queries: pick(request.query, /&/, selection.queries),
  };
}

/** Of the connection between viewer and edge, or made anew by the edge. */
const connectionHeaders: readonly string[] = [
  'accept-encoding',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
];

function acceptedEncodings(
  { headers }: HttpRequest,
  { encodings }: EdgeCachePolicy,
): readonly string[] {
  const accepted = (headers['accept-encoding'] ?? '').split(/\s*,\s*/);
  return encodings.filter((encoding) =>
    accepted.some((item) => item === encoding || item.startsWith(`${encoding};`)),
  );
}

function union(first: readonly string[], second: readonly string[]): readonly string[] {
  return [...new Set([...first, ...second])];
}
