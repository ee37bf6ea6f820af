/** The operator who makes and removes rules and exceptions while mail goes through, and asks again until it is done. */
import { createControlTable } from '../../functions/adapters/aws/control-table.ts';
import type { ControlStore } from '../../functions/operating/control-store.ts';
import { addException, removeException } from '../../functions/operating/exceptions.ts';
import { addRule, removeRule } from '../../functions/operating/rules.ts';
import { createClients } from './aws.ts';
import type { Books } from './books.ts';
import type { ControlLedger } from './control-ledger.ts';
import { createProcess, runToEnd, type SimulatedProcess } from './process.ts';
import type { Run } from './run-parts.ts';
import { type RulePlan, writeRule } from './tagging.ts';
import type { Domain } from './truth.ts';

interface Change {
  readonly atMs: number;
  readonly begin: (ledger: ControlLedger) => { readonly end: () => void };
  /** Gives what is wrong, if anything is. */
  readonly make: (store: ControlStore, nowMs: number) => Promise<string | undefined>;
}

const author = 'an operator';

/** Does one change after the other, each at its time or when the one before is done. Gives whether all are done. */
export function startControlOperator(
  run: Run,
  plan: { readonly rules: RulePlan; readonly domains: ReadonlyMap<string, Domain> },
  { ledger, books }: { readonly ledger: ControlLedger; readonly books: Pick<Books, 'violate'> },
): () => boolean {
  const { clock, chance } = run;
  const changes = [
    ...changesOfRules(plan.rules, run),
    ...[...plan.domains.values()].flatMap((domain) => changesOfExceptions(domain, run)),
  ].sort((one, other) => one.atMs - other.atMs);
  let isDone = false;
  const work = async (): Promise<void> => {
    for (const { atMs, begin, make } of changes) {
      await clock.sleep(Math.max(0, atMs - clock.now()));
      const begun = begin(ledger);
      while (
        !(await tryOnce(run, async (process, store) => {
          const fault = await make(store, process.now());
          if (fault !== undefined) {
            books.violate(`a change of the controls: ${fault}`);
          }
        }))
      ) {
        await clock.sleep(chance.between(2_000, 30_000));
      }
      begun.end();
    }
    isDone = true;
  };
  work().catch((error: unknown) => run.observe({ kind: 'fault', error }));
  return () => isDone;
}

/** One request; false where it failed, or its process died: then it may be done all the same. */
function tryOnce(
  run: Run,
  work: (process: SimulatedProcess, store: ControlStore) => Promise<void>,
): Promise<boolean> {
  const process = createProcess(run);
  if (run.chance.happens(0.1)) {
    process.dieAfter(run.chance.between(1, 6));
  }
  const { dynamoDb: client } = createClients(run.cloud, process, run.weather);
  return runToEnd(process, () =>
    work(process, createControlTable({ client, tableName: 'controls' })),
  );
}

function changesOfRules({ passing }: RulePlan, { settings }: Run): Change[] {
  return passing.flatMap(({ rule, fromMs, toMs }): Change[] => [
    {
      atMs: fromMs,
      begin: (ledger) => ledger.beginRule(rule, false),
      make: async (store, nowMs) => {
        const request = { rule: writeRule(rule), position: rule.position, replace: true };
        const outcome = await addRule(request, author, { store, settings, nowMs });
        return outcome.kind === 'added' ? undefined : JSON.stringify(outcome);
      },
    },
    ...(toMs === undefined
      ? []
      : [
          {
            atMs: toMs,
            begin: (ledger: ControlLedger) => ledger.beginRule(rule, true),
            make: async (store: ControlStore) => {
              await removeRule(rule.name, { store, settings });
              return undefined;
            },
          },
        ]),
  ]);
}

function changesOfExceptions({ name, settings: { exceptions } }: Domain, run: Run): Change[] {
  const { settings } = run;
  return exceptions.flatMap((exception): Change[] => {
    const { policy, madeAtMs, untilMs, removedAtMs } = exception;
    if (madeAtMs === undefined) {
      return [];
    }
    const request = {
      domain: name,
      policy,
      reason: 'a partner without certificates',
      expires: new Date(untilMs).toISOString(),
    };
    return [
      {
        atMs: madeAtMs,
        begin: (ledger) => ledger.beginException(name, exception),
        make: async (store, nowMs) => {
          const outcome = await addException(request, author, { store, settings, nowMs });
          return outcome.kind === 'added' ? undefined : JSON.stringify(outcome);
        },
      },
      ...(removedAtMs === undefined
        ? []
        : [
            {
              atMs: removedAtMs,
              begin: (ledger: ControlLedger) => ledger.removeException(name, exception),
              make: async (store: ControlStore) => {
                await removeException({ domain: name, policy }, { store, settings });
                return undefined;
              },
            },
          ]),
    ];
  });
}
