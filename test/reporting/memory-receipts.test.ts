import { testReceiptStore } from './contracts/receipt-store.ts';
import { createMemoryReceipts } from './memory-receipts.ts';

testReceiptStore(async () => createMemoryReceipts());
