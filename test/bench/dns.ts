/**
 * Validated look-ups of MX, A and TLSA per second of CPU, beside Unbound answering the same on the same machine.
 *
 * Cold: the zones' keys are known, the answers are not. Warm: they are. Both sides take turns, and the median of their
 * rounds counts. Ours is asked in this process and answered from memory, so that only the validator is measured; its
 * second cold number has it ask a server over UDP. Unbound is asked over UDP, asks that server too, and its CPU includes
 * both.
 */
import { existsSync } from 'node:fs';
import { parseName } from '../../functions/protocol/dns/name.ts';
import { decodeRdata } from '../../functions/protocol/dns/record-data.ts';
import {
  type AlgorithmTable,
  signatureAlgorithms,
} from '../../functions/protocol/dnssec/algorithms.ts';
import type { TrustAnchor } from '../../functions/protocol/dnssec/anchors.ts';
import type { Exchange } from '../../functions/resolving/ports.ts';
import {
  createValidatingResolver,
  type ValidatingResolver,
} from '../../functions/resolving/validating-resolver.ts';
import { exchange } from '../interop/daemon.ts';
import { createReplay, type MailLookup, type MailZones, makeMailZones } from './mail-zones.ts';
import { cpuSecondsSince, type Measurement, median, type Report } from './report.ts';
import { askAll, type Peers, startPeers } from './unbound-peer.ts';

const domains = 50;
const rounds = 5;
/** Mail names of each domain that one round asks for. */
const namesPerRound = 20;
const warmRepeats = 40;
/** For Unbound, which is asked over sockets. */
const warmRepeatsUnbound = 10;
const deadlineMs = Number.MAX_SAFE_INTEGER;

export async function benchDns(): Promise<Report> {
  // The first name of each domain makes the keys known; one round warms the code up.
  const world = makeMailZones(domains, 1 + (rounds + 1) * namesPerRound);
  const peers = findPeers() ? await startPeers(world.zones) : undefined;
  try {
    return {
      benchmark: 'dns',
      measurements: [
        ...(await measureQueries(world)),
        ...(await measureRounds(world, peers)),
        await measureCryptoShare(world),
      ],
    };
  } finally {
    await peers?.stop();
  }
}

function findPeers(): boolean {
  return ['unbound', 'nsd'].every((command) => existsSync(`/usr/sbin/${command}`));
}

interface Round {
  readonly cold: number;
  readonly coldOverUdp?: number;
  readonly warm: number;
  readonly unboundCold?: number;
  readonly unboundWarm?: number;
}

async function measureRounds(
  world: MailZones,
  peers: Peers | undefined,
): Promise<readonly Measurement[]> {
  const replay = createReplay(world.zones);
  const ours = createOurs(world, replay.exchange);
  const overUdp =
    peers &&
    createOurs(world, async (query) => (await exchange(peers.authority, query, 2_000)).octets);
  await lookAll(ours, world.lookups(0));
  if (peers !== undefined && overUdp !== undefined) {
    await lookAll(overUdp, world.lookups(0));
    await askAll(peers, world.lookups(0), 1);
  }
  const taken: Round[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const lookups = listRound(world, round);
    replay.workOut(lookups);
    taken.push({
      cold: await perCpuSecond(() => lookAll(ours, lookups)),
      ...(overUdp && { coldOverUdp: await perCpuSecond(() => lookAll(overUdp, lookups)) }),
      warm: await perCpuSecond(() => lookAll(ours, lookups, warmRepeats)),
      ...(peers && {
        unboundCold: await askAll(peers, lookups, 1),
        unboundWarm: await askAll(peers, lookups, warmRepeatsUnbound),
      }),
    });
  }
  return summarize(taken.slice(1));
}

function listRound(world: MailZones, round: number): readonly MailLookup[] {
  const first = 1 + round * namesPerRound;
  return Array.from({ length: namesPerRound }, (_, index) => world.lookups(first + index)).flat();
}

