/**
 * Debian's Postfix as an MX host: an instance of its own, with configuration, queue, data and mailbox in a temporary
 * directory, that takes mail for its domains on one address and port and keeps it as files (maildir). Needs root, by
 * which Postfix's master process runs.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Credential } from '../../bin/world/ca.ts';

const run = promisify(execFile);

/** `nobody` of Debian: the owner of the mailbox. */
const mailboxOwnerId = 65_534;

const pollMs = 50;

/** An MX host to be started. */
export interface PostfixOptions {
  /** The name in its greeting. */
  readonly hostname: string;
  /** What it takes mail for; any local part will do. */
  readonly domain: string;
  readonly address: string;
  readonly port: number;
  readonly credential: Credential;
}

/** A running Postfix. */
export interface Postfix {
  /**
   * Waits until the mailbox holds `count` messages, and returns each as its octets: the trace header fields that Postfix
   * prepends, then the content with LF line ends. Rejects with its log where that takes longer than `withinMs`.
   */
  messages(count: number, withinMs: number): Promise<readonly Buffer[]>;
  /** What it logged so far. */
  log(): Promise<string>;
  /** Takes it down and removes its files; may be called twice. */
  stop(): Promise<void>;
}

/** Starts a Postfix; it listens when this resolves. */
export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-postfix-'));
  const config = join(directory, 'config');
  const logFile = join(directory, 'mail.log');
  const inbox = join(directory, 'mail', 'inbox', 'new');
  const log = (): Promise<string> => readFile(logFile, 'utf8').catch(() => '(no log)');
  try {
    await writeFiles(directory, options);
    // Comes back once the master process listens.
    await postfix(config, 'start');
  } catch (error) {
    const said = await log();
    await rm(directory, { recursive: true, force: true });
    throw new Error(`Postfix does not start: ${said}`, { cause: error });
  }
  let stopped: Promise<void> | undefined;
  return {
    log,
    async messages(count, withinMs) {
      const deadlineMs = Date.now() + withinMs;
      // A file is moved to `new` once it is whole; Postfix tells nobody when.
      for (;;) {
        const names = await readdir(inbox).catch(() => []);
        if (names.length >= count) {
          return Promise.all(names.map((name) => readFile(join(inbox, name))));
        }
        if (Date.now() > deadlineMs) {
          throw new Error(`${names.length} of ${count} messages arrived: ${await log()}`);
        }
        await pause(pollMs);
      }
    },
    stop() {
      stopped ??= postfix(config, 'stop').finally(() =>
        rm(directory, { recursive: true, force: true }),
      );
      return stopped;
    },
  };
}

async function postfix(config: string, command: 'start' | 'stop'): Promise<void> {
  await run('postfix', ['-c', config, command], { timeout: 60_000 });
}

async function writeFiles(directory: string, options: PostfixOptions): Promise<void> {
  const { uid, gid } = await findMailSystemOwner();
  // Daemons that gave up root go through here to their queue.
  await chmod(directory, 0o711);
  const made = (name: string): string => join(directory, name);
  await mkdir(made('config'));
  await mkdir(made('queue'));
  await mkdir(made('data'));
  await chown(made('data'), uid, gid);
  await mkdir(made('mail'));
  await chown(made('mail'), mailboxOwnerId, mailboxOwnerId);
  const { key, cert } = options.credential;
  await writeFile(made('config/chain.pem'), `${key}\n${cert}\n`, { mode: 0o600 });
  await writeFile(made('config/main.cf'), formatMain(directory, options));
  await writeFile(made('config/master.cf'), formatMaster(options));
}

async function findMailSystemOwner(): Promise<{ readonly uid: number; readonly gid: number }> {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postfix'])).stdout)),
  );
  if (uid === undefined || gid === undefined) {
    throw new TypeError('two questions have two answers');
  }
  return { uid, gid };
}

function formatMain(directory: string, { hostname, domain }: PostfixOptions): string {
  const settings: Readonly<Record<string, string>> = {
    compatibility_level: '3.6',
    queue_directory: `${directory}/queue`,
    data_directory: `${directory}/data`,
    maillog_file: `${directory}/mail.log`,
    maillog_file_prefixes: directory,
    myhostname: hostname,
    mydestination: '',
    mynetworks: '',
    alias_maps: '',
    inet_protocols: 'ipv4',
    // Nobody outside is asked anything.
    smtpd_peername_lookup: 'no',
    virtual_mailbox_domains: domain,
    virtual_mailbox_base: `${directory}/mail`,
    virtual_mailbox_maps: 'static:inbox/',
    virtual_uid_maps: `static:${mailboxOwnerId}`,
    virtual_gid_maps: `static:${mailboxOwnerId}`,
    message_size_limit: '20000000',
    // It would hold senders back while the mailbox is behind.
    in_flow_delay: '0',
    smtpd_tls_chain_files: `${directory}/config/chain.pem`,
    smtpd_tls_security_level: 'may',
    smtpd_tls_received_header: 'yes',
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

/** The daemons that taking and keeping mail needs (master(5)); none in a chroot. */
function formatMaster({ address, port }: PostfixOptions): string {
  return `${address}:${port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;
}
