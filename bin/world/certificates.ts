/** The certificates that hosts of the simulated internet show, by what is right or wrong with them. */
import { type Authority, type Credential, createAuthority, issueSelfSigned } from './ca.ts';

const dayMs = 86_400_000;

/**
 * What a host shows for its name.
 *
 * `valid`, `wildcard` (`*.` for its first label), `intermediate` (a chain of three) and `valid-p384` are as RFC 8461 §4.2
 * asks; all others are not: out of date, for another name, signed by itself or by nobody whom the world trusts (with
 * `private-authority` an intermediate of theirs is shown, which DANE-TA may name), with the intermediate left out, with an
 * intermediate that may not issue, without subjectAltName, with a wildcard for a part of a label, or for clients only.
 */
export type CertificateKind =
  | 'valid'
  | 'valid-p384'
  | 'wildcard'
  | 'intermediate'
  | 'expired'
  | 'not-yet-valid'
  | 'wrong-name'
  | 'self-signed'
  | 'other-authority'
  | 'private-authority'
  | 'missing-intermediate'
  | 'not-an-authority'
  | 'common-name-only'
  | 'partial-wildcard'
  | 'client-only';

/** Issues certificates of every kind, each (kind, name) once. */
export interface Certificates {
  /** PEM of the one root that the world trusts. */
  readonly rootPem: string;
  readonly root: Authority;
  /** A root that nobody trusts. */
  readonly otherRoot: Authority;
  credential(kind: CertificateKind, name: string): Promise<Credential>;
}

/** Sets up the world's authorities. `now`: epoch milliseconds; the machine's clock where real peers verify. */
export async function createCertificates(now: () => number): Promise<Certificates> {
  const root = await createAuthority({ name: 'Sealpost World Root', now });
  const otherRoot = await createAuthority({ name: 'Sealpost Untrusted Root', now });
  const issuers: Issuers = {
    now,
    root,
    otherRoot,
    intermediate: await root.intermediate({ name: 'Sealpost World Intermediate' }),
    impostor: await root.intermediate({ name: 'Sealpost World Impostor', mayIssue: false }),
    privateIntermediate: await otherRoot.intermediate({ name: 'Sealpost Private Intermediate' }),
  };
  const issued = new Map<string, Promise<Credential>>();
  return {
    rootPem: root.certificatePem,
    root,
    otherRoot,
    credential(kind, name) {
      const id = `${kind} ${name}`;
      const known = issued.get(id) ?? makers[kind](issuers, name);
      issued.set(id, known);
      return known;
    },
  };
}

interface Issuers {
  readonly now: () => number;
  readonly root: Authority;
  readonly otherRoot: Authority;
  readonly intermediate: Authority;
  readonly impostor: Authority;
  readonly privateIntermediate: Authority;
}

type Maker = (issuers: Issuers, name: string) => Promise<Credential>;

const makers: Readonly<Record<CertificateKind, Maker>> = {
  valid: ({ root }, name) => root.issue({ names: [name] }),
  'valid-p384': ({ root }, name) => root.issue({ names: [name], keyType: 'P-384' }),
  wildcard: ({ root }, name) => root.issue({ names: [name.replace(/^[^.]+/, '*')] }),
  intermediate: ({ intermediate }, name) => intermediate.issue({ names: [name] }),
  expired: ({ root, now }, name) =>
    root.issue({
      names: [name],
      notBefore: new Date(now() - 30 * dayMs),
      notAfter: new Date(now() - dayMs),
    }),
  'not-yet-valid': ({ root, now }, name) =>
    root.issue({ names: [name], notBefore: new Date(now() + dayMs) }),
  'wrong-name': ({ root }, name) => root.issue({ names: [`not-${name}`] }),
  'self-signed': ({ now }, name) => issueSelfSigned({ names: [name] }, now),
  'other-authority': ({ otherRoot }, name) => otherRoot.issue({ names: [name] }),
  'private-authority': ({ privateIntermediate }, name) =>
    privateIntermediate.issue({ names: [name] }),
  'missing-intermediate': async ({ intermediate }, name) =>
    withoutIntermediates(await intermediate.issue({ names: [name] })),
  'not-an-authority': ({ impostor }, name) => impostor.issue({ names: [name] }),
  'common-name-only': ({ root }, name) => root.issue({ names: [name], commonNameOnly: true }),
  'partial-wildcard': ({ root }, name) =>
    root.issue({ names: [name.replace(/^([^.])[^.]*/, '$1*')] }),
  'client-only': ({ root }, name) => root.issue({ names: [name], usage: 'clientAuth' }),
};

function withoutIntermediates({ key, cert }: Credential): Credential {
  const end = '-----END CERTIFICATE-----';
  return { key, cert: cert.slice(0, cert.indexOf(end) + end.length) };
}
