/** The processes in which the local cloud runs its functions: found, and killed as `kill -9` does. By Linux's /proc. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface FunctionProcess {
  readonly pid: number;
  /** As CloudFormation names it: stack, logical id, hash. */
  readonly functionName: string;
}

/** A process as it was when it was killed. */
export interface Killed extends FunctionProcess {
  /** Local ports of its connections. */
  readonly ports: ReadonlySet<number>;
}

/** The function processes that this process has started, and no others. */
export async function findFunctionProcesses(): Promise<FunctionProcess[]> {
  const threads = await readdir('/proc/self/task');
  const children = await Promise.all(
    threads.map((thread) => readFile(`/proc/self/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  const pids = children.join(' ').split(/\s+/).filter(Boolean).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      const functionName = /(?:^|\0)AWS_LAMBDA_FUNCTION_NAME=([^\0]*)/.exec(environment)?.[1];
      return functionName === undefined ? [] : [{ pid, functionName }];
    }),
  );
  return found.flat();
}

/** Kills a process at whatever it is doing. It is halted first, so that what it has open is what it had open. */
export async function killProcess(target: FunctionProcess): Promise<Killed | undefined> {
  try {
    process.kill(target.pid, 'SIGSTOP');
    const ports = await portsOf(target.pid);
    process.kill(target.pid, 'SIGKILL');
    return { ...target, ports };
  } catch {
    // It ended before it could be killed.
    return undefined;
  }
}

async function portsOf(pid: number): Promise<ReadonlySet<number>> {
  const sockets = new Set<string>();
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(
      await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''),
    )?.[1];
    if (inode !== undefined) {
      sockets.add(inode);
    }
  }
  // `  0: 0100007F:1A2B 0100007F:0019 01 …`, with the inode in the tenth column.
  const connections = (await readFile('/proc/net/tcp', 'utf8')).split('\n').slice(1);
  return new Set(
    connections
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , , , , , , , inode = '']) => sockets.has(inode))
      .map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16)),
  );
}
