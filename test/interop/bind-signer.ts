/** Zones signed by BIND's dnssec-keygen and dnssec-signzone. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SignableRecord } from '../../bin/world/dnssec-wire.ts';
import { concat, typeNumbers, u8, u16 } from '../../bin/world/dnssec-wire.ts';

const run = promisify(execFile);

export interface BindSigning {
  readonly origin: string;
  /** Records in the format of zone files, SOA among them. */
  readonly text: string;
  /** As dnssec-keygen's option `-a` takes it. */
  readonly algorithm: string;
  /** Options of dnssec-signzone. */
  readonly options?: readonly string[];
}

/** Signs a zone with a key-signing and a zone-signing key made for it. */
export async function signWithBind({
  origin,
  text,
  algorithm,
  options = [],
}: BindSigning): Promise<{ readonly text: string; readonly ds: readonly SignableRecord[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-bind-'));
  const file = (name: string): string => join(directory, name);
  try {
    const bits = algorithm.startsWith('RSA') ? ['-b', '1024'] : [];
    const keygen = ['-q', '-a', algorithm, ...bits, '-K', directory];
    await run('dnssec-keygen', [...keygen, '-f', 'KSK', `${origin}.`]);
    await run('dnssec-keygen', [...keygen, `${origin}.`]);
    await writeFile(file('zone'), text);
    const places = ['-K', directory, '-d', directory, '-o', `${origin}.`, '-f', file('signed')];
    await run('dnssec-signzone', ['-q', '-S', '-P', ...options, ...places, file('zone')], {
      cwd: directory,
    });
    return {
      text: await readFile(file('signed'), 'utf8'),
      ds: parseDs(origin, await readFile(file(`dsset-${origin}.`), 'utf8')),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function parseDs(origin: string, text: string): readonly SignableRecord[] {
  return [...text.matchAll(/\bDS\s+(\d+)\s+(\d+)\s+(\d+)\s+([0-9A-F ]+)/g)].map(
    ([, keyTag, algorithm, digestType, hex = '']) => ({
      name: origin,
      type: typeNumbers.DS,
      rdata: concat(
        u16(Number(keyTag)),
        u8(Number(algorithm)),
        u8(Number(digestType)),
        Buffer.from(hex.replaceAll(' ', ''), 'hex'),
      ),
    }),
  );
}
