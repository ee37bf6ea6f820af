/** The run-time rules and exceptions as a function sees them: read once a minute, and never guessed. */
import type { ControlStore, StoredException } from '../operating/control-store.ts';
import type { Controls, ReadControls } from './ports.ts';

/** How long what was read is good. */
const freshMs = 60_000;

/** How soon a read that failed is tried again, where something older can be used meanwhile. */
const retryMs = 10_000;

export interface ReadControlsOptions {
  readonly store: Pick<ControlStore, 'listRules' | 'listExceptions'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Is told of a read that failed while what was read before stays in use. */
  readonly observe: (error: unknown) => void;
}

interface KnownControls {
  readonly rules: Controls['rules'];
  readonly exceptions: readonly StoredException[];
}

/**
 * Creates the reader. Keep one per process; callers at the same time share a read.
 *
 * It fails closed: until a read has succeeded it rejects, with `store-unavailable` or `store-damaged`, since without the
 * rules a message might go out with less than one of them asks for. After that an outage changes nothing but that
 * exceptions run out.
 */
export function createReadControls(options: ReadControlsOptions): ReadControls {
  let known: KnownControls | undefined;
  let readAtMs = 0;
  let goodForMs = 0;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    try {
      known = await readStore(options.store);
      goodForMs = freshMs;
    } catch (error) {
      if (known === undefined) {
        throw error;
      }
      options.observe(error);
      goodForMs = retryMs;
    }
    readAtMs = options.now();
  }

  return async () => {
    const ageMs = options.now() - readAtMs;
    // A negative age: the clock was set back, and would keep old controls in use for as long as it was ahead.
    if (known === undefined || ageMs < 0 || ageMs >= goodForMs) {
      reading ??= read().finally(() => {
        reading = undefined;
      });
      await reading;
    }
    const { rules = [], exceptions = [] } = known ?? {};
    const nowMs = options.now();
    return { rules, exceptions: exceptions.filter(({ expires }) => Date.parse(expires) > nowMs) };
  };
}

async function readStore(store: ReadControlsOptions['store']): Promise<KnownControls> {
  const [rules, exceptions] = await Promise.all([store.listRules(), store.listExceptions()]);
  return { rules: rules.map(({ rule }) => rule), exceptions };
}
