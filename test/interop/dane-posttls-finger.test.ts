/**
 * The same MX hosts, chains and TLSA records judged by delivery's own steps and by Postfix, as `posttls-finger` shows it:
 * MX, address and TLSA from signed zones, then STARTTLS. We validate the zones ourselves; Postfix believes an Unbound.
 *
 * Where the two differ, a row says why; `docs/conformance.md` has the same list.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNetworkResolver } from '../../functions/adapters/net/network-resolver.ts';
import { findTlsa } from '../../functions/delivery/find-tlsa.ts';
import { listReferenceIdentifiers } from '../../functions/protocol/dane/reference-identifiers.ts';
import type { Resolver } from '../../functions/protocol/dns/answer.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { opener, soon, target } from '../adapters/net/smtp-fixture.ts';
import { type MailCase, mailCases } from './dane-mail-cases.ts';
import { type MailInternet, startMailInternet } from './dane-mail-internet.ts';
import { type Finger, prepareFinger } from './posttls-finger.ts';

/** `unusable`: no record can be used; `absent`: there are no secure ones; `deferred`: that could not be found out. */
type Verdict = 'verified' | 'refused' | 'unusable' | 'absent' | 'deferred';

/** All differences there are. */
const differences: readonly {
  /** Of the case. */
  readonly what: string;
  readonly ours: Verdict;
  readonly postfix: Verdict;
  readonly why: string;
}[] = [
  {
    what: 'intermediate expired, 2 0 1 intermediate',
    ours: 'refused',
    postfix: 'verified',
    why: 'OpenSSL, by which Postfix goes, looks at the dates of an anchor only where it signed itself',
  },
  {
    what: 'name of the domain, 2 1 1 root, MX not secure',
    ours: 'refused',
    postfix: 'verified',
    why: 'behind an insecure MX the host has its own name alone (RFC 7672 §3.2.2); posttls-finger takes the domain too',
  },
];

let internet: MailInternet;
let finger: Finger;
let resolver: Resolver;

beforeAll(async () => {
  internet = await startMailInternet(mailCases);
  finger = await prepareFinger(internet.validatorAddress);
  const { address, port } = internet.forwarder;
  resolver = createNetworkResolver({
    resolvers: [`${address}:${port}`],
    trustAnchors: internet.anchor,
  });
});

afterAll(async () => {
  await finger?.stop();
  await internet?.stop();
});

const seen = new Set<Verdict>();
const explained = new Set<string>();

test.each(mailCases.map((mailCase) => [mailCase.what, mailCase] as const))(
  '%s',
  async (what, mailCase) => {
    const port = internet.portOf(mailCase);
    const ours = await judge(mailCase, port);
    const said = await finger.ask(mailCase.domain, port);
    const theirs = readVerdict(said);
    seen.add(theirs);
    const difference = differences.find((row) => row.what === what);
    if (difference !== undefined) {
      explained.add(difference.why);
    }
    const expected = { ours: difference?.ours ?? theirs, postfix: difference?.postfix ?? theirs };
    expect({ ours, postfix: theirs }, said).toEqual(expected);
  },
);

test('there was something to tell apart, and each difference is there', () => {
  expect(differences.filter((row) => !explained.has(row.why))).toEqual([]);
  expect([...seen].sort()).toEqual(['absent', 'deferred', 'refused', 'unusable', 'verified']);
});

async function judge({ domain }: MailCase, port: number): Promise<Verdict> {
  const deadlineMs = soon();
  const mx = await resolver.lookup(domain, 'MX', deadlineMs);
  const host = mx.kind === 'records' ? mx.records[0]?.exchange : undefined;
  if (host === undefined) {
    throw new RangeError(`${domain} has an MX host`);
  }
  const addresses = [await resolver.lookup(host, 'A', deadlineMs)];
  const found = await findTlsa(host, addresses, { resolver, port, deadlineMs, note: () => {} });
  if (found.level !== 'usable') {
    return found.level === 'failed' ? 'deferred' : found.level;
  }
  const { records, base } = found;
  const referenceIdentifiers = listReferenceIdentifiers(base, { domain, mx });
  const dane = { records, referenceIdentifiers, alsoPkix: false };
  try {
    const channel = await opener()(target(port, { host, tls: 'dane', dane }), deadlineMs);
    await channel.quit();
    return 'verified';
  } catch (error) {
    if (error instanceof TransportSecurityError && /^(?:dane|certificate)-/.test(error.code)) {
      return 'refused';
    }
    throw error;
  }
}

/** By what is said at level `dane-only`; where records are lacking it goes on by a list of roots, which is empty. */
function readVerdict(said: string): Verdict {
  const signs: readonly (readonly [RegExp, Verdict])[] = [
    [/ Verified TLS connection established /, 'verified'],
    // Behind an MX record that anybody may have written the same proof has a lesser word.
    [/: log verified as trusted\n.* Trusted TLS connection established /s, 'verified'],
    [/ no usable TLSA records found| all TLSA records unusable/, 'unusable'],
    [/ no TLSA records found/, 'absent'],
    [/ TLSA lookup error /, 'deferred'],
    [/ (?:Untrusted|Trusted) TLS connection established /, 'refused'],
  ];
  const [, verdict] = signs.find(([sign]) => sign.test(said)) ?? [];
  if (verdict === undefined) {
    throw new RangeError(`posttls-finger says something else: ${said}`);
  }
  return verdict;
}
