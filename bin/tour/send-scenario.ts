/** Sends a scenario's messages through the local cloud as any user of the queue would, and waits for what comes of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import {
  createMessageTable,
  type MessageTable,
} from '../../functions/adapters/aws/message-table.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import type { LocalCloud } from '../local/cloud.ts';
import {
  compareScenario,
  forgetScenario,
  observeMx,
  readWhyRecords,
  type Scenario,
  type ScenarioMessage,
} from '../world/scenario.ts';
import type { World } from '../world/world.ts';
import { summarizeOutcomes, type TourRow } from './table.ts';

/** How long a message may be under way before the tour goes on without it. */
const patienceMs = 60_000;
const pollMs = 50;

/** The way into the local cloud. */
export interface Sender {
  /** Enqueues messages in one call and resolves to the `why` record of each, in their order. */
  send(name: string, messages: readonly ScenarioMessage[]): Promise<WhyRecord[]>;
}

/** Makes a sender that reaches the cloud by the AWS SDK, as programs on AWS do. */
export function createSender(cloud: LocalCloud): Sender {
  const common = {
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  };
  const sqs = new SQSClient({
    ...common,
    endpoint: cloud.endpoints.sqs,
    useQueueUrlAsEndpoint: false,
  });
  const table = createMessageTable({
    client: new DynamoDBClient({ ...common, endpoint: cloud.endpoints.dynamodb }),
    tableName: cloud.physicalId('MessageTable'),
  });
  let serial = 0;
  return {
    send: async (name, messages) => {
      const identified = messages.map((message) => {
        serial += 1;
        return { id: `${name}-${serial}`, ...message };
      });
      await sqs.send(
        new SendMessageBatchCommand({
          QueueUrl: cloud.physicalId('DeliveryQueue'),
          Entries: identified.map((message) => ({
            Id: message.id,
            MessageBody: JSON.stringify(message),
          })),
        }),
      );
      return Promise.all(identified.map((message) => awaitWhy(table, message)));
    },
  };
}

/** The `why` record of a message to one domain, once its attempt is settled. */
async function awaitWhy(
  table: MessageTable,
  { id, rcptTo }: ScenarioMessage & { readonly id: string },
): Promise<WhyRecord> {
  const address = rcptTo[0]?.address ?? '';
  const domain = address.slice(address.lastIndexOf('@') + 1);
  const givenUpAtMs = Date.now() + patienceMs;
  while (Date.now() < givenUpAtMs) {
    const row = await table.readDelivery(id, domain);
    if (row !== undefined && row.state !== 'attempting' && row.why !== undefined) {
      return row.why;
    }
    await sleep(pollMs);
  }
  throw new Error(`nothing became of message ${id} within ${patienceMs / 1000} s`);
}

/** Plays a scenario and compares what happened with what must. Never rejects. */
export async function playScenario(
  scenario: Scenario,
  { world, sender }: { readonly world: World; readonly sender: Sender },
): Promise<TourRow> {
  const { name, expected } = scenario;
  const row = { scenario: name, expected: summarizeOutcomes(expected.recipients) };
  try {
    for (const step of scenario.prelude) {
      await (step.kind === 'send' ? sender.send(name, [step.message]) : world.change(step.change));
    }
    forgetScenario(world, scenario);
    const whys = await sender.send(name, scenario.messages);
    const observed = { ...readWhyRecords(whys), mx: observeMx(world, scenario) };
    return {
      ...row,
      happened: summarizeOutcomes(observed.recipients),
      why: describeWhys(whys),
      differences: compareScenario(expected, observed).differences,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...row, happened: 'nothing', why: '', differences: [reason] };
  }
}

/** The row of the channel table that decided, what was in the way, and the verdict. */
function describeWhys(whys: readonly WhyRecord[]): string {
  const [first] = whys;
  if (first === undefined) {
    return '';
  }
  const { row, code, reason } = first.decision;
  const noted = first.hosts.flatMap(({ tries, skipped }) => [
    ...(skipped === undefined ? [] : [skipped.code]),
    ...tries.flatMap(({ noted: note }) => (note === undefined ? [] : [note.code])),
  ]);
  const aside =
    code === undefined && noted.length > 0 ? ` (${[...new Set(noted)].join(', ')})` : '';
  return `${row}${aside}: ${code === undefined ? '' : `${code}, `}${reason}`;
}
