import { describe } from 'vitest';
import { createBoundaries } from '../delivery/boundaries.ts';
import { createMemoryMessages } from '../delivery/memory-messages.ts';
import { advanceContract } from './contracts/in-advance.ts';
import { type ControlUnderTest, messageControlContract } from './contracts/message-control.ts';
import { createMemoryControl, createMemoryWaiting } from './memory-control.ts';

async function makeTable(): Promise<ControlUnderTest> {
  const { run } = createBoundaries();
  const { messages, rows, advance, whyHistory } = createMemoryMessages(run);
  const stored = { rows, advance, whyHistory, wholes: new Map(), actions: [] };
  return {
    messages,
    control: createMemoryControl(run, stored),
    waiting: createMemoryWaiting(stored),
  };
}

describe('the message table in memory, as operators change it', () => {
  messageControlContract(makeTable);
});

describe('the message table in memory, of deliveries that only the queue knows', () => {
  advanceContract(makeTable);
});
