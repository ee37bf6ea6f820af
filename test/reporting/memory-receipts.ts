/** Receipts and sums in memory. */
import type {
  Receipt,
  ReceiptReader,
  ReceiptStore,
  ShareMemory,
} from '../../functions/reporting/receive-ports.ts';
import { keptDays, type ReportSums } from '../../functions/reporting/report-sums.ts';

export interface MemoryReceipts extends ReceiptStore, ReceiptReader, ShareMemory {
  readonly receipts: Map<string, Receipt>;
  readonly sums: Map<string, ReportSums>;
}

export function createMemoryReceipts(): MemoryReceipts {
  const receipts = new Map<string, Receipt>();
  const sums = new Map<string, ReportSums>();
  const settled = new Set<string>();
  const noted = new Map<string, readonly [by: string, lastDay: string]>();
  const shares: (readonly [domain: string, share: string])[] = [];
  return {
    receipts,
    sums,
    keep: async (receipt) => {
      const found = receipts.get(receipt.id);
      if (found !== undefined) {
        const ours = settled.has(receipt.id) ? 'settled' : 'open';
        return found.rawKey === receipt.rawKey ? ours : 'duplicate';
      }
      receipts.set(receipt.id, receipt);
      return 'open';
    },
    settle: async (id) => {
      const isFirst = receipts.has(id) && !settled.has(id);
      if (isFirst) {
        settled.add(id);
      }
      return isFirst;
    },
    writeSums: async (more) => {
      for (const each of more) {
        sums.set(`${each.domain} ${each.day} ${each.reporter} ${each.id}`, each);
      }
    },
    noteFailure: async ({ domain, resultType, day, id }) => {
      const key = `${domain} ${resultType}`;
      const [first, lastDay] = noted.get(key) ?? [id, day];
      const isForgotten = Date.parse(lastDay) < Date.parse(day) - keptDays * 86_400_000;
      const by = isForgotten ? id : first;
      noted.set(key, [by, [lastDay, day].toSorted().at(-1) ?? day]);
      return by === id;
    },
    toldShares: async (domain) =>
      new Set([...shares].filter(([of]) => of === domain).map(([, share]) => share)),
    noteShare: async (domain, day, policyType) => {
      shares.push([domain, `${day}#${policyType}`]);
    },
    read: async (id) => receipts.get(id),
    async *receivedOn(day) {
      const found = [...receipts.values()]
        .filter(({ receivedAtMs }) => new Date(receivedAtMs).toISOString().startsWith(day))
        .sort((a, b) => a.receivedAtMs - b.receivedAtMs);
      if (found.length > 0) {
        yield found;
      }
    },
    async *sumsOf(domain, from, to) {
      const found = [...sums.values()]
        .filter((each) => each.domain === domain && each.day >= from && each.day <= to)
        .sort((a, b) => (a.day < b.day ? -1 : 1));
      if (found.length > 0) {
        yield found;
      }
    },
  };
}
