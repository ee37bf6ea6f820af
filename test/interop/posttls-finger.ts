/**
 * Debian's `posttls-finger`, Postfix's client without the mail: it looks a domain up, connects, and says what the server
 * proved. It believes the AD bit of the resolver in /etc/resolv.conf, so it gets a mount namespace with one of its own, for
 * which it takes root.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Ready to be asked about domains. */
export interface Finger {
  /** What it says of the channel to `domain` at `port` at level `dane-only`. Rejects where it does not run. */
  ask(domain: string, port: number): Promise<string>;
  /** Removes its files. */
  stop(): Promise<void>;
}

/** Prepares it. `resolver`: the address of a validating resolver at port 53, since resolv.conf knows no other port. */
export async function prepareFinger(resolver: string): Promise<Finger> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-finger-'));
  const resolvConf = join(directory, 'resolv.conf');
  // glibc hides AD from those who do not say that they trust the way to the resolver.
  await writeFile(resolvConf, `nameserver ${resolver}\noptions trust-ad\n`);
  await mkdir(join(directory, 'queue'));
  const config = { compatibility_level: '3.6', queue_directory: join(directory, 'queue') };
  const settings = Object.entries({ ...config, myhostname: 'out.test', inet_protocols: 'ipv4' });
  await writeFile(
    join(directory, 'main.cf'),
    settings.map((pair) => `${pair.join(' = ')}\n`).join(''),
  );
  const inside = 'mount --bind "$0/resolv.conf" /etc/resolv.conf && exec posttls-finger "$@"';
  return {
    ask: async (domain, port) => {
      const asked = [
        '-c',
        '-a',
        'ipv4',
        '-l',
        'dane-only',
        '-L',
        'summary,certmatch',
        '-t',
        '5',
        '-T',
        '5',
      ];
      const outcome = await run(
        'unshare',
        ['--mount', 'sh', '-c', inside, directory, ...asked, `${domain}:${port}`],
        { env: { ...process.env, MAIL_CONFIG: directory, LC_ALL: 'C' }, timeout: 30_000 },
      ).catch((error: { stdout: string; stderr: string; code: unknown }) => {
        if (typeof error.code === 'number') {
          // It could not connect, or not find out what it had to; it says so.
          return error;
        }
        throw error;
      });
      return outcome.stdout + outcome.stderr;
    },
    stop: () => rm(directory, { recursive: true, force: true }),
  };
}
