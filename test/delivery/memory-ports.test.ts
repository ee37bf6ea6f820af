import { describe, expect, test } from 'vitest';
import { backoffStoreContract } from './contracts/backoff-store.ts';
import { contentStoreContract } from './contracts/content-store.ts';
import { mailQueueContract } from './contracts/mail-queue.ts';
import { messageStoreContract } from './contracts/message-store.ts';
import { retryReaderContract } from './contracts/retry-reader.ts';
import { retryStoreContract } from './contracts/retry-store.ts';
import { createMemoryPorts } from './memory-ports.ts';
import { claimRequest, noonMs } from './port-fixtures.ts';

describe('the message store in memory', () => {
  messageStoreContract(async () => createMemoryPorts().messages);
});

describe('the retry store in memory', () => {
  retryStoreContract(async () => {
    const { retries, retryEntries } = createMemoryPorts();
    return { store: retries, entries: async () => retryEntries() };
  });
});

describe('the reader of retries in memory', () => {
  retryReaderContract(async () => {
    const { retries, reader } = createMemoryPorts(() => noonMs);
    return { store: retries, reader };
  });
});

describe('the store of back-offs in memory', () => {
  backoffStoreContract(async () => createMemoryPorts().backoffs);
});

describe('the mail queue in memory', () => {
  mailQueueContract(async () => {
    const { queue, sent, deadLetters } = createMemoryPorts();
    return { queue, sent: async () => sent, deadLetters: async () => deadLetters };
  });
});

describe('the content store in memory', () => {
  contentStoreContract(async () => createMemoryPorts().contents);
});

describe('faults', () => {
  test('before: nothing is written', async () => {
    const { messages, fail } = createMemoryPorts();
    fail('claim', 'before');
    await expect(messages.claim(claimRequest())).rejects.toMatchObject({
      code: 'store-unavailable',
    });
    expect(await messages.claim(claimRequest())).toMatchObject({ kind: 'claimed' });
  });

  test('after: all is written, and nobody is told', async () => {
    const { messages, fail, calls } = createMemoryPorts();
    fail('claim', 'after');
    await expect(messages.claim(claimRequest())).rejects.toMatchObject({
      code: 'store-unavailable',
    });
    expect(await messages.claim(claimRequest())).toMatchObject({ kind: 'leased' });
    expect(calls).toEqual(['claim', 'claim']);
  });

  test('an interceptor sees each boundary and may end the process there', async () => {
    const { contents, intercept } = createMemoryPorts();
    const seen: string[] = [];
    intercept(({ operation, phase, index }) => {
      seen.push(`${index} ${phase} ${operation}`);
      if (phase === 'after') {
        throw new Error('killed');
      }
    });
    await expect(contents.keep('m-1', new Uint8Array(1))).rejects.toThrow('killed');
    expect(seen).toEqual(['0 before keep', '1 after keep']);
  });
});
