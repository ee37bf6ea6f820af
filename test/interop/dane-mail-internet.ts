/**
 * A small internet for mail: a signed zone and an unsigned one at NSD, an SMTP server for each case, and two Unbounds, one
 * that validates for who cannot, at port 53, and one that only passes on.
 */
import { createSigningKey } from '../../bin/world/dnssec-keys.ts';
import { type SignedZone, signZone } from '../../bin/world/dnssec-signer.ts';
import type { SignableRecord } from '../../bin/world/dnssec-wire.ts';
import {
  type ScriptedServer,
  scriptedServer,
  standardScript,
} from '../adapters/net/scripted-smtp-server.ts';
import type { Daemon, NameServer } from './daemon.ts';
import type { MailCase } from './dane-mail-cases.ts';
import { startNsd } from './nsd.ts';
import { formatAnchors, startUnbound } from './unbound.ts';
import { formatSignedZone, formatZone } from './zone-file.ts';

/** Port 53 of 127.0.0.1 may be somebody else's. */
const validatorAddress = '127.53.76.72';

const daySeconds = 86_400;
const unsignedOrigin = 'insecure.test';

export interface MailInternet {
  /** DS records of the root, as trust anchor files have them. */
  readonly anchor: string;
  /** Where a validating resolver listens at port 53. */
  readonly validatorAddress: string;
  /** Asks the zones' servers and believes all. */
  readonly forwarder: NameServer;
  /** Where the SMTP server of a case listens, on 127.0.0.1. */
  portOf(mailCase: MailCase): number;
  stop(): Promise<void>;
}

/** Starts it all; some seconds. */
export async function startMailInternet(cases: readonly MailCase[]): Promise<MailInternet> {
  const servers = new Map<MailCase, ScriptedServer>();
  const daemons: Daemon[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    await Promise.all([...servers.values()].map((server) => server.close()));
  };
  const portOf = (mailCase: MailCase): number => {
    const server = servers.get(mailCase);
    if (server === undefined) {
      throw new RangeError(`no server for ${mailCase.what}`);
    }
    return server.port;
  };
  try {
    for (const mailCase of cases) {
      servers.set(mailCase, await serve(mailCase));
    }
    const { root, insecure } = makeZones(cases, portOf);
    const nsd = await startNsd([
      { origin: '', text: formatSignedZone(root) },
      { origin: unsignedOrigin, text: insecure },
    ]);
    daemons.push(nsd);
    const zones = ['', unsignedOrigin].map((origin) => ({ origin, server: nsd.server }));
    const anchor = formatAnchors(root.ds);
    const settings = [`interface: ${validatorAddress}@53`];
    daemons.push(await startUnbound({ zones, anchor, settings }));
    const forwarder = await startUnbound({ zones });
    daemons.push(forwarder);
    return { anchor, validatorAddress, forwarder: forwarder.server, portOf, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function serve({ sent, key }: MailCase): Promise<ScriptedServer> {
  const credential = {
    cert: sent.map(toPem).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }),
  };
  return scriptedServer(standardScript({ capabilities: ['STARTTLS'], credential }));
}

function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** Every name but those of `insecure.test` is in the root, which leaves nothing to go wrong on the way. */
function makeZones(
  cases: readonly MailCase[],
  portOf: (mailCase: MailCase) => number,
): { readonly root: SignedZone; readonly insecure: string } {
  const tlsa = cases.flatMap((mailCase) =>
    mailCase.records.map((record): SignableRecord => {
      const name = `_${portOf(mailCase)}._tcp.${mailCase.base}`;
      return { name, type: 'TLSA', ...record };
    }),
  );
  const corrupt = new Set(
    cases
      .filter(({ bogus }) => bogus === true)
      .map((mailCase) => `_${portOf(mailCase)}._tcp.${mailCase.base}`),
  );
  const records = [...commonRecords, ...tlsa];
  const isUnsigned = ({ name }: SignableRecord): boolean => name.endsWith(unsignedOrigin);
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const root = signZone({
    origin: '',
    records: [
      { name: '', type: 'NS', data: 'ns' },
      { name: 'ns', type: 'A', data: '127.0.0.1' },
      { name: unsignedOrigin, type: 'NS', data: 'ns' },
      ...records.filter((record) => !isUnsigned(record)),
    ],
    keys: [createSigningKey({ seed: 'interop mail' })],
    inceptionSeconds: nowSeconds - daySeconds,
    expirationSeconds: nowSeconds + daySeconds,
    change: ({ name }) => (corrupt.has(name) ? { corrupt: true } : undefined),
  });
  const nameServer: SignableRecord = { name: unsignedOrigin, type: 'NS', data: 'ns' };
  const insecure = formatZone(unsignedOrigin, [nameServer, ...records.filter(isUnsigned)]);
  return { root, insecure };
}

const mailAt = (name: string, exchange: string): SignableRecord => ({
  name,
  type: 'MX',
  preference: 10,
  exchange,
});

/** Domains, and MX hosts whose address is 127.0.0.1. */
const commonRecords: readonly SignableRecord[] = [
  mailAt('example.com', 'mx.example.com'),
  { name: 'mx.example.com', type: 'A', data: '127.0.0.1' },
  // The host is an alias.
  mailAt('example.net', 'alias.example.net'),
  { name: 'alias.example.net', type: 'CNAME', data: 'mx.example.com' },
  // The domain is an alias.
  { name: 'alias.example.org', type: 'CNAME', data: 'example.com' },
  // Anybody may have written the MX record.
  mailAt('insecure.test', 'mx.example.com'),
  // Anybody may have written the TLSA records.
  mailAt('example.org', 'mx.insecure.test'),
  { name: 'mx.insecure.test', type: 'A', data: '127.0.0.1' },
  // The zone of the host is not signed, that of its alias is.
  mailAt('example.edu', 'alias.example.edu'),
  { name: 'alias.example.edu', type: 'CNAME', data: 'mx.insecure.test' },
];
