/** What actions on an installation's queue reach for: its own tables, queues and bucket. */
import { randomUUID } from 'node:crypto';
import { dynamoDbClient, s3Client, sqsClient } from '../../functions/adapters/aws/aws-clients.ts';
import { createBackoffTable } from '../../functions/adapters/aws/backoff-table.ts';
import { createContentBucket } from '../../functions/adapters/aws/content-bucket.ts';
import { createDeadLetters } from '../../functions/adapters/aws/dead-letters.ts';
import { createMailQueue } from '../../functions/adapters/aws/mail-queue.ts';
import { createMessageControl } from '../../functions/adapters/aws/message-control.ts';
import { createMessageTable } from '../../functions/adapters/aws/message-table.ts';
import { createRetryTable } from '../../functions/adapters/aws/retry-table.ts';
import { createWaitingIndex } from '../../functions/adapters/aws/waiting-index.ts';
import type { DeadLetterContext } from '../../functions/operating/dead-letters.ts';
import { createReadControls } from '../../functions/submission/read-controls.ts';
import { controlStoreOf, type Installation } from './installation.ts';

/** Creates the context; `reportFault` is told what went wrong beside an action that was done. */
export function createQueueContext(
  installation: Installation,
  reportFault: (error: unknown) => void,
): DeadLetterContext {
  const { delivery: settings, deadLetterQueueUrl } = installation;
  const client = dynamoDbClient();
  const now = Date.now;
  const messageTable = {
    client,
    tableName: installation.messageTable,
    historyDays: settings.historyDays,
  };
  const retryTable = { client, tableName: installation.retryTable };
  const contents = createContentBucket({ client: s3Client(), bucket: installation.messageBucket });
  return {
    settings,
    ports: {
      now,
      newToken: randomUUID,
      messages: createMessageTable(messageTable),
      control: createMessageControl(messageTable),
      waiting: createWaitingIndex(messageTable),
      retries: createRetryTable({ ...retryTable, now }),
      backoffs: createBackoffTable(retryTable),
      contents,
      queue: createMailQueue({
        client: sqsClient(),
        queueUrl: installation.deliveryQueueUrl,
        deadLetterQueueUrl,
        contents,
      }),
      observe: (event) => {
        if (event.kind === 'fault') {
          reportFault(event.error);
        }
      },
    },
    deadLetters: createDeadLetters({ client: sqsClient(), queueUrl: deadLetterQueueUrl }),
    readControls: createReadControls({
      store: controlStoreOf(installation),
      now,
      observe: reportFault,
    }),
  };
}
