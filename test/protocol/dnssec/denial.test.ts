/** Whether proofs of absence prove what is so, and nothing else, for any zone and any part of its records. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSigningKey } from '../../../bin/world/dnssec-keys.ts';
import { type DenialKind, type SignedZone, signZone } from '../../../bin/world/dnssec-signer.ts';
import { type SignableRecord, typeNumbers } from '../../../bin/world/dnssec-wire.ts';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { decodeRdata } from '../../../functions/protocol/dns/record-data.ts';
import { signatureAlgorithms } from '../../../functions/protocol/dnssec/algorithms.ts';
import type { NsecRecord } from '../../../functions/protocol/dnssec/nsec.ts';
import { type Nsec3Record, toNsec3Record } from '../../../functions/protocol/dnssec/nsec3.ts';
import {
  type Proof,
  proveAbsence,
  proveExpansion,
} from '../../../functions/protocol/dnssec/proof.ts';
import {
  defaultValidationLimits,
  startWork,
  type ValidationTerms,
} from '../../../functions/protocol/dnssec/work.ts';

const { A, NS, DS, DNAME, CNAME, TXT, NSEC } = typeNumbers;
const apex = 'z';
const key = createSigningKey({ seed: 'denial', algorithm: 15 });

const terms = (): ValidationTerms => ({
  nowSeconds: 1_000,
  algorithms: signatureAlgorithms,
  limits: defaultValidationLimits,
  work: startWork(),
});

type Content = 'address' | 'alias' | 'delegation' | 'signed delegation' | 'DNAME';

function contentRecords(name: string, content: Content): readonly SignableRecord[] {
  switch (content) {
    case 'address':
      return [{ name, type: 'A', data: '192.0.2.1' }];
    case 'alias':
      return [{ name, type: 'CNAME', data: 'x.z' }];
    case 'DNAME':
      return [
        { name, type: 'DNAME', data: 'x.y' },
        { name, type: 'A', data: '192.0.2.1' },
      ];
    default:
      return [
        { name, type: 'NS', data: 'ns.x' },
        ...(content === 'delegation' ? [] : [{ name, type: DS, rdata: new Uint8Array(24) }]),
      ];
  }
}

/** A zone under few labels, so that names meet. */
const relative = fc
  .array(fc.constantFrom('a', 'b', 'c', '*'), { minLength: 1, maxLength: 3 })
  .map((labels) => labels.join('.'));
const contents = fc
  .dictionary(
    relative,
    fc.constantFrom<Content>('address', 'alias', 'delegation', 'signed delegation', 'DNAME'),
    { maxKeys: 6 },
  )
  // A delegation at a wildcard means nothing (RFC 4592 §4.2).
  .filter((dictionary) =>
    Object.entries(dictionary).every(
      ([name, content]) => !name.startsWith('*') || !content.endsWith('delegation'),
    ),
  );

const kinds: readonly (readonly [string, DenialKind])[] = [
  ['NSEC', { kind: 'NSEC' }],
  ['NSEC3', { kind: 'NSEC3', iterations: 0, salt: new Uint8Array(0), optOut: false }],
  ['NSEC3 with opt-out', { kind: 'NSEC3', iterations: 1, salt: Uint8Array.of(1), optOut: true }],
];

type Table = ReadonlyMap<string, ReadonlySet<number>>;

/** What a zone has, by name; nothing below a delegation or a DNAME. */
function tabulate(dictionary: Readonly<Record<string, Content>>): Table {
  const table = new Map<string, Set<number>>([[apex, new Set([2, 6])]]);
  const cuts = Object.entries(dictionary).filter(
    ([, content]) => content !== 'address' && content !== 'alias',
  );
  for (const [name, content] of Object.entries(dictionary)) {
    if (cuts.some(([cut]) => name.endsWith(`.${cut}`))) {
      continue;
    }
    const types = contentRecords('', content).map(({ type }) =>
      typeof type === 'number' ? type : typeNumbers[type],
    );
    table.set(`${name}.${apex}`, new Set(types));
    for (let above = name; above.includes('.'); ) {
      above = above.slice(above.indexOf('.') + 1);
      table.set(`${above}.${apex}`, table.get(`${above}.${apex}`) ?? new Set());
    }
  }
  return table;
}

function sign(
  table: Table,
  dictionary: Readonly<Record<string, Content>>,
  denial: DenialKind,
): SignedZone {
  const records = Object.entries(dictionary)
    .filter(([name]) => table.has(`${name}.${apex}`))
    .flatMap(([name, content]) => contentRecords(`${name}.${apex}`, content));
  return signZone({
    origin: apex,
    records: [{ name: apex, type: 'NS', data: 'ns.x' }, ...records],
    keys: [key],
    denial,
    inceptionSeconds: 0,
    expirationSeconds: 2_000,
  });
}

