/** A Unix datagram socket that is read. Node has none of its own; Perl, which is part of every Debian, has. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The socket, and how to let go of it. */
export interface DatagramSocket {
  /** Resolves when no more comes: after {@link close}, or rejects with what ended it. */
  readonly ended: Promise<void>;
  /** What has arrived until now is still handed on. */
  close(): void;
}

export interface DatagramSocketOptions {
  readonly path: string;
  /** Of the socket's file, in octal digits: who may write to it. */
  readonly mode: string;
  readonly receive: (datagram: Buffer) => void;
}

/** A longer one than Linux lets through is a fault in what was read, not a datagram. */
const datagramBytesMax = 1_048_576;

/** Binds the socket; resolves when it can be written to. Rejects with the reason why it cannot. */
export async function openDatagramSocket(options: DatagramSocketOptions): Promise<DatagramSocket> {
  const { path, mode, receive } = options;
  const script = join(import.meta.dirname, 'read-socket.pl');
  const child = spawn('perl', [script, path, mode], { stdio: ['pipe', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-1_000);
  });
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  // Whoever only waits for the first of the two must not be ended by the second.
  ended.promise.catch(() => {});
  const frames = createFrameReader(receive, ready.resolve);
  let isClosing = false;
  const fail = (error: Error): void => {
    ready.reject(error);
    ended.reject(error);
    child.kill();
  };
  child.on('error', (cause) => fail(new Error(`perl does not run: ${cause.message}`, { cause })));
  child.stdout.on('data', (octets: Buffer) => {
    try {
      frames.push(octets);
    } catch (error) {
      fail(error as Error);
    }
  });
  child.stdin.on('error', () => {}); // it has ended, which is told below
  void once(child, 'close').then(() => {
    if (isClosing) {
      ended.resolve();
    } else {
      fail(new Error(words.trim() || 'the reader of the socket has ended'));
    }
  });
  await ready.promise;
  return {
    ended: ended.promise,
    close: () => {
      isClosing = true;
      child.stdin.end();
    },
  };
}

/** Takes octets as they come; `ready` is told of the line that says so. */
function createFrameReader(
  receive: (datagram: Buffer) => void,
  ready: () => void,
): { push(octets: Buffer): void } {
  let rest: Buffer = Buffer.alloc(0);
  return {
    push: (octets) => {
      rest = rest.length === 0 ? octets : Buffer.concat([rest, octets]);
      for (;;) {
        const lineEnd = rest.indexOf('\n');
        if (lineEnd < 0) {
          return;
        }
        const line = rest.toString('latin1', 0, lineEnd);
        const length = line === 'ready' ? 0 : Number(line);
        if (!(length >= 0 && length <= datagramBytesMax)) {
          throw new Error(`the reader of the socket said ${JSON.stringify(line.slice(0, 100))}`);
        }
        const end = lineEnd + 1 + length;
        if (rest.length < end) {
          return;
        }
        const datagram = rest.subarray(lineEnd + 1, end);
        rest = rest.subarray(end);
        if (line === 'ready') {
          ready();
        } else {
          receive(datagram);
        }
      }
    },
  };
}
