/** Unbound as the one to be measured beside: asked over UDP as fast as it answers, its CPU taken from the kernel. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { SignedZone } from '../../bin/world/dnssec-signer.ts';
import { decodeMessage } from '../../functions/protocol/dns/message.ts';
import { parseName } from '../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../functions/protocol/dns/query.ts';
import { recordTypes } from '../../functions/protocol/dns/record-type.ts';
import type { Daemon, NameServer } from '../interop/daemon.ts';
import { startNsd } from '../interop/nsd.ts';
import { formatAnchors, startUnbound } from '../interop/unbound.ts';
import { formatSignedZone } from '../interop/zone-file.ts';
import type { MailLookup } from './mail-zones.ts';

/** Questions on their way at any time. */
const windowMax = 64;
const silenceMsMax = 5_000;

export interface Peers {
  /** Serves the zones. */
  readonly authority: NameServer;
  readonly unbound: Daemon;
  stop(): Promise<void>;
}

/** Starts an NSD with the zones and a validating Unbound. */
export async function startPeers(zones: readonly SignedZone[]): Promise<Peers> {
  const nsd = await startNsd(
    zones.map((zone) => ({ origin: zone.origin, text: formatSignedZone(zone) })),
  );
  try {
    const [root] = zones;
    const unbound = await startUnbound({
      zones: zones.map(({ origin }) => ({ origin, server: nsd.server })),
      anchor: formatAnchors(root?.ds ?? []),
      // It asks no more than it has to, and forgets nothing.
      settings: ['qname-minimisation: no', 'msg-cache-size: 64m', 'rrset-cache-size: 64m'],
    });
    const stop = async (): Promise<void> => {
      await Promise.all([unbound.stop(), nsd.stop()]);
    };
    return { authority: nsd.server, unbound, stop };
  } catch (error) {
    await nsd.stop();
    throw error;
  }
}

/** Has Unbound answer all look-ups, `repeats` times; gives how many that are for each second of its CPU. */
export async function askAll(
  { unbound }: Peers,
  lookups: readonly MailLookup[],
  repeats: number,
): Promise<number> {
  const queries = lookups.map(({ name, type }) => {
    const query = encodeQuery({
      id: 0,
      name: parseName(name),
      type: recordTypes[type],
      dnssec: true,
    });
    // CD, which would spare it the validation.
    query[3] = (query[3] ?? 0) & ~0x10;
    return query;
  });
  const socket = createSocket('udp4');
  socket.connect(unbound.server.port, unbound.server.address);
  await once(socket, 'connect');
  try {
    const before = await readCpuSeconds(unbound.pid);
    await exchangeAll(socket, queries, queries.length * repeats);
    return (queries.length * repeats) / ((await readCpuSeconds(unbound.pid)) - before);
  } finally {
    socket.close();
  }
}

function exchangeAll(socket: Socket, queries: readonly Uint8Array[], total: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let received = 0;
    const silence = setTimeout(() => {
      reject(new Error(`${total - received} of ${total} questions have no answer`));
    }, silenceMsMax);
    const send = (): void => {
      const query = Uint8Array.from(queries[sent % queries.length] ?? []);
      query.set([(sent >> 8) & 0xff, sent & 0xff]);
      sent += 1;
      socket.send(query);
    };
    socket.on('message', (datagram) => {
      received += 1;
      silence.refresh();
      // The header says whether it is NOERROR and validated; the first answers are looked at in full.
      const secure = (datagram[3] ?? 0) === 0xa0;
      if (!secure || (received <= queries.length && decodeMessage(datagram).answers.length < 2)) {
        clearTimeout(silence);
        reject(new Error('Unbound does not find it secure'));
      } else if (received === total) {
        clearTimeout(silence);
        resolve();
      } else if (sent < total) {
        send();
      }
    });
    while (sent < Math.min(windowMax, total)) {
      send();
    }
  });
}

/** User and system time of a process, all of its threads (proc(5): fields 14 and 15 of `stat`, in hundredths). */
async function readCpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
