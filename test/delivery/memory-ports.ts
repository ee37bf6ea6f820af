/**
 * The delivery room's stores in memory, under the same contract suites as those on AWS (test/delivery/contracts), and
 * a switch for what can go wrong with them.
 *
 * Every value goes in and out as JSON, as it does on AWS: nothing is shared with the caller by reference.
 */
import { withIdentity } from '../../functions/adapters/aws/mail-queue.ts';
import type { MessageTable } from '../../functions/adapters/aws/message-table.ts';
import type { BackoffStore, ContentStore, MailQueue } from '../../functions/delivery/ports.ts';
import type { BackoffList } from '../../functions/delivery/requeue-ports.ts';
import type { AdvanceNote } from '../../functions/delivery/stored-delivery.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import { decodeBase64 } from '../../functions/protocol/base64.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { QueueMessage } from '../../functions/submission/queue-message.ts';
import { type Boundaries, copy, createBoundaries, type Run } from './boundaries.ts';
import { createMemoryMessages, type MemoryRow } from './memory-messages.ts';
import { createMemoryBackoffs, createMemoryRetries, type MemoryRetries } from './memory-retries.ts';
import { mailBucket } from './port-fixtures.ts';

export interface MemoryPorts extends Omit<Boundaries, 'run'>, MemoryRetries {
  readonly messages: MessageTable;
  readonly backoffs: BackoffStore & BackoffList;
  readonly queue: MailQueue;
  readonly contents: ContentStore;
  /** Prepared, but for notifications. */
  readonly sent: readonly QueueMessage[];
  readonly deadLetters: readonly { readonly body: string; readonly reason: string }[];
  readonly hidden: readonly { readonly receiptHandle: string; readonly seconds: number }[];
  readonly whyHistory: readonly WhyRecord[];
  /** Of the message store, by `id#domain`. */
  readonly messageRows: Map<string, MemoryRow>;
  readonly advance: Map<string, AdvanceNote>;
}

/** @param now The clock of whoever puts something off; default: one that stands still at the beginning of time. */
export function createMemoryPorts(now: () => number = () => 0): MemoryPorts {
  const { run, calls, fail, intercept } = createBoundaries();
  const { messages, whyHistory, rows: messageRows, advance } = createMemoryMessages(run);
  const sent: QueueMessage[] = [];
  const deadLetters: { readonly body: string; readonly reason: string }[] = [];
  const hidden: { readonly receiptHandle: string; readonly seconds: number }[] = [];
  return {
    messages,
    ...createMemoryRetries(run, now),
    backoffs: createMemoryBackoffs(run),
    queue: {
      enqueue: (messages) => run('enqueue', () => void sent.push(...copy(messages))),
      deadLetter: (body, reason, identity) =>
        run('deadLetter', () => {
          deadLetters.push({ body: withIdentity(body, identity), reason });
        }),
      hideUntil: (receiptHandle, untilMs, nowMs) =>
        run('hideUntil', () => {
          const seconds = Math.max(1, Math.ceil((untilMs - nowMs) / 1_000));
          hidden.push({ receiptHandle, seconds });
        }),
    },
    contents: createMemoryContents(run),
    calls,
    sent,
    deadLetters,
    hidden,
    whyHistory,
    messageRows,
    advance,
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
          const content = decodeBase64(reference.data);
          if (content === undefined) {
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
    remove: (reference) =>
      run('remove', () => {
        if ('bucket' in reference && reference.bucket === mailBucket) {
          const isKept = reference.key.startsWith('content/');
          objects.delete(isKept ? reference.key : '');
        }
      }),
  };
}
