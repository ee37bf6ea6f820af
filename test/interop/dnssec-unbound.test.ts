/**
 * The same questions answered by our validator and by Unbound, from the same anchor and over the same zones: same status,
 * same data.
 *
 * Our validator asks through an Unbound, one that does not validate and one that does and is told not to (CD, RFC 6840
 * §5.9). Where the two differ, the row says why; `docs/conformance.md` has the same list.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DnsMessage } from '../../functions/protocol/dns/message.ts';
import { type DnsName, formatName, parseName } from '../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../functions/protocol/dns/query.ts';
import { decodeRdata } from '../../functions/protocol/dns/record-data.ts';
import {
  nameError,
  noError,
  parseType,
  recordTypes,
} from '../../functions/protocol/dns/record-type.ts';
import {
  type AlgorithmTable,
  sha1Algorithms,
  signatureAlgorithms,
} from '../../functions/protocol/dnssec/algorithms.ts';
import { parseTrustAnchors } from '../../functions/protocol/dnssec/anchors.ts';
import { findRrSet } from '../../functions/protocol/dnssec/rrset.ts';
import type { Resolution } from '../../functions/resolving/resolution.ts';
import {
  createValidatingResolver,
  type ValidatingResolver,
} from '../../functions/resolving/validating-resolver.ts';
import { exchange, type NameServer } from './daemon.ts';
import { type Internet, startInternet } from './dnssec-internet.ts';
import { type InteropQuestion, listQuestions } from './dnssec-questions.ts';

const timeoutMs = 10_000;

/** What a validator says, as far as both can say it: `secure records www.example 1: 01020304`. */
type Outcome = string;

interface Difference {
  /** Of `name type`. */
  readonly asked: RegExp;
  /** What we say, and the beginning of what Unbound says. */
  readonly ours: RegExp;
  readonly unbounds: Outcome;
  readonly why: string;
}

/** All differences there are. */
const differences: readonly Difference[] = [
  {
    asked: /(^|\.)dname\..* CNAME$/,
    // No NXDOMAIN with records is taken; NSD says it of the target, which RFC 6604 §3 has it do when it follows.
    ours: /^(secure records|failed: .* NXDOMAIN with)/,
    unbounds: 'bogus',
    why: 'a CNAME made from a signed DNAME has no signature, and Unbound misses it where the CNAME itself is asked for',
  },
  {
    asked: /iterations-(101|150)\.test /,
    ours: /^insecure/,
    unbounds: 'secure',
    why: 'RFC 9276 §3.2 leaves the limit open: ours is 100 iterations, Unbound 1.17 has 150',
  },
  {
    asked: /iterations-(501|2500)\.test /,
    ours: /^bogus/,
    unbounds: 'insecure',
    why: 'RFC 9276 §3.2 allows for a second limit, above which nothing is answered: ours is 500, Unbound has none',
  },
  {
    asked: /(^|\.)revoked\.test /,
    ours: /^bogus/,
    unbounds: 'secure',
    why: 'a revoked key signs nothing but its revocation (RFC 5011 §2.1); Unbound has that for trust anchors only',
  },
  {
    asked: /(^|\.)ds-sha256-wrong\.test /,
    ours: /^bogus/,
    unbounds: 'secure',
    why: 'SHA-1 does not count beside SHA-256 (RFC 4509 §3); Unbound has that with `harden-algo-downgrade` only',
  },
];

let internet: Internet;

beforeAll(async () => {
  internet = await startInternet();
});

afterAll(async () => {
  await internet?.stop();
});

const questions = listQuestions();

test.each([
  ['forwarder', 'an Unbound that does not validate'],
  ['validator', 'the Unbound that validates, told not to'],
] as const)(
  `${questions.length} questions through the %s: what Unbound says, we say (%s)`,
  async (via, _) => {
    const resolver = createOurs(
      internet[via],
      new Map([...signatureAlgorithms, ...sha1Algorithms]),
    );
    const found: string[] = [];
    const explained = new Set<Difference>();
    const counts = { secure: 0, insecure: 0, bogus: 0 };
    for (const question of questions) {
      const asked = `${question.name || '.'} ${question.type}`;
      const ours = await askOurs(resolver, question);
      const unbounds = await askUnbound(internet.validator, question);
      const difference = differences.find(
        (row) => row.asked.test(asked) && row.ours.test(ours) && unbounds.startsWith(row.unbounds),
      );
      if (difference !== undefined) {
        explained.add(difference);
      } else if (ours !== unbounds) {
        found.push(`${asked}: we say ${ours}; Unbound says ${unbounds}`);
      }
      const [status] = /^(?:secure|insecure|bogus)/.exec(unbounds) ?? [];
      counts[(status ?? 'bogus') as keyof typeof counts] += 1;
    }
    expect(found).toEqual([]);
    expect(differences.filter((row) => !explained.has(row))).toEqual([]);
    // There is something to tell apart.
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(300);
  },
);

