/** A daemon of Debian's in the foreground, with a directory of its own and a port of 127.0.0.1, taken down by its process id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { exchangeTcp } from '../../functions/adapters/net/dns-tcp.ts';
import { exchangeUdp } from '../../functions/adapters/net/dns-udp.ts';
import type { DnsMessage } from '../../functions/protocol/dns/message.ts';
import { parseName } from '../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../functions/protocol/dns/query.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';

const startTimeoutMs = 20_000;
const pollMs = 50;

/** Where a DNS server listens, over UDP and TCP alike. */
export interface NameServer {
  /** An address literal. */
  readonly address: string;
  readonly port: number;
}

export interface Daemon {
  readonly server: NameServer;
  readonly pid: number;
  /** What it wrote to its standard output and error. */
  log(): string;
  /** Takes it down and removes its directory; may be called twice. */
  stop(): Promise<void>;
}

export interface DaemonOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Removed when it stops. */
  readonly directory: string;
  readonly server: NameServer;
  /** Zones whose records of `type` it gives once it is ready. */
  readonly readyWith: { readonly origins: readonly string[]; readonly type: number };
}

/** Starts a DNS server; it answers when this resolves. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { command, args, directory, server } = options;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const written: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => written.push(chunk));
  }
  const log = (): string => Buffer.concat(written).toString();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= end(child).finally(() => rm(directory, { recursive: true, force: true }));
    return stopped;
  };
  try {
    await Promise.race([failWith(child), waitForZones(server, options.readyWith)]);
  } catch (error) {
    await stop();
    throw new Error(`${command} does not start: ${log()}`, { cause: error });
  }
  return { server, pid: child.pid ?? 0, log, stop };
}

async function failWith(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`exit status ${code}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }
}

async function waitForZones(
  server: NameServer,
  { origins, type }: DaemonOptions['readyWith'],
): Promise<void> {
  const deadlineMs = Date.now() + startTimeoutMs;
  for (const origin of origins) {
    const query = encodeQuery({ id: 1, name: parseName(origin), type, dnssec: true });
    while (!(await gives(server, query))) {
      if (Date.now() > deadlineMs) {
        throw new Error(`no answer for ${origin || '.'}`);
      }
      await pause(pollMs);
    }
  }
}

async function gives(server: NameServer, query: Uint8Array): Promise<boolean> {
  try {
    const { answers } = await exchange(server, query, 500);
    return answers.length > 0;
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      // It does not listen yet.
      return false;
    }
    throw error;
  }
}

/** Asks over UDP, and over TCP where the answer does not fit. */
export async function exchange(
  server: NameServer,
  query: Uint8Array,
  timeoutMs: number,
): Promise<DnsMessage> {
  const outcome = await exchangeUdp(server, query, timeoutMs);
  return outcome.kind === 'response'
    ? outcome.message
    : await exchangeTcp(server, query, timeoutMs);
}

/** An address and port of this machine at which nobody listens, over TCP or UDP. */
export async function findFreeServer(): Promise<NameServer> {
  const address = '127.0.0.1';
  for (;;) {
    const tcp = createServer().listen(0, address);
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4');
    try {
      udp.bind(port, address);
      await once(udp, 'listening');
      return { address, port };
    } catch {
      // Taken over UDP; the next one may be free.
    } finally {
      udp.close();
      tcp.close();
    }
  }
}
