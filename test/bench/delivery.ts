/**
 * What it costs to hand messages over: the AWS calls of one, and the work of the sending side over verified TLS on
 * loopback, in turn with nodemailer's pool on the same raw messages and with a client that does nothing it need not.
 *
 * Each client is a process, and the sink with its slow double is another, so that CPU is that of one client alone. All send
 * over one connection, where client and sink wait for each other: the sink takes as long for a message as the floor does, and
 * what it takes is in every contender's messages per second, but in nobody's CPU. The calls are counted at the SDK's
 * clients, which answer from the simulation's stores.
 */
import { createCertificates } from '../../bin/world/certificates.ts';
import { measureCalls } from './aws-calls.ts';
import { type ClientProcess, startClient, startSink } from './bench-processes.ts';
import { measureLocalCloud } from './local-cloud.ts';
import { type Measurement, median, type Report } from './report.ts';
import type { ClientName } from './smtp-clients.ts';

const rounds = 5;
/** In which code becomes warm; they do not count. */
const warmingRounds = 2;
/** Each way. */
const delayMs = 10;
const host = 'mx.test';

interface Load {
  readonly what: string;
  readonly octets: number;
  readonly messages: number;
  readonly isDelayed?: boolean;
  readonly isFresh?: boolean;
  /** What is aimed at, as ratios. */
  readonly aims: {
    readonly floor?: number;
    readonly nodemailer?: number;
    readonly handshake?: number;
  };
}

const loads: readonly Load[] = [
  { what: '2 KB', octets: 2_048, messages: 10_000, aims: { floor: 2.5, nodemailer: 8 } },
  { what: '100 KB', octets: 102_400, messages: 2_000, aims: { floor: 2.5, nodemailer: 6 } },
  {
    what: '2 KB, 20 ms round trip',
    octets: 2_048,
    messages: 50,
    isDelayed: true,
    aims: { nodemailer: 2.2 },
  },
  {
    what: '100 KB, 20 ms round trip',
    octets: 102_400,
    messages: 30,
    isDelayed: true,
    aims: { nodemailer: 2.2 },
  },
  {
    what: '2 KB, fresh connections',
    octets: 2_048,
    messages: 400,
    isFresh: true,
    aims: { handshake: 1.15 },
  },
];

export async function benchDelivery(): Promise<Report> {
  const certificates = await createCertificates(Date.now);
  const { key, cert } = await certificates.credential('valid', host);
  const sink = await startSink({ key: String(key), cert: String(cert), delayMs });
  try {
    const measurements: Measurement[] = [...(await measureCalls()), await measureLocalCloud()];
    for (const load of loads) {
      measurements.push(
        ...(await measureLoad(load, {
          host,
          ca: certificates.rootPem,
          port: load.isDelayed === true ? sink.delayedPort : sink.port,
        })),
      );
    }
    return { benchmark: 'delivery', measurements };
  } finally {
    sink.stop();
  }
}

