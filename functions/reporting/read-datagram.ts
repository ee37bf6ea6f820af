/**
 * The results of other mail servers, as libtlsrpt 0.5 sends them to its collector: one JSON object for each session of
 * Postfix 3.10 and later. What is read here are the facts of that format (its documentation, doc/example.txt and
 * tlsrpt.h); it says of a session what Sealpost says of its own.
 */
// Not `{ z }`: the namespace as one object would bring every language's messages into the bundle.
import * as z from 'zod';
import { parseDomainName } from '../protocol/domain-name.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import type { ResultType } from '../protocol/tlsrpt/result-type.ts';
import type {
  AppliedPolicy,
  PolicyTally,
  PolicyType,
  SessionFailure,
} from '../protocol/tlsrpt/tally.ts';

/** What a datagram says of one session. */
export interface DatagramSession {
  /** The next-hop domain, in A-labels. */
  readonly domain: string;
  /** The TLSRPT record as the mail server saw it. */
  readonly record: string;
  /** One for each policy, of one session each. */
  readonly tallies: readonly PolicyTally[];
}

const policyTypes: Readonly<Record<number, PolicyType>> = {
  1: 'tlsa',
  2: 'sts',
  9: 'no-policy-found',
};

const resultTypes: Readonly<Record<number, ResultType>> = {
  201: 'starttls-not-supported',
  202: 'certificate-host-mismatch',
  203: 'certificate-not-trusted',
  204: 'certificate-expired',
  205: 'validation-failure',
  301: 'sts-policy-fetch-error',
  302: 'sts-policy-invalid',
  303: 'sts-webpki-invalid',
  304: 'tlsa-invalid',
  305: 'dnssec-invalid',
  306: 'dane-required',
};

/** What a datagram stands or falls by. */
const name = z.string().max(1_000);

/** A TXT record with ten long destinations; one that is cut would name others. */
const record = z.string().max(10_000);

/** What strangers chose is cut, and the session counts all the same. */
const text = z.string().transform((value) => value.slice(0, 1_000));

/** A TLSA record may hold a whole certificate; beyond this a policy is told without its texts. */
const linesCharsMax = 32_000;

const lines = z
  .array(z.string())
  .transform((each) =>
    each.reduce((sum, { length }) => sum + length + 1, 0) > linesCharsMax ? [] : each,
  );

/** Errors of one session that are told. */
const failuresMax = 100;

const failureSchema = z.object({
  /** Result type. */
  c: z.int(),
  /** Sending MTA, receiving MX: name, name in EHLO, address. */
  s: text.nullish(),
  n: text.nullish(),
  h: text.nullish(),
  r: text.nullish(),
  /** Additional information, and the failure's reason code. */
  a: text.nullish(),
  f: text.nullish(),
});

const policySchema = z.object({
  'policy-type': z.int(),
  'policy-domain': name.nullish(),
  'policy-string': lines.nullish(),
  'mx-host': lines.nullish(),
  'failure-details': z.array(failureSchema).nullish(),
  /** The final result: 0 for success, 1 for failure. */
  f: z.literal([0, 1]),
});

const datagramSchema = z.object({
  /** Of the format. */
  dpv: z.literal('1'),
  d: name,
  pr: record,
  policies: z.array(policySchema).min(1).max(20),
});

type ParsedPolicy = z.infer<typeof policySchema>;
type ParsedFailure = z.infer<typeof failureSchema>;

/**
 * Reads a datagram that is parsed as JSON.
 *
 * @throws {TransportSecurityError} `tlsrpt-invalid`, naming what is wrong
 */
export function readDatagram(value: unknown): DatagramSession {
  const parsed = datagramSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join('.') || 'the datagram'}: ${issue?.message}`);
  }
  const { d, pr, policies } = parsed.data;
  const domain = readDomain(d);
  return { domain, record: pr, tallies: policies.map((policy) => readTally(policy, domain)) };
}

/**
 * RFC 8460 §4.2: one session, which succeeded or failed by its final result, whatever the number of errors that it met;
 * those overlap. A failure of which nothing is said is told as one all the same.
 */
function readTally(policy: ParsedPolicy, domain: string): PolicyTally {
  const isFailed = policy.f === 1;
  const told = (policy['failure-details'] ?? []).slice(0, failuresMax).map(readFailure);
  const failures: readonly SessionFailure[] =
    isFailed && told.length === 0 ? [{ resultType: 'validation-failure' }] : told;
  const distinct = new Map(failures.map((failure) => [JSON.stringify(failure), failure]));
  return {
    policy: readPolicy(policy, domain),
    successes: isFailed ? 0 : 1,
    failures: isFailed ? 1 : 0,
    details: [...distinct.values()].map((failure) => ({ failure, sessions: 1 })),
  };
}

function readPolicy(policy: ParsedPolicy, domain: string): AppliedPolicy {
  const type = policyTypes[policy['policy-type']];
  if (type === undefined) {
    throw invalid(`policies: policy-type ${policy['policy-type']} is none of 1, 2 and 9`);
  }
  const named = policy['policy-domain'];
  return {
    type,
    // Some servers leave it out.
    domain: type === 'no-policy-found' || !named ? domain : readDomain(named),
    strings: policy['policy-string'] ?? [],
    // RFC 8460 §4.4: with `sts` only.
    mxHosts: type === 'sts' ? (policy['mx-host'] ?? []) : [],
  };
}

function readFailure({ c, s, n, h, r, a, f }: ParsedFailure): SessionFailure {
  const reason = f || a;
  return {
    // RFC 8460 §4.3.3: the general failure, for a type that a later version of the format may have.
    resultType: resultTypes[c] ?? 'validation-failure',
    ...(s && { sendingMtaIp: s }),
    ...(n && { receivingMxHostname: n }),
    ...(h && { receivingMxHelo: h }),
    ...(r && { receivingIp: r }),
    ...(reason && { failureReasonCode: reason }),
  };
}

function readDomain(name: string): string {
  try {
    return parseDomainName(name);
  } catch (cause) {
    throw new TransportSecurityError(
      'tlsrpt-invalid',
      `not a domain name: ${JSON.stringify(name)}`,
      {
        cause,
      },
    );
  }
}

function invalid(message: string): TransportSecurityError {
  return new TransportSecurityError('tlsrpt-invalid', message);
}