test.each([
  ['www.bind-sha1.test', 'RSASHA1'],
  ['nope.bind-sha1-nsec3.test', 'RSASHA1-NSEC3-SHA1'],
  ['www.sha1.test', 'RSASHA1, by our own signer'],
])(
  '%s: SHA-1 does not count by default, so the zone is insecure (RFC 9905 §2; %s)',
  async (name, _) => {
    const outcome = await askOurs(createOurs(internet.forwarder), { name, type: 'A' });
    expect(outcome).toMatch(/^insecure/);
  },
);

function createOurs(via: NameServer, algorithms?: AlgorithmTable): ValidatingResolver {
  return createValidatingResolver({
    anchors: parseTrustAnchors(internet.anchor),
    exchange: async (query) => (await exchange(via, query, timeoutMs)).octets,
    ...(algorithms === undefined ? {} : { algorithms }),
  });
}

async function askOurs(
  resolver: ValidatingResolver,
  { name, type }: InteropQuestion,
): Promise<Outcome> {
  const deadlineMs = Date.now() + timeoutMs;
  return describeOurs(await resolver.resolve(name, parseType(type) ?? 0, deadlineMs));
}

function describeOurs(resolution: Resolution): Outcome {
  const { kind, aliases, canonicalName } = resolution;
  if (kind === 'failed') {
    return resolution.status === 'bogus' ? 'bogus' : `failed: ${resolution.reason?.text}`;
  }
  const statuses = [resolution.status, ...aliases.map(({ status }) => status)];
  const secure = statuses.every((status) => status === 'secure');
  const set = kind === 'records' ? resolution.set.rdatas : [];
  return formatOutcome({ secure, kind, name: canonicalName, rdatas: set });
}

async function askUnbound(server: NameServer, question: InteropQuestion): Promise<Outcome> {
  const name = parseName(question.name);
  const type = parseType(question.type) ?? 0;
  const query = encodeQuery({ id: 1, name, type, dnssec: true });
  // CD, which would have it pass on what it finds bogus.
  query[3] = (query[3] ?? 0) & ~0x10;
  const message = await exchange(server, query, timeoutMs);
  if (message.rcode !== noError && message.rcode !== nameError) {
    return message.rcode === 2 ? 'bogus' : `failed: RCODE ${message.rcode}`;
  }
  const end = followAliases(message, name, type);
  const set = findRrSet(message, 'answers', { name: end, type });
  const denied = message.rcode === nameError ? 'nxdomain' : 'nodata';
  return formatOutcome({
    secure: message.header.authenticData,
    kind: set === undefined ? denied : 'records',
    name: formatName(end),
    rdatas: set?.rdatas ?? [],
  });
}

function followAliases(message: DnsMessage, name: DnsName, type: number): DnsName {
  let end = name;
  for (let hop = 0; hop < 16 && type !== recordTypes.CNAME; hop += 1) {
    const [rdata] =
      findRrSet(message, 'answers', { name: end, type: recordTypes.CNAME })?.rdatas ?? [];
    if (rdata === undefined) {
      break;
    }
    end = decodeRdata(rdata, 'DNAME');
  }
  return end;
}

function formatOutcome(outcome: {
  readonly secure: boolean;
  readonly kind: 'records' | 'nodata' | 'nxdomain';
  readonly name: string;
  readonly rdatas: readonly Uint8Array[];
}): Outcome {
  const { secure, kind, name, rdatas } = outcome;
  const data = rdatas.map((rdata) => Buffer.from(rdata).toString('hex')).join(' ');
  return `${secure ? 'secure' : 'insecure'} ${kind} ${name || '.'}: ${data}`;
}