function summarize(taken: readonly Round[]): readonly Measurement[] {
  const rows: readonly (readonly [string, keyof Round, string?])[] = [
    ['Sealpost warm', 'warm', 'aim: 200,000'],
    ['Unbound warm', 'unboundWarm', 'over UDP'],
    ['Sealpost cold', 'cold', 'answers from memory'],
    ['Sealpost cold, asking over UDP', 'coldOverUdp'],
    ['Unbound cold', 'unboundCold', 'over UDP, asking over UDP'],
  ];
  return rows.flatMap(([what, key, note]) => {
    const values = taken.flatMap((round) => round[key] ?? []);
    const measured = { what, value: median(values), unit: 'look-ups per CPU-second' };
    return values.length === 0 ? [] : [note === undefined ? measured : { ...measured, note }];
  });
}

async function perCpuSecond(run: () => Promise<number>): Promise<number> {
  const begun = process.cpuUsage();
  const count = await run();
  return count / cpuSecondsSince(begun);
}

/** How many look-ups that were. */
async function lookAll(
  resolver: ValidatingResolver,
  lookups: readonly MailLookup[],
  repeats = 1,
): Promise<number> {
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    for (const { name, type } of lookups) {
      const answer = await resolver.lookup(name, type, deadlineMs);
      if (answer.kind !== 'records' || answer.status !== 'secure') {
        throw new Error(`${name} ${type} is not secure: ${JSON.stringify(answer)}`);
      }
    }
  }
  return lookups.length * repeats;
}

function createOurs(
  { zones }: MailZones,
  through: Exchange,
  algorithms: AlgorithmTable = signatureAlgorithms,
): ValidatingResolver {
  return createValidatingResolver({ exchange: through, anchors: anchorsOf(zones), algorithms });
}

function anchorsOf([root]: MailZones['zones']): readonly TrustAnchor[] {
  return (root?.ds ?? []).map((rdata) => ({ name: parseName(''), ...decodeRdata(rdata, 'DS') }));
}

/** Queries of a process that knows nothing but its anchor, delivering to one domain and then to another. */
async function measureQueries(world: MailZones): Promise<readonly Measurement[]> {
  const replay = createReplay(world.zones);
  const resolver = createOurs(world, replay.exchange);
  const count = async (domain: number): Promise<number> => {
    const before = replay.asked();
    await lookAll(resolver, world.lookups(0).slice(domain * 3, domain * 3 + 3));
    return replay.asked() - before;
  };
  return [
    { what: 'MX, A and TLSA of a first domain', value: await count(0), unit: 'queries' },
    {
      what: 'MX, A and TLSA of a second one under the same TLD',
      value: await count(1),
      unit: 'queries',
    },
  ];
}

/** The part of the time of cold look-ups that goes by in signature verification. */
async function measureCryptoShare(world: MailZones): Promise<Measurement> {
  let verifyingMs = 0;
  const timed: AlgorithmTable = new Map(
    [...signatureAlgorithms].map(([number, algorithm]) => [
      number,
      {
        ...algorithm,
        createVerifier(publicKey) {
          const verify = algorithm.createVerifier(publicKey);
          return (
            verify &&
            ((data, signature) => {
              const begunMs = performance.now();
              const verified = verify(data, signature);
              verifyingMs += performance.now() - begunMs;
              return verified;
            })
          );
        },
      },
    ]),
  );
  const replay = createReplay(world.zones);
  const shares: number[] = [];
  // The first round works the answers out and warms the code up.
  for (let round = 0; round <= rounds; round += 1) {
    const ours = createOurs(world, replay.exchange, timed);
    await lookAll(ours, world.lookups(0));
    verifyingMs = 0;
    const begunMs = performance.now();
    await lookAll(ours, listRound(world, 0));
    shares.push(verifyingMs / (performance.now() - begunMs));
  }
  return {
    what: 'Sealpost cold, inside node:crypto',
    value: median(shares.slice(1)) * 100,
    unit: '% of the time',
    note: 'aim: 70',
  };
}
