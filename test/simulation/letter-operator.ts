/** The operator who looks at the dead letters each hour: sends some of them again, and gives some up. */
import { createDeadLetters } from '../../functions/adapters/aws/dead-letters.ts';
import {
  bounceDeadLetters,
  type DeadLetterContext,
  listDeadLetters,
  redriveDeadLetters,
} from '../../functions/operating/dead-letters.ts';
import { createClients, deadLetterQueueUrl } from './aws.ts';
import type { Books } from './books.ts';
import { hourMs, startMs } from './calendar.ts';
import { createControlsReader, createQueueContext } from './functions.ts';
import { createProcess, runToEnd, type SimulatedProcess } from './process.ts';
import type { Run } from './run-parts.ts';

/** As many as are dealt with at a time. */
const limit = 50;

export function startLetterOperator(run: Run, books: Books): void {
  const { clock, cloud } = run;
  const look = (): void => {
    if (cloud.deadLetters.open > 0) {
      void dealWithLetters(run, books);
    }
    clock.at(clock.now() + hourMs, look);
  };
  clock.at(startMs + hourMs, look);
}

async function dealWithLetters(run: Run, books: Books): Promise<void> {
  const { chance, counts } = run;
  const process = createProcess(run);
  if (chance.happens(0.1)) {
    process.dieAfter(chance.between(1, 60));
  }
  await runToEnd(process, async () => {
    const context = createContext(run, process);
    const letters = await listDeadLetters(limit, context);
    const bodies = new Map(
      run.cloud.deadLetters.all().map(({ messageId, body }) => [messageId, body]),
    );
    const again: string[] = [];
    const givenUp: string[] = [];
    for (const { messageId, reason } of letters) {
      // What an outage drove here goes back at once; what delivery put here comes here again.
      const fate =
        reason === undefined ? 'again' : chance.weigh({ leave: 92, again: 3, 'given up': 5 });
      if (fate === 'again') {
        again.push(messageId);
      } else if (fate === 'given up') {
        givenUp.push(messageId);
        books.letterGivenUp(bodies.get(messageId) ?? '');
      }
    }
    if (again.length > 0) {
      const { done } = await redriveDeadLetters({ messageIds: again, limit }, context);
      counts.redriven += done;
    }
    if (givenUp.length > 0) {
      const request = { messageIds: givenUp, limit, discardUnreadable: chance.happens(0.5) };
      await bounceDeadLetters(request, { author: 'an operator', reason: 'not worth it' }, context);
    }
  });
}

function createContext(run: Run, process: SimulatedProcess): DeadLetterContext {
  const { dynamoDb, sqs } = createClients(run.cloud, process, run.weather);
  const { settings, ports } = createQueueContext(run, process);
  return {
    settings,
    ports,
    deadLetters: createDeadLetters({ client: sqs, queueUrl: deadLetterQueueUrl }),
    readControls: createControlsReader(dynamoDb, process, run),
  };
}