function proofOf(zone: SignedZone, keep: (index: number) => boolean): Proof {
  const nsec = [...zone.names].flatMap(([name, sets]): readonly NsecRecord[] =>
    (sets.get(NSEC)?.rdatas ?? []).map((rdata) => ({
      owner: parseName(name),
      ...decodeRdata(rdata, 'NSEC'),
    })),
  );
  const nsec3 = zone.hashed.flatMap(({ set }): readonly Nsec3Record[] => {
    const [rdata = new Uint8Array(0)] = set.rdatas;
    const record = toNsec3Record(parseName(set.name), decodeRdata(rdata, 'NSEC3'), parseName(apex));
    return record === undefined ? [] : [record];
  });
  return {
    apex: parseName(apex),
    nsec: nsec.filter((_, index) => keep(index)),
    nsec3: nsec3.filter((_, index) => keep(index)),
    sets: [],
    ttlSeconds: 0,
  };
}

type Truth = 'there' | 'nodata' | 'nxdomain' | 'elsewhere';

const isCut = (types: ReadonlySet<number> | undefined): boolean =>
  types !== undefined && !types.has(6) && types.has(NS);

/** The closest encloser of a name that is not there; undefined where it is behind a delegation or a DNAME. */
function encloserOf(table: Table, name: string): string | undefined {
  let above = name;
  do {
    above = above.slice(above.indexOf('.') + 1);
  } while (!table.has(above));
  const types = table.get(above);
  return isCut(types) || types?.has(DNAME) ? undefined : above;
}

function truthOf(table: Table, name: string, type: number): Truth {
  const types = table.get(name);
  if (types !== undefined) {
    if (type === DS ? types.has(6) : isCut(types)) {
      return 'elsewhere';
    }
    return types.has(type) || types.has(CNAME) ? 'there' : 'nodata';
  }
  const encloser = encloserOf(table, name);
  if (encloser === undefined) {
    return 'elsewhere';
  }
  const wild = table.get(`*.${encloser}`);
  if (wild === undefined) {
    return 'nxdomain';
  }
  return wild.has(type) || wild.has(CNAME) ? 'there' : 'nodata';
}

describe.each(kinds)('%s', (_, denial) => {
  const optOut = denial.kind === 'NSEC3' && denial.optOut;
  const question = fc.record({
    name: relative.map((name) => `${name}.${apex}`),
    type: fc.constantFrom(A, TXT, DS, NS, DNAME),
  });

  test("any part of a zone's records proves what is so, or nothing", () => {
    fc.assert(
      fc.property(contents, question, fc.nat(), (dictionary, { name, type }, mask) => {
        const table = tabulate(dictionary);
        const proof = proofOf(
          sign(table, dictionary, denial),
          (index) => (mask >> index) % 2 === 0,
        );
        const denied = proveAbsence(proof, { name: parseName(name), type }, terms());
        const truth = truthOf(table, name, type);
        // An opt-out gap may hold an unsigned delegation of the name, unless the name has a record in the chain.
        const open = optOut && (truth !== 'there' || !table.has(name));
        expect(['unproven', truth, ...(open ? ['insecure'] : [])]).toContain(denied.kind);
        if (denied.kind === 'insecure' && denied.nameError) {
          expect(truth).not.toBe('there');
        }
      }),
      { numRuns: 400 },
    );
  });

  test('all of them prove whatever is absent', () => {
    fc.assert(
      fc.property(contents, question, (dictionary, { name, type }) => {
        const table = tabulate(dictionary);
        const proof = proofOf(sign(table, dictionary, denial), () => true);
        const { kind } = proveAbsence(proof, { name: parseName(name), type }, terms());
        const truth = truthOf(table, name, type);
        if (truth === 'nodata' || truth === 'nxdomain') {
          expect(optOut ? [truth, 'insecure'] : [truth]).toContain(kind);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('a wildcard is expanded only where nothing is closer', () => {
    fc.assert(
      fc.property(contents, question, fc.nat(), (dictionary, { name, type }, mask) => {
        const table = tabulate(dictionary);
        const zone = sign(table, dictionary, denial);
        const encloser = table.has(name) ? undefined : encloserOf(table, name);
        for (let above = name; above !== apex; ) {
          above = above.slice(above.indexOf('.') + 1);
          const expansion = { name: parseName(name), type, encloser: parseName(above) };
          const part = proofOf(zone, (index) => (mask >> index) % 2 === 0);
          const partly = proveExpansion(part, expansion, terms()).kind;
          const wholly = proveExpansion(
            proofOf(zone, () => true),
            expansion,
            terms(),
          ).kind;
          // Only a wildcard that the zone has can come with the zone's signature.
          if (partly === 'proven' && table.has(`*.${above}`)) {
            expect(above).toBe(encloser);
          }
          if (above === encloser) {
            expect(optOut ? ['proven', 'insecure'] : ['proven']).toContain(wholly);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
