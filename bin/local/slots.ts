/** A bounded number of places, handed out in the order in which they were asked for. */
export interface Slots {
  /** Resolves when a place is free, and takes it. */
  take(): Promise<void>;
  give(): void;
}

export function createSlots(count: number): Slots {
  const waiting: (() => void)[] = [];
  let taken = 0;
  return {
    take: async () => {
      if (taken >= count) {
        await new Promise<void>((resolve) => waiting.push(resolve));
        return;
      }
      taken += 1;
    },
    give: () => {
      // A place goes from hand to hand, so that nobody slips in between.
      const next = waiting.shift();
      if (next === undefined) {
        taken -= 1;
      } else {
        next();
      }
    },
  };
}
