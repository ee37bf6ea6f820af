/**
 * What operators have decided at run time, as the books know it: between the moment at which a change is begun and the one
 * at which everybody must have read it, either may hold.
 */
import type { MessageSpec } from './messages.ts';
import { skewMsMax } from './process.ts';
import { type PlannedRule, reckonDemand } from './tagging.ts';
import type { Demand, DomainException } from './truth.ts';

/** Functions read once a minute, and a read takes some time. */
const readMs = 90_000;

/** An exception, and when it is seen. */
export interface KnownException extends DomainException {
  readonly domain: string;
  /** Nobody sees it earlier. */
  readonly mayFromMs: number;
  /** Whoever reads without a fault sees it from here on. */
  surelyFromMs: number;
  /** Until when everybody sees it, and after which nobody does. */
  surelyUntilMs: number;
  mayUntilMs: number;
}

export interface ControlLedger {
  /** Done again for every try; `end` says when it was done. */
  beginRule(rule: PlannedRule, isRemoved: boolean): { readonly end: () => void };
  beginException(domain: string, exception: DomainException): { readonly end: () => void };
  removeException(domain: string, exception: DomainException): { readonly end: () => void };
  /** Somebody could not read: he may go on by what he knew. */
  readFailed(): void;
  exceptionsOf(domain: string): readonly KnownException[];
  /** What a message may demand at a domain whose row was first written now. */
  demandsOf(spec: MessageSpec, domain: string): ReadonlySet<Demand>;
}

/** The rules from one change to the next. */
interface RuleState {
  readonly rules: readonly PlannedRule[];
  readonly mayFromMs: number;
  /** The next change may still not have been seen until then. */
  mayUntilMs: number;
}

export function createControlLedger({
  nowMs,
  ofConfig,
  exceptions,
}: {
  readonly nowMs: () => number;
  readonly ofConfig: readonly PlannedRule[];
  /** Those of the config. */
  readonly exceptions: readonly (DomainException & { readonly domain: string })[];
}): ControlLedger {
  const always = Number.NEGATIVE_INFINITY;
  const never = Number.POSITIVE_INFINITY;
  const states: RuleState[] = [{ rules: [], mayFromMs: always, mayUntilMs: never }];
  const known = new Map<string, KnownException[]>();
  const add = (exception: KnownException): KnownException => {
    known.set(exception.domain, [...(known.get(exception.domain) ?? []), exception]);
    return exception;
  };
  for (const exception of exceptions) {
    const { untilMs } = exception;
    add({
      ...exception,
      mayFromMs: always,
      surelyFromMs: always,
      surelyUntilMs: untilMs,
      mayUntilMs: untilMs,
    });
  }
  const failedAtMs: number[] = [];
  const isInDoubt = (sinceMs: number): boolean => failedAtMs.some((ms) => ms >= sinceMs);

  return {
    beginRule: (rule, isRemoved) => {
      const last = states.at(-1) as RuleState;
      const others = last.rules.filter(({ name }) => name !== rule.name);
      states.push({
        rules: isRemoved ? others : [...others, rule],
        mayFromMs: nowMs(),
        mayUntilMs: never,
      });
      return {
        end: () => {
          last.mayUntilMs = nowMs() + readMs;
        },
      };
    },
    beginException: (domain, exception) => {
      const { untilMs } = exception;
      const begun = add({
        ...exception,
        domain,
        mayFromMs: nowMs(),
        surelyFromMs: never,
        surelyUntilMs: untilMs,
        mayUntilMs: untilMs,
      });
      return {
        end: () => {
          begun.surelyFromMs = nowMs() + readMs;
        },
      };
    },
    removeException: (domain, { policy }) => {
      const found = known.get(domain)?.findLast((each) => each.policy === policy);
      if (found !== undefined) {
        found.surelyUntilMs = Math.min(found.surelyUntilMs, nowMs());
      }
      return {
        end: () => {
          if (found !== undefined) {
            found.mayUntilMs = Math.min(found.mayUntilMs, nowMs() + readMs);
          }
        },
      };
    },
    readFailed: () => {
      failedAtMs.push(nowMs());
    },
    exceptionsOf: (domain) => known.get(domain) ?? [],
    demandsOf: (spec, domain) => {
      const toMs = nowMs();
      const fromMs = spec.atMs - readMs;
      const doubtful = isInDoubt(fromMs);
      const seen = states.filter(
        (state) => state.mayFromMs <= toMs && (doubtful || state.mayUntilMs >= fromMs),
      );
      const taggingOf = (name: string): readonly boolean[] =>
        mayBeExcepted(known.get(name) ?? [], 'tagging', {
          fromMs: fromMs - skewMsMax,
          toMs: toMs + skewMsMax,
          isInDoubt: doubtful,
        });
      const names = [...new Set(spec.recipients.map((recipient) => recipient.domain))];
      let sets: string[][] = [[]];
      for (const name of names) {
        sets = taggingOf(name).flatMap((isExcepted) =>
          sets.map((set) => (isExcepted ? [...set, name] : set)),
        );
      }
      return new Set(
        seen.flatMap(({ rules }) =>
          sets.map((set) =>
            reckonDemand(spec, domain, { rules, ofConfig, excepted: new Set(set) }),
          ),
        ),
      );
    },
  };
}

/** Whether some exception from a policy counted within a span, or none did; or both. */
export function mayBeExcepted(
  exceptions: readonly KnownException[],
  policy: DomainException['policy'] | 'any',
  span: { readonly fromMs: number; readonly toMs: number; readonly isInDoubt: boolean },
): readonly boolean[] {
  const { fromMs, toMs, isInDoubt } = span;
  const some = exceptions.filter(
    (each) => (policy === 'any' || each.policy === policy) && each.mayFromMs <= toMs,
  );
  const mayHold = some.some((each) => (isInDoubt ? each.untilMs : each.mayUntilMs) > fromMs);
  const mayLack = some.every(
    (each) =>
      each.surelyFromMs > fromMs ||
      each.surelyUntilMs <= toMs ||
      (isInDoubt && each.mayFromMs > Number.NEGATIVE_INFINITY),
  );
  return [...(mayHold ? [true] : []), ...(mayLack ? [false] : [])];
}
