/**
 * The same chains and TLSA records judged by us and by OpenSSL's own DANE client, over real handshakes.
 *
 * Where the two differ, the row says why. OpenSSL is told the time at which the certificates were made.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { formatTlsaRecord, type TlsaRecord } from '../../functions/protocol/dane/tlsa-record.ts';
import { verifyDane } from '../../functions/protocol/dane/verify-dane.ts';
import { base, type Chain, chains, recordOf } from '../protocol/dane/chains.ts';
import { nowMs } from '../protocol/x509/certificate-maker.ts';

const run = promisify(execFile);

type Parameters = readonly [number, number, number];

const leafParameters: readonly Parameters[] = [
  [3, 0, 0],
  [3, 1, 1],
  [3, 1, 2],
  [2, 0, 1],
  [2, 1, 0],
];
const issuerParameters: readonly Parameters[] = [
  [2, 0, 0],
  [2, 0, 1],
  [2, 1, 0],
  [2, 1, 1],
  [3, 1, 1],
];

/** Chain, who the record is about, its parameters, and why the verdicts differ. */
const differences: readonly Difference[] = [
  {
    what: 'intermediate expired',
    id: 'intermediate',
    parameters: ['2 0 0', '2 0 1', '2 1 0', '2 1 1'],
    why: 'OpenSSL looks at the dates of an anchor only where it signed itself',
  },
  ...['intermediate', 'root'].map((id) => ({
    what: 'part of a label as wildcard',
    id,
    parameters: ['2 0 0', '2 0 1', '2 1 0', '2 1 1'],
    why: 's_client takes `m*.example.com`, RFC 7672 §3.2.3 does not',
  })),
  {
    what: 'renewed key of the root',
    id: 'root',
    parameters: ['2 0 0', '2 0 1', '2 1 1'],
    why: 'OpenSSL takes an issuer by its name and does not go back when the key is another',
  },
];

interface Difference {
  readonly what: string;
  readonly id: string;
  readonly parameters: readonly string[];
  readonly why: string;
}

/** OpenSSL refuses to serve these: what it loads into a server is checked for it too. */
const unservable: ReadonlySet<string> = new Set([
  'root is no authority',
  'unknown critical extension in the leaf',
]);

function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

async function serve({ sent, server }: Chain): Promise<Server> {
  const listener = createServer(
    {
      cert: sent.map(toPem).join(''),
      key: server.key.export({ type: 'pkcs8', format: 'pem' }),
      // Small keys are for the client to refuse.
      ciphers: 'DEFAULT:@SECLEVEL=0',
    },
    (socket) => socket.end(),
  );
  // s_client hangs up when it has seen enough.
  listener.on('tlsClientError', () => {});
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return listener;
}

async function askOpenssl(port: number, records: readonly TlsaRecord[]): Promise<boolean> {
  const at = ['-connect', `127.0.0.1:${port}`, '-servername', base, '-attime', `${nowMs / 1000}`];
  const rrset = records.flatMap((record) => ['-dane_tlsa_rrdata', formatTlsaRecord(record)]);
  const dane = ['-dane_tlsa_domain', base, '-dane_ee_no_namechecks', ...rrset];
  const asked = run('openssl', ['s_client', ...at, ...dane]);
  asked.child.stdin?.end();
  const { stdout } = await asked;
  const [, code] = /Verify return code: (\d+) /.exec(stdout) ?? [];
  expect(code, stdout.slice(0, 500)).toBeDefined();
  return code === '0';
}

/** Whether both verdicts are the same, and ours in words. */
async function compare(
  listener: Server,
  { sent }: Chain,
  records: readonly TlsaRecord[],
): Promise<{ agree: boolean; reason: string }> {
  const { port } = listener.address() as AddressInfo;
  const ours = verifyDane({
    records,
    chain: sent,
    referenceIdentifiers: { base, nextHop: [] },
    nowMs,
  });
  const theirs = await askOpenssl(port, records);
  const shown = records.map(formatTlsaRecord).map((text) => text.slice(0, 20));
  return {
    agree: (ours.kind === 'verified') === theirs,
    reason: `${shown.join(', ')}: ${ours.reason}`,
  };
}

describe('OpenSSL and we agree', () => {
  const served = chains.filter(({ what }) => !unservable.has(what));

  test.each(served.map((chain) => [chain.what, chain] as const))('%s', async (what, chain) => {
    const listener = await serve(chain);
    try {
      for (const [id, certified] of chain.certified) {
        for (const parameters of id === 'leaf' ? leafParameters : issuerParameters) {
          const { agree, reason } = await compare(listener, chain, [
            recordOf(parameters, certified),
          ]);
          const differs = differences.some(
            (row) =>
              row.what === what && row.id === id && row.parameters.includes(parameters.join(' ')),
          );
          expect(agree, `${id}, ${reason}`).toBe(!differs);
        }
      }
    } finally {
      listener.close();
    }
  });

  test('RRsets of several records', async () => {
    const [chain] = chains;
    const leaf = chain?.certified.get('leaf');
    const root = chain?.certified.get('root');
    if (chain === undefined || leaf === undefined || root === undefined) {
      throw new RangeError('the first chain has a leaf and a root');
    }
    const right = (...parameters: Parameters): TlsaRecord => recordOf(parameters, leaf);
    const wrong = (...parameters: Parameters): TlsaRecord => recordOf(parameters, root);
    const rrsets = [
      [wrong(3, 1, 1), right(3, 1, 1)],
      [right(3, 1, 1), wrong(3, 1, 2)],
      [wrong(3, 1, 1), right(3, 1, 2)],
      [right(3, 1, 0), wrong(3, 1, 2)],
      [right(3, 1, 1), wrong(3, 0, 2)],
      [right(3, 1, 1), wrong(2, 1, 2)],
      [wrong(3, 1, 1), recordOf([2, 0, 1], root)],
      [wrong(3, 1, 1), right(2, 0, 1)],
    ];
    const listener = await serve(chain);
    try {
      for (const records of rrsets) {
        const { agree, reason } = await compare(listener, chain, records);
        expect(agree, reason).toBe(true);
      }
    } finally {
      listener.close();
    }
  });
});
