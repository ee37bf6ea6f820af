/**
 * How much memory a process really occupies.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

const mib = 1024 * 1024;

/**
 * Gives the resident size of a process in MiB; undefined if it has ended.
 *
 * Linux tells it in /proc; elsewhere `ps` is asked.
 */
async function residentMib(pid: number): Promise<number | undefined> {
  return process.platform === 'linux' ? await fromProc(pid) : await fromPs(pid);
}

async function fromProc(pid: number): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    // A zombie has a status and no memory.
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    // There is no such process any more, which is one of the two answers.
    return undefined;
  }
}

async function fromPs(pid: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    execFile('ps', ['-o', 'rss=', '-p', String(pid)], (error, stdout) => {
      const kib = Number(stdout.trim());
      resolve(error === null && kib > 0 ? (kib * 1024) / mib : undefined);
    });
  });
}

/** A watch over a process's memory. */
export interface MemoryWatch {
  /** Ends it, after a last look. */
  stop(): Promise<void>;
}

const watchIntervalMs = 100;

/**
 * Looks at a process's resident size ten times a second.
 *
 * @param onSize - is told each size in MiB, rounded up
 */
export function watchMemory(
  pid: number | undefined,
  onSize: (sizeMib: number) => void,
): MemoryWatch {
  const look = async (): Promise<void> => {
    const sizeMib = pid === undefined ? undefined : await residentMib(pid);
    if (sizeMib !== undefined) {
      onSize(Math.ceil(sizeMib));
    }
  };
  const timer = setInterval(() => void look(), watchIntervalMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await look();
    },
  };
}
