/** The dead-letter queue on SQS, as operators see it. */
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { DeadLetter, DeadLetterQueue } from '../../operating/ports.ts';
import { reasonAttribute } from './mail-queue.ts';
import { orUnavailable } from './store-failure.ts';

/** SQS: messages of one call. */
const batchMax = 10;

export interface DeadLettersOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  /** How long a call asks all servers of the queue; default 1. */
  readonly waitSeconds?: number;
}

/** Standard queues keep no order: which records are handed out is SQS's to choose. */
export function createDeadLetters(options: DeadLettersOptions): DeadLetterQueue {
  const { client, queueUrl } = options;
  return {
    receive: (limit, hideSeconds) => receive(options, limit, hideSeconds),
    putBack: async (letters) => {
      for (let at = 0; at < letters.length; at += batchMax) {
        const entries = letters.slice(at, at + batchMax).map(({ receiptHandle }, index) => ({
          Id: String(index),
          ReceiptHandle: receiptHandle,
          VisibilityTimeout: 0,
        }));
        // What SQS refuses of it is shown again when its time is over.
        await orUnavailable(`ChangeMessageVisibilityBatch on ${queueUrl}`, () =>
          client.send(
            new ChangeMessageVisibilityBatchCommand({ QueueUrl: queueUrl, Entries: entries }),
          ),
        );
      }
    },
    remove: async ({ receiptHandle }) => {
      await orUnavailable(`DeleteMessage on ${queueUrl}`, () =>
        client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: receiptHandle })),
      );
    },
  };
}

async function receive(
  { client, queueUrl, waitSeconds = 1 }: DeadLettersOptions,
  limit: number,
  hideSeconds: number,
): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = [];
  while (letters.length < limit) {
    const { Messages = [] } = await orUnavailable(`ReceiveMessage on ${queueUrl}`, () =>
      client.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: Math.min(batchMax, limit - letters.length),
          VisibilityTimeout: hideSeconds,
          WaitTimeSeconds: waitSeconds,
          MessageSystemAttributeNames: ['SentTimestamp'],
          MessageAttributeNames: [reasonAttribute],
        }),
      ),
    );
    if (Messages.length === 0) {
      break;
    }
    letters.push(...Messages.map(readLetter));
  }
  return letters;
}

function readLetter(message: Message): DeadLetter {
  const { MessageId = '', ReceiptHandle = '', Body = '' } = message;
  const reason = message.MessageAttributes?.[reasonAttribute]?.StringValue;
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    sentAtMs: Number(message.Attributes?.SentTimestamp ?? 0),
    ...(reason !== undefined && { reason }),
  };
}
