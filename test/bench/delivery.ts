/**
 * What it costs to hand messages over: the AWS calls of one, and the work of the sending side over verified TLS on
 * loopback, in turn with nodemailer's pool on the same raw messages and with a client that does nothing it need not.
 *
 * The sink and its slow double are another process, so that CPU is that of the clients alone. All send over one
 * connection. The calls are counted at the SDK's clients, which answer from the simulation's stores.
 */
import { createCertificates } from '../../bin/world/certificates.ts';
import { measureCalls } from './aws-calls.ts';
import { measureLocalCloud } from './local-cloud.ts';
import { cpuSecondsSince, type Measurement, median, type Report } from './report.ts';
import { type Client, createClients } from './smtp-clients.ts';
import { startSink } from './start-sink.ts';

const rounds = 5;
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
  { what: '2 KB', octets: 2_048, messages: 5_000, aims: { floor: 2.5, nodemailer: 8 } },
  { what: '100 KB', octets: 102_400, messages: 500, aims: { floor: 2.5, nodemailer: 6 } },
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
    messages: 100,
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

interface Taken {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

async function measureLoad(
  load: Load,
  target: { readonly host: string; readonly ca: string; readonly port: number },
): Promise<Measurement[]> {
  const content = makeContent(load.octets);
  const clients = createClients(target, content);
  const names = (
    load.isFresh === true
      ? ['Sealpost', 'handshake', 'nodemailer']
      : ['Sealpost', 'delivery', 'nodemailer', 'floor']
  ) as readonly (keyof typeof clients)[];
  const taken = new Map<string, Taken[]>(names.map((name) => [name, []]));
  // In turn; but for the whole delivery, whose stores keep all that they are given: it comes after the others.
  for (const group of [names.filter((name) => name !== 'delivery'), ['delivery'] as const]) {
    for (let round = 0; round <= rounds; round += 1) {
      for (const name of group.filter((each) => names.includes(each))) {
        const result = await take(clients[name], load);
        // The first round warms the code up.
        if (round > 0) {
          taken.get(name)?.push(result);
        }
      }
    }
  }
  await Promise.all(names.map((name) => clients[name].close()));
  const of = (name: string, key: keyof Taken): number =>
    median((taken.get(name) ?? []).map((each) => each[key]));
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
  of: (name: string, key: keyof Taken) => number,
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
  ];
  return rows.filter((row) => row !== undefined);
}

async function take(client: Client, { messages, isFresh = false }: Load): Promise<Taken> {
  const begun = process.cpuUsage();
  const begunMs = performance.now();
  await (isFresh ? client.sendFresh(messages) : client.sendKept(messages));
  const seconds = (performance.now() - begunMs) / 1_000;
  return {
    perSecond: messages / seconds,
    cpuMicroseconds: (cpuSecondsSince(begun) * 1e6) / messages,
  };
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
