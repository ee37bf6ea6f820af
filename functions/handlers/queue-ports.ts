/** What acting on the queue reaches for on AWS; the same for the API and for the command line. */
import { randomUUID } from 'node:crypto';
import { dynamoDbClient, s3Client, sqsClient } from '../adapters/aws/aws-clients.ts';
import { createBackoffTable } from '../adapters/aws/backoff-table.ts';
import { createContentBucket } from '../adapters/aws/content-bucket.ts';
import { createControlTable } from '../adapters/aws/control-table.ts';
import { createDeadLetters } from '../adapters/aws/dead-letters.ts';
import { createMailQueue } from '../adapters/aws/mail-queue.ts';
import { createMessageControl } from '../adapters/aws/message-control.ts';
import { createMessageTable } from '../adapters/aws/message-table.ts';
import { createRetryTable } from '../adapters/aws/retry-table.ts';
import { createWaitingIndex } from '../adapters/aws/waiting-index.ts';
import type { DeliverySettings } from '../environment.ts';
import type { DeadLetterContext } from '../operating/dead-letters.ts';
import type { QueuePorts } from '../operating/ports.ts';
import { createReadControls } from '../submission/read-controls.ts';

/** Where an installation's mail is. */
export interface QueuePlaces {
  readonly messageTable: string;
  readonly retryTable: string;
  readonly controlTable: string;
  readonly messageBucket: string;
  readonly deliveryQueueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly delivery: DeliverySettings;
}

/** Creates what actions on the queue and on dead letters need; `observe` is told what happens on the way. */
export function createQueueContext(
  places: QueuePlaces,
  observe: QueuePorts['observe'],
): DeadLetterContext {
  const now = Date.now;
  const { delivery: settings, deadLetterQueueUrl: queueUrl } = places;
  return {
    settings,
    ports: createQueuePorts(places, { now, observe }),
    deadLetters: createDeadLetters({ client: sqsClient(), queueUrl }),
    readControls: createReadControls({
      store: createControlTable({ client: dynamoDbClient(), tableName: places.controlTable }),
      now,
      observe: (error) => observe({ kind: 'fault', error }),
    }),
  };
}

function createQueuePorts(
  places: QueuePlaces,
  { now, observe }: Pick<QueuePorts, 'now' | 'observe'>,
): QueuePorts {
  const client = dynamoDbClient();
  const { historyDays } = places.delivery;
  const messageTable = { client, tableName: places.messageTable, historyDays };
  const retryTable = { client, tableName: places.retryTable };
  const contents = createContentBucket({ client: s3Client(), bucket: places.messageBucket });
  return {
    now,
    newToken: randomUUID,
    waiting: createWaitingIndex(messageTable),
    control: createMessageControl(messageTable),
    messages: createMessageTable(messageTable),
    retries: createRetryTable({ ...retryTable, now }),
    backoffs: createBackoffTable(retryTable),
    contents,
    queue: createMailQueue({
      client: sqsClient(),
      queueUrl: places.deliveryQueueUrl,
      deadLetterQueueUrl: places.deadLetterQueueUrl,
      contents,
    }),
    observe,
  };
}
