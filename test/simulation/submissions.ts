/** How the messages of a run come in: by SQS and by HTTP, evenly over a day; and a backlog, at once. */
import type { Books } from './books.ts';
import { arrivalMs, hourMs, startMs } from './calendar.ts';
import { createChance } from './chance.ts';
import { handIn } from './clients.ts';
import type { World } from './domains.ts';
import { bucket } from './functions.ts';
import { contentOf, makeMessage, recordOf, type Traffic } from './messages.ts';
import type { Run, SimulationOptions } from './run-parts.ts';

/** To which a backlog goes. */
export const deadDomain = 'dead.test';

/** Messages come in evenly over a day. Gives whether all of them have. */
export function submitAll(
  { messages, seed, backlog = 0, isCalm = false }: SimulationOptions,
  run: Run,
  { world, books }: { readonly world: World; readonly books: Books },
): () => boolean {
  const names = [...world.domains.values()].flatMap(({ name, share }) =>
    name === deadDomain ? [] : Array.from({ length: share }, () => name),
  );
  const { clock, cloud } = run;
  const clientele = { installation: run, clock, books, mishaps: isCalm ? 0 : 0.1 };
  let open = 0;
  // Messages have a chance of their own, so that they are the same whatever else happens.
  const traffic = { chance: createChance(seed), recipientDomains: names, senderDomains: names };
  let submitted = 0;
  const submit = (spec: ReturnType<typeof makeMessage>): void => {
    books.specify(spec);
    if (spec.way === 'http') {
      open += 1;
      handIn(spec, `key ${spec.number}`, clientele).then(
        () => {
          open -= 1;
        },
        (error: unknown) => run.observe({ kind: 'fault', error }),
      );
      return;
    }
    const key = `in/${spec.number}`;
    if (spec.stored) {
      cloud.bucket.put(key, Buffer.from(contentOf(spec)));
    }
    const body = recordOf(spec, { bucket, key });
    books.recorded(body, spec);
    if (spec.named) {
      const domains = new Set(spec.recipients.map(({ domain }) => domain));
      books.requests.sent(`m${spec.number}`, [...domains]);
    }
    cloud.queue.send(body);
  };
  const next = (): void => {
    submit(makeMessage(submitted, clock.now(), traffic));
    submitted += 1;
    if (submitted < messages) {
      clock.at(startMs + (arrivalMs * submitted) / messages, next);
    }
  };
  clock.at(startMs, next);
  let isBacklogIn = backlog === 0;
  clock.at(startMs + hourMs, () => {
    const quiet: Traffic = {
      ...traffic,
      chance: createChance(7),
      recipientDomains: [deadDomain],
      mailFrom: '',
    };
    for (let index = 0; index < backlog; index += 1) {
      const { poison: _poison, ...spec } = makeMessage(messages + index, clock.now(), quiet);
      submit({ ...spec, way: 'sqs' });
    }
    isBacklogIn = true;
  });
  return () => submitted >= messages && open === 0 && isBacklogIn;
}
