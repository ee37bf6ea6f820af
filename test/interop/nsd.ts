/** Debian's NSD as an authoritative server of zones that are signed already, or not at all. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordTypes } from '../../functions/protocol/dns/record-type.ts';
import { type Daemon, findFreeServer, startDaemon } from './daemon.ts';

export interface NsdZone {
  readonly origin: string;
  /** Records in the format of zone files. */
  readonly text: string;
}

/** Starts an NSD that serves `zones`, signed as they are. */
export async function startNsd(zones: readonly NsdZone[]): Promise<Daemon> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-nsd-'));
  const server = await findFreeServer();
  for (const [index, { text }] of zones.entries()) {
    await writeFile(join(directory, `${index}.zone`), text);
  }
  const config = join(directory, 'nsd.conf');
  await writeFile(config, formatConfig(directory, server, zones));
  return await startDaemon({
    command: 'nsd',
    args: ['-d', '-c', config],
    directory,
    server,
    readyWith: { origins: zones.map(({ origin }) => origin), type: recordTypes.SOA },
  });
}

function formatConfig(
  directory: string,
  { address, port }: Daemon['server'],
  zones: readonly NsdZone[],
): string {
  const listed = zones.map(
    ({ origin }, index) => `zone:\n  name: "${origin}."\n  zonefile: "${index}.zone"\n`,
  );
  return `server:
  ip-address: ${address}@${port}
  port: ${port}
  server-count: 1
  username: ""
  zonesdir: "${directory}"
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "${directory}/zone.list"
  database: ""
  xfrdir: "${directory}"
  minimal-responses: no
remote-control:
  control-enable: no
${listed.join('')}`;
}
