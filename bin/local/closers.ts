/** What has to be ended, in the reverse order of its start. */
export interface Closers {
  add(close: () => Promise<void> | void): void;
  /** Ends everything once, however often it is called; goes on after a failure, and throws the first. */
  closeAll(): Promise<void>;
}

export function createClosers(): Closers {
  const closers: (() => Promise<void> | void)[] = [];
  let closing: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const close of closers.toReversed()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) {
      throw failures[0];
    }
  };
  return {
    add: (close) => closers.push(close),
    closeAll: async () => {
      closing ??= run();
      await closing;
    },
  };
}
