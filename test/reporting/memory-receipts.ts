/** Receipts and sums in memory. */
import type {
  Receipt,
  ReceiptReader,
  ReceiptStore,
} from '../../functions/reporting/receive-ports.ts';
import type { ReportSums } from '../../functions/reporting/report-sums.ts';

export interface MemoryReceipts extends ReceiptStore, ReceiptReader {
  readonly receipts: Map<string, Receipt>;
  readonly sums: Map<string, ReportSums>;
}

export function createMemoryReceipts(): MemoryReceipts {
  const receipts = new Map<string, Receipt>();
  const sums = new Map<string, ReportSums>();
  const noted = new Set<string>();
  return {
    receipts,
    sums,
    keep: async (receipt) => {
      const found = receipts.get(receipt.id);
      if (found !== undefined) {
        return found.rawKey === receipt.rawKey ? 'again' : 'duplicate';
      }
      receipts.set(receipt.id, receipt);
      return 'kept';
    },
    writeSums: async (more) => {
      for (const each of more) {
        sums.set(`${each.domain} ${each.day} ${each.reporter} ${each.id}`, each);
      }
    },
    noteFailure: async (domain, resultType) => {
      const isNew = !noted.has(`${domain} ${resultType}`);
      noted.add(`${domain} ${resultType}`);
      return isNew;
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
