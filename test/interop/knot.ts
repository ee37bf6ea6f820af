/** Debian's Knot DNS as an authoritative server that makes the keys of its zones and signs them by itself. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordTypes } from '../../functions/protocol/dns/record-type.ts';
import { type Daemon, findFreeServer, startDaemon } from './daemon.ts';

export interface KnotZone {
  readonly origin: string;
  /** Records in the format of zone files, SOA among them. */
  readonly text: string;
  /** What knot.conf's section `policy` says of it. */
  readonly policy: Readonly<Record<string, string | number>>;
}

/** Starts a Knot that serves `zones`, all of them signed. */
export async function startKnot(zones: readonly KnotZone[]): Promise<Daemon> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-knot-'));
  const server = await findFreeServer();
  await mkdir(join(directory, 'zones'));
  await mkdir(join(directory, 'db'));
  for (const [index, { text }] of zones.entries()) {
    await writeFile(join(directory, 'zones', `${index}`), text);
  }
  const config = join(directory, 'knot.conf');
  await writeFile(config, formatConfig(directory, server, zones));
  return await startDaemon({
    command: 'knotd',
    args: ['-c', config],
    directory,
    server,
    readyWith: { origins: zones.map(({ origin }) => origin), type: recordTypes.DNSKEY },
  });
}

function formatConfig(
  directory: string,
  { address, port }: Daemon['server'],
  zones: readonly KnotZone[],
): string {
  const list = (section: string, lines: readonly (readonly string[])[]): string =>
    `${section}:\n${lines.map((item) => `  - ${item.join('\n    ')}\n`).join('')}`;
  return `server:
  rundir: ${directory}
  listen: ${address}@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: ${directory}/db
log:
  - target: stderr
    any: warning
${list(
  'policy',
  zones.map(({ policy }, index) => [
    `id: policy${index}`,
    ...Object.entries(policy).map(([name, value]) => `${name}: ${value}`),
  ]),
)}template:
  - id: default
    storage: ${directory}/zones
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
${list(
  'zone',
  zones.map(({ origin }, index) => [
    `domain: ${origin}.`,
    `file: ${index}`,
    'dnssec-signing: on',
    `dnssec-policy: policy${index}`,
  ]),
)}`;
}
