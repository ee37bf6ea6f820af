/** `sealpost collect` as a process of its own: real datagrams on a real socket, real requests. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-collect-'));
  path = join(folder, 'tlsrpt.sock');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Request {
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** An API that takes everything. */
async function startApi(): Promise<{ readonly url: string; readonly requests: Request[] }> {
  const requests: Request[] = [];
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join('');
    const { authorization } = request.headers;
    requests.push({ url: request.url, authorization, body: JSON.parse(body) });
    response.setHeader('content-type', 'application/json').end('{"counted":1,"refused":[]}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

interface Running {
  /** Resolves once it has said so. */
  says(text: string): Promise<void>;
  /** Tells it to end; resolves to its exit status and all that it said. */
  end(): Promise<{ readonly status: number | null; readonly words: string }>;
}

function run(...args: readonly string[]): Running {
  const child = spawn(process.execPath, ['bin/sealpost.ts', 'collect', ...args], {
    env: {
      ...process.env,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let words = '';
  const closed = once(child, 'close');
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text;
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return {
    says: async (text) => {
      while (!words.includes(text)) {
        await Promise.race([
          once(child.stderr, 'data'),
          closed.then(() => Promise.reject(new Error(`it ended: ${words}`))),
        ]);
      }
    },
    end: async () => {
      child.kill('SIGTERM');
      const [status] = (await closed) as [number | null];
      return { status, words };
    },
  };
}

/** Sends datagrams as libtlsrpt does: each by one `send`, from a socket without a name. */
function send(...datagrams: readonly string[]): void {
  const script = `use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; my $to = shift;
    for (@ARGV) { defined send($s, $_, 0, pack_sockaddr_un($to)) or die "send: $!" }`;
  execFileSync('perl', ['-e', script, path, ...datagrams]);
}

test('datagrams arrive at the API, signed, before the process ends', async () => {
  const { url, requests } = await startApi();
  const collect = run('--socket', path, '--url', url, '--mode', '0622');
  await collect.says('listening');
  expect(statSync(path).mode & 0o777).toBe(0o622);
  const large = { d: 'b.example', pr: 'x'.repeat(60_000), more: 'line\nend ✓' };
  send('{"d":"a.example"}', JSON.stringify(large), 'not JSON');
  await collect.says('not JSON, and dropped: a datagram of 8 octets');
  expect((await collect.end()).status).toBe(0);
  expect(requests).toEqual([
    {
      url: '/v1/tlsrpt/results',
      authorization: expect.stringMatching(
        /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/execute-api\/aws4_request, /,
      ),
      body: {
        id: expect.any(String),
        results: [
          { at: expect.any(String), datagram: { d: 'a.example' } },
          { at: expect.any(String), datagram: large },
        ],
      },
    },
  ]);
  expect(existsSync(path)).toBe(false);
});

test('the socket of a predecessor that was killed is replaced', async () => {
  execFileSync('perl', [
    '-e',
    'use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0); bind($s, pack_sockaddr_un(shift)) or die',
    path,
  ]);
  const collect = run('--socket', path, '--url', 'http://127.0.0.1:9');
  await collect.says('listening');
  expect((await collect.end()).status).toBe(0);
});

test('a file that is no socket is left alone', async () => {
  writeFileSync(path, 'precious');
  const collect = run('--socket', path, '--url', 'http://127.0.0.1:9');
  await expect(collect.says('listening')).rejects.toThrow(/cannot bind .*: Address already in use/);
  expect((await collect.end()).status).toBe(69);
  expect(statSync(path).size).toBe(8);
});

test.each([
  [['--url', 'https://api.example'], '--socket takes a path'],
  [['--socket', '/x'.repeat(60), '--url', 'https://api.example'], '--socket takes a path'],
  [['--socket', '/x'], '--url takes the https: URL'],
  [['--socket', '/x', '--url', 'http://api.example'], '--url takes the https: URL'],
  [['--socket', '/x', '--url', 'https://api.example', '--mode', 'rw'], '--mode takes octal digits'],
  [['--socket', '/x', '--url', 'https://api.example', 'more'], 'no argument is taken'],
])('%j is not how it is used', async (args, message) => {
  const collect = run(...args);
  await expect(collect.says('listening')).rejects.toThrow(message);
  expect((await collect.end()).status).toBe(64);
});
