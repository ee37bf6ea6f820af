/**
 * The receiving half of a simulated MX host's connection: octets in, lines, chunks and content out, and always exact
 * about where they ended (RFC 5321 §2.3.8, §4.5.2).
 */
import type { Socket } from 'node:net';

/** A command line without its end. */
export interface InputLine {
  readonly text: string;
  /** It ended in LF alone. */
  readonly bareLf: boolean;
}

/** Octets, and whether they are all that was asked for. */
export interface InputContent {
  readonly octets: Buffer;
  readonly complete: boolean;
}

/** Reading waits for what it needs; undefined or incomplete means that the connection is over. */
export interface Input {
  readLine(): Promise<InputLine | undefined>;
  /** For BDAT. */
  readOctets(count: number): Promise<InputContent>;
  /** For DATA, dot-stuffing undone. Gives up, incomplete, once `octetsMax` octets are there. */
  readContent(octetsMax: number): Promise<InputContent>;
  /** The octets that came and were not asked for yet. */
  readonly waiting: Buffer;
  /** Resolves when the peer has closed. */
  readonly closed: Promise<void>;
  /** Takes octets from this socket from now on; what is waiting is thrown away. */
  attach(socket: Socket): void;
  /** Takes no more from the socket and leaves it paused, so that TLS can have it. */
  detach(): void;
}

/** No command of a well-behaved client comes near this. */
const lineOctetsMax = 65_536;

const endOfContent = '\r\n.\r\n';

/** Makes an input that has nothing until a socket is attached. */
export function createInput(): Input {
  const queue = createQueue();
  return {
    ...queue.ports,
    async readLine() {
      for (;;) {
        const end = queue.octets().indexOf('\n');
        if (end >= 0) {
          const line = queue.take(end + 1);
          const bareLf = end === 0 || line[end - 1] !== 0x0d;
          return { text: line.subarray(0, bareLf ? end : end - 1).toString(), bareLf };
        }
        if (queue.octets().length > lineOctetsMax || !(await queue.more())) {
          return undefined;
        }
      }
    },
    async readOctets(count) {
      const parts: Buffer[] = [];
      for (let missing = count; missing > 0; ) {
        const part = queue.take(missing);
        parts.push(part);
        missing -= part.length;
        if (missing > 0 && !(await queue.more())) {
          return { octets: Buffer.concat(parts), complete: false };
        }
      }
      return { octets: Buffer.concat(parts), complete: true };
    },
    readContent: (octetsMax) => readContent(queue, octetsMax),
    get waiting() {
      return queue.octets();
    },
  };
}

interface Queue {
  octets(): Buffer;
  /** Takes up to `count` octets out. */
  take(count: number): Buffer;
  /** Waits for more octets; false when none will come. */
  more(): Promise<boolean>;
  readonly ports: Pick<Input, 'attach' | 'detach' | 'closed'>;
}

function createQueue(): Queue {
  let octets: Buffer = Buffer.alloc(0);
  let over = false;
  let source: Socket | undefined;
  let wake = (): void => {};
  const closed = Promise.withResolvers<void>();
  const onData = (chunk: Buffer): void => {
    octets = octets.length === 0 ? chunk : Buffer.concat([octets, chunk]);
    wake();
  };
  const onClose = (): void => {
    over = true;
    closed.resolve();
    wake();
  };
  const detach = (): void => {
    source?.off('data', onData).off('end', onClose).off('close', onClose).pause();
  };
  return {
    octets: () => octets,
    take(count) {
      const taken = octets.subarray(0, count);
      octets = octets.subarray(taken.length);
      return taken;
    },
    async more() {
      if (!over) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const before = octets.length;
        wake = resolve;
        await promise;
        return octets.length > before;
      }
      return false;
    },
    ports: {
      closed: closed.promise,
      attach(socket) {
        detach();
        source = socket;
        octets = Buffer.alloc(0);
        socket.on('data', onData).on('end', onClose).on('close', onClose);
      },
      detach,
    },
  };
}

async function readContent(queue: Queue, octetsMax: number): Promise<InputContent> {
  const parts: Buffer[] = [];
  let size = 0;
  for (;;) {
    if (size === 0 && queue.octets().subarray(0, 3).toString('latin1') === '.\r\n') {
      queue.take(3);
      return { octets: Buffer.alloc(0), complete: true };
    }
    const end = queue.octets().indexOf(endOfContent);
    if (end >= 0) {
      parts.push(queue.take(end + 2));
      queue.take(3);
      return { octets: removeDots(Buffer.concat(parts)), complete: true };
    }
    if (size + queue.octets().length >= octetsMax) {
      parts.push(queue.octets());
      return { octets: removeDots(Buffer.concat(parts)), complete: false };
    }
    // The end may be split over two reads, so as many octets stay as could be the beginning of one.
    const part = queue.take(Math.max(0, queue.octets().length - (endOfContent.length - 1)));
    parts.push(part);
    size += part.length;
    if (!(await queue.more())) {
      return { octets: removeDots(Buffer.concat([...parts, queue.octets()])), complete: false };
    }
  }
}

/** RFC 5321 §4.5.2: a dot at the beginning of a line is not of the message. */
function removeDots(stuffed: Buffer): Buffer {
  const parts: Buffer[] = [];
  let start = stuffed[0] === 0x2e ? 1 : 0;
  for (let at = stuffed.indexOf('\r\n.'); at >= 0; at = stuffed.indexOf('\r\n.', at + 3)) {
    parts.push(stuffed.subarray(start, at + 2));
    start = at + 3;
  }
  return Buffer.concat([...parts, stuffed.subarray(start)]);
}
