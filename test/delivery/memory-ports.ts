/**
 * The delivery room's stores in memory, under the same contract suites as those on AWS (test/delivery/contracts), and
 * a switch for what can go wrong with them.
 *
 * Every value goes in and out as JSON, as it does on AWS: nothing is shared with the caller by reference.
 */
import type { MessageTable } from '../../functions/adapters/aws/message-table.ts';
import type { ContentStore, MailQueue, RetryStore } from '../../functions/delivery/ports.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { PreparedMessage } from '../../functions/submission/queue-message.ts';
import { type Boundaries, copy, createBoundaries, type Run } from './boundaries.ts';
import { assertKept, createMemoryMessages } from './memory-messages.ts';
import { mailBucket } from './port-fixtures.ts';

export interface MemoryPorts extends Omit<Boundaries, 'run'> {
  readonly messages: MessageTable;
  readonly retries: RetryStore;
  readonly queue: MailQueue;
  readonly contents: ContentStore;
  readonly retryEntries: () => readonly {
    readonly message: PreparedMessage;
    readonly dueAtMs: number;
  }[];
  readonly sent: readonly PreparedMessage[];
  readonly deadLetters: readonly { readonly body: string; readonly reason: string }[];
  readonly hidden: readonly { readonly receiptHandle: string; readonly seconds: number }[];
  readonly whyHistory: readonly WhyRecord[];
}

export function createMemoryPorts(): MemoryPorts {
  const { run, calls, fail, intercept } = createBoundaries();
  const { messages, whyHistory } = createMemoryMessages(run);
  const retries = new Map<
    string,
    { readonly message: PreparedMessage; readonly dueAtMs: number }
  >();
  const sent: PreparedMessage[] = [];
  const deadLetters: { readonly body: string; readonly reason: string }[] = [];
  const hidden: { readonly receiptHandle: string; readonly seconds: number }[] = [];
  return {
    messages,
    retries: {
      put: (message, dueAtMs) =>
        run('put', () => {
          assertKept(message.content);
          const { id, prepared, attempt } = message;
          retries.set(`${id}#${prepared.domain}#${attempt}`, copy({ message, dueAtMs }));
        }),
    },
    queue: {
      enqueue: (messages) => run('enqueue', () => void sent.push(...copy(messages))),
      deadLetter: (body, reason) =>
        run('deadLetter', () => void deadLetters.push({ body, reason })),
      hideUntil: (receiptHandle, untilMs, nowMs) =>
        run('hideUntil', () => {
          const seconds = Math.max(1, Math.ceil((untilMs - nowMs) / 1_000));
          hidden.push({ receiptHandle, seconds });
        }),
    },
    contents: createMemoryContents(run),
    calls,
    retryEntries: () => [...retries.values()],
    sent,
    deadLetters,
    hidden,
    whyHistory,
    fail,
    intercept,
  };
}

function createMemoryContents(run: Run): ContentStore {
  const objects = new Map<string, Uint8Array>();
  return {
    read: (reference) =>
      run('read', () => {
        if ('data' in reference) {
          const content = Buffer.from(reference.data, 'base64');
          if (content.toString('base64') !== reference.data) {
            throw new TransportSecurityError('content-invalid', 'content.data is not base64');
          }
          return Uint8Array.from(content);
        }
        const { bucket, key } = reference;
        if (bucket !== mailBucket) {
          throw new TransportSecurityError('content-invalid', `bucket ${bucket} is not ours`);
        }
        const content = objects.get(key);
        if (content === undefined) {
          throw new TransportSecurityError(
            'content-missing',
            `no object ${key} in bucket ${bucket}`,
          );
        }
        return content;
      }),
    keep: (name, content) =>
      run('keep', () => {
        objects.set(`content/${name}`, Uint8Array.from(content));
        return { bucket: mailBucket, key: `content/${name}` };
      }),
  };
}
