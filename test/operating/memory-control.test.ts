import { describe } from 'vitest';
import { createBoundaries } from '../delivery/boundaries.ts';
import { createMemoryMessages } from '../delivery/memory-messages.ts';
import { messageControlContract } from './contracts/message-control.ts';
import { createMemoryControl, createMemoryWaiting } from './memory-control.ts';

describe('the message table in memory, as operators change it', () => {
  messageControlContract(async () => {
    const { run } = createBoundaries();
    const { messages, rows, whyHistory } = createMemoryMessages(run);
    const stored = { rows, whyHistory, wholes: new Map(), actions: [] };
    return {
      messages,
      control: createMemoryControl(run, stored),
      waiting: createMemoryWaiting(stored),
    };
  });
});