/** What one message took. */
interface Share {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

async function measureLoad(
  load: Load,
  target: { readonly host: string; readonly ca: string; readonly port: number },
): Promise<Measurement[]> {
  const content = makeContent(load.octets).toString('latin1');
  const names: readonly ClientName[] =
    load.isFresh === true
      ? ['Sealpost', 'handshake', 'nodemailer', 'floor']
      : ['Sealpost', 'delivery', 'nodemailer', 'floor'];
  const clients = new Map(names.map((name) => [name, startClient({ name, target, content })]));
  const shares = new Map<string, Share[]>(names.map((name) => [name, []]));
  for (let round = 0; round < warmingRounds + rounds; round += 1) {
    for (const [name, client] of clients) {
      const share = await take(client, name === 'delivery' ? shorten(load) : load);
      if (round >= warmingRounds) {
        shares.get(name)?.push(share);
      }
    }
  }
  for (const client of clients.values()) {
    client.stop();
  }
  const of = (name: string, key: keyof Share): number =>
    median((shares.get(name) ?? []).map((each) => each[key]));
  return [
    ...names.flatMap((name): Measurement[] => [
      { what: `${load.what}: ${labels[name]}`, value: of(name, 'perSecond'), unit: '/s' },
      {
        what: `${load.what}: ${labels[name]}`,
        value: of(name, 'cpuMicroseconds'),
        unit: 'µs of CPU each',
      },
    ]),
    ...ratios(load, of),
  ];
}

const labels = {
  Sealpost: 'Sealpost',
  delivery: 'Sealpost, whole delivery',
  nodemailer: 'nodemailer',
  floor: 'floor',
  handshake: 'connect and handshake alone',
} as const;

function ratios(
  { what, aims }: Load,
  of: (name: string, key: keyof Share) => number,
): readonly Measurement[] {
  const speed = of('Sealpost', 'perSecond') / of('nodemailer', 'perSecond');
  const cpu = of('nodemailer', 'cpuMicroseconds') / of('Sealpost', 'cpuMicroseconds');
  const rows: (Measurement | undefined)[] = [
    aims.nodemailer === undefined
      ? undefined
      : {
          what: `${what}: messages per second, as nodemailer's`,
          value: speed,
          unit: '×',
          note: `aim: ${aims.nodemailer} at least`,
        },
    aims.nodemailer === undefined
      ? undefined
      : {
          what: `${what}: the floor's messages per second, as nodemailer's`,
          value: of('floor', 'perSecond') / of('nodemailer', 'perSecond'),
          unit: '×',
          note: 'what one connection to this sink gives',
        },
    aims.nodemailer === undefined || aims.floor === undefined
      ? undefined
      : {
          what: `${what}: messages per CPU-second, as nodemailer's`,
          value: cpu,
          unit: '×',
          note: `aim: ${aims.nodemailer} at least`,
        },
    aims.floor === undefined
      ? undefined
      : {
          what: `${what}: CPU a message, as the floor's`,
          value: of('Sealpost', 'cpuMicroseconds') / of('floor', 'cpuMicroseconds'),
          unit: '×',
          note: `aim: ${aims.floor} at most`,
        },
    aims.handshake === undefined
      ? undefined
      : {
          what: `${what}: CPU, as connect and handshake alone`,
          value: of('Sealpost', 'cpuMicroseconds') / of('handshake', 'cpuMicroseconds'),
          unit: '×',
          note: `aim: ${aims.handshake} at most`,
        },
    aims.handshake === undefined
      ? undefined
      : {
          what: `${what}: the floor's CPU, as connect and handshake alone`,
          value: of('floor', 'cpuMicroseconds') / of('handshake', 'cpuMicroseconds'),
          unit: '×',
          note: 'what a message and QUIT cost at the least',
        },
  ];
  return rows.filter((row) => row !== undefined);
}

/** The whole delivery takes its time, and what is in memory of it grows. */
function shorten(load: Load): Load {
  return { ...load, messages: Math.ceil(load.messages / 10) };
}

async function take(client: ClientProcess, { messages, isFresh = false }: Load): Promise<Share> {
  const { seconds, cpuMicroseconds } = await client.run({ count: messages, isFresh });
  return { perSecond: messages / seconds, cpuMicroseconds: cpuMicroseconds / messages };
}

/** A message in lines of 76 octets, one of which begins with a dot. */
function makeContent(octets: number): Buffer {
  const head = 'From: <a@sender.test>\r\nTo: <b@mx.test>\r\nSubject: bench\r\n\r\n';
  const lines: string[] = [];
  for (let left = octets - head.length, line = 0; left > 0; left -= 78, line += 1) {
    const text = `${line === 7 ? '.' : 'x'}${'abcdefghijklmnopqrstuvwxyz0123456789 '.repeat(3)}`;
    lines.push(text.slice(0, Math.max(1, Math.min(76, left - 2))));
  }
  return Buffer.from(`${head}${lines.join('\r\n')}\r\n`);
}
