/** Which domains a process has put on the lists of their days, so that most are put there once. */
import type { RecordedResults } from '../../reporting/ports.ts';

export type DomainOfDay = Pick<RecordedResults, 'day' | 'domain'>;

/** It may forget, which costs an item; it never says of a domain that it is listed which is not. */
export interface ListedDomains {
  has(each: DomainOfDay): boolean;
  add(each: DomainOfDay): void;
}

/** Remembers so many at the most. */
export function createListedDomains(max: number): ListedDomains {
  const byDay = new Map<string, Set<string>>();
  let size = 0;
  return {
    has: ({ day, domain }) => byDay.get(day)?.has(domain) === true,
    add: ({ day, domain }) => {
      if (size >= max) {
        // A day that is over has no new sessions.
        const oldest = [...byDay.keys()].sort()[0] ?? day;
        size -= byDay.get(oldest)?.size ?? 0;
        byDay.delete(oldest);
      }
      const domains = byDay.get(day) ?? new Set();
      byDay.set(day, domains);
      size += domains.has(domain) ? 0 : 1;
      domains.add(domain);
    },
  };
}
