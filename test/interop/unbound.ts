/** Debian's Unbound as a recursive server of a small internet, which validates or only passes on. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordTypes } from '../../functions/protocol/dns/record-type.ts';
import { type Daemon, findFreeServer, type NameServer, startDaemon } from './daemon.ts';

export interface UnboundOptions {
  /** Where each zone is served; the root is among them. */
  readonly zones: readonly { readonly origin: string; readonly server: NameServer }[];
  /** DS or DNSKEY records of the root; absent: nothing is validated. */
  readonly anchor?: string;
  /** Further lines of the section `server`. */
  readonly settings?: readonly string[];
}

/** Starts an Unbound; `options.anchor` makes it a validator. */
export async function startUnbound(options: UnboundOptions): Promise<Daemon> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-unbound-'));
  const server = await findFreeServer();
  const config = join(directory, 'unbound.conf');
  await writeFile(join(directory, 'anchor'), options.anchor ?? '');
  await writeFile(config, formatConfig(directory, server, options));
  return await startDaemon({
    command: 'unbound',
    args: ['-d', '-p', '-c', config],
    directory,
    server,
    readyWith: { origins: [''], type: recordTypes.SOA },
  });
}

/** The root's DS records, given as RDATA, in the form of trust anchor files. */
export function formatAnchors(ds: readonly Uint8Array[]): string {
  return ds
    .map((rdata) => {
      const [high = 0, low = 0, algorithm, digestType] = rdata;
      const digest = Buffer.from(rdata.subarray(4)).toString('hex');
      return `. IN DS ${high * 0x100 + low} ${algorithm} ${digestType} ${digest}\n`;
    })
    .join('');
}

function formatConfig(
  directory: string,
  { address, port }: NameServer,
  { zones, anchor, settings = [] }: UnboundOptions,
): string {
  const validating =
    anchor === undefined
      ? ['module-config: "iterator"']
      : ['module-config: "validator iterator"', `trust-anchor-file: "${directory}/anchor"`];
  const lines = [
    `interface: ${address}@${port}`,
    `port: ${port}`,
    `directory: "${directory}"`,
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    'use-syslog: no',
    'do-ip6: no',
    'num-threads: 1',
    'do-not-query-localhost: no',
    'local-zone: "test." nodefault',
    'ede: yes',
    'val-log-level: 2',
    ...validating,
    ...settings,
  ];
  const stubs = zones.map(
    (zone) =>
      `stub-zone:\n  name: "${zone.origin}."\n  stub-addr: ${zone.server.address}@${zone.server.port}\n`,
  );
  return `server:\n${lines.map((line) => `  ${line}\n`).join('')}remote-control:
  control-enable: no
${stubs.join('')}`;
}
