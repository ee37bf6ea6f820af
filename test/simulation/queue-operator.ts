/** The operator who looks after single messages, domains and senders: sends now, holds, releases, cancels, overrides. */
import { actOnQueue, type Selection } from '../../functions/operating/act-on-queue.ts';
import type { Deed } from '../../functions/operating/delivery-actions.ts';
import type { WaitingCursor } from '../../functions/operating/waiting-cursor.ts';
import { waitingCursorSchema } from '../../functions/operating/waiting-cursor.ts';
import type { Books } from './books.ts';
import { arrivalMs, hourMs, minuteMs, startMs } from './calendar.ts';
import { createQueueContext } from './functions.ts';
import { createProcess, runToEnd } from './process.ts';
import type { Run } from './run-parts.ts';

/** Deliveries of one page. */
const pageMax = 50;

const deeds = { retry: 3, hold: 3, release: 1, cancel: 2, override: 3 } as const;

export function startQueueOperator(
  run: Run,
  { requests, books }: { readonly requests: number; readonly books: Books },
): void {
  const { clock, chance } = run;
  const ask = (selection: Selection, deed: Deed): Promise<boolean> =>
    askForAll(run, books, { selection, deed });
  const hold = async (selection: Selection): Promise<void> => {
    await ask(selection, { action: 'hold' });
    await clock.sleep(chance.between(5 * minuteMs, 6 * hourMs));
    while (!(await ask(selection, { action: 'release' }))) {
      await clock.sleep(chance.between(10_000, minuteMs));
    }
  };
  const act = async (): Promise<void> => {
    const action = chance.weigh(deeds);
    const selection = await drawSelection(books, action === 'override', run);
    switch (action) {
      case 'hold':
        return hold(selection);
      case 'cancel':
        await ask(selection, { action, bounce: chance.happens(0.5) });
        return;
      case 'override':
        await ask(selection, { action, demand: chance.pick(['require', 'default', 'optional']) });
        return;
      default:
        await ask(selection, { action });
    }
  };
  const start = (work: () => Promise<void>): void => {
    work().catch((error: unknown) => run.observe({ kind: 'fault', error }));
  };
  for (let count = 0; count < requests; count += 1) {
    clock.at(startMs + chance.below(2 * arrivalMs), () => start(act));
  }
  // What somebody has forgotten to release.
  const sweep = (): void => {
    if (books.requests.isAnyHeld()) {
      start(async () => void (await ask({ kind: 'all' }, { action: 'release' })));
    }
    clock.at(clock.now() + 6 * hourMs, sweep);
  };
  clock.at(startMs + 2 * arrivalMs, sweep);
}

async function drawSelection(
  { requests }: Pick<Books, 'requests'>,
  isForOne: boolean,
  { chance }: Run,
): Promise<Selection> {
  const row = requests.pickRow(chance);
  if (row === undefined || chance.happens(0.4)) {
    return requests.nextOne();
  }
  const { id, domain, wholeId = id, mailFrom } = row;
  switch (isForOne ? 'id' : chance.weigh({ id: 6, domain: 1, sender: 2 })) {
    case 'id':
      return { kind: 'message', id: chance.happens(0.5) ? id : wholeId };
    case 'domain':
      return { kind: 'domain', domain };
    case 'sender':
      return { kind: 'sender', sender: mailFrom };
  }
}

/** All pages of a request, each in a process of its own; false where one failed. */
async function askForAll(
  run: Run,
  books: Books,
  { selection, deed }: { readonly selection: Selection; readonly deed: Deed },
): Promise<boolean> {
  const request = books.requests.begin(selection, deed);
  const actor = { author: 'an operator', reason: request.reason };
  let cursor: WaitingCursor | undefined;
  do {
    const process = createProcess(run);
    if (run.chance.happens(0.1)) {
      process.dieAfter(run.chance.between(1, 40));
    }
    const isDone = await runToEnd(process, async () => {
      const result = await actOnQueue(
        { selection, deed, actor, limit: pageMax, ...(cursor !== undefined && { cursor }) },
        createQueueContext(run, process),
      );
      cursor = result.cursor === undefined ? undefined : waitingCursorSchema.parse(result.cursor);
    });
    if (!isDone) {
      return false;
    }
  } while (cursor !== undefined);
  request.end();
  return true;
}
