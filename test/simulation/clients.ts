/** Clients that hand a message in over HTTP under a key, and try again until they hear what became of it. */
import { createContentBucket } from '../../functions/adapters/aws/content-bucket.ts';
import { createRecordSender } from '../../functions/adapters/aws/mail-queue.ts';
import { createSharedContents } from '../../functions/adapters/aws/shared-contents.ts';
import { createWholeMessages } from '../../functions/adapters/aws/whole-messages.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { readJsonSubmission } from '../../functions/submission/read-json-submission.ts';
import { uploadPrefix } from '../../functions/submission/submission.ts';
import { type SubmitContext, submitMessage } from '../../functions/submission/submit-message.ts';
import { createClients, deliveryQueueUrl } from './aws.ts';
import type { Books } from './books.ts';
import type { VirtualClock } from './clock.ts';
import { bucket, createControlsReader, createSigner, type Installation } from './functions.ts';
import { contentOf, type MessageSpec, recordOf } from './messages.ts';
import { createProcess, type SimulatedProcess } from './process.ts';

type Answer =
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'refused' | 'interrupted' }
  | { readonly kind: 'later' };

export interface Clientele {
  readonly installation: Installation;
  readonly clock: VirtualClock;
  readonly books: Pick<Books, 'handedIn' | 'violate'>;
  /** How many requests go wrong: the function dies, the client hangs up, or does not hear the answer. */
  readonly mishaps: number;
}

const triesMax = 9;

/** API Gateway waits no longer. */
const gatewayMs = 30_000;

/** Of the function that takes submissions. */
const functionMs = 60_000;

/** Hands a message in. `key`: of the field Idempotency-Key, the same at every try. */
export async function handIn(spec: MessageSpec, key: string, clientele: Clientele): Promise<void> {
  const { installation, clock, books, mishaps } = clientele;
  const { chance, cloud } = installation;
  const upload = String(spec.number).padStart(32, '0');
  if (spec.stored) {
    cloud.bucket.put(`${uploadPrefix}${upload}`, Buffer.from(contentOf(spec)));
  }
  const request = { body: JSON.parse(recordOf(spec, { upload })), key };
  const patience = chance.happens(mishaps / 2) ? 1 : triesMax;
  let acceptedAs: string | undefined;
  for (let count = 1; count <= patience; count += 1) {
    const isPromised = acceptedAs !== undefined;
    const answer = await ask(request, clientele, (id) => {
      if (acceptedAs !== undefined && acceptedAs !== id) {
        books.violate(`key ${key} made two messages: ${acceptedAs} and ${id}`);
      }
      acceptedAs = id;
    });
    if (answer.kind !== 'later') {
      if (isPromised && answer.kind !== 'accepted') {
        books.violate(`key ${key}: ${answer.kind}, after it had been accepted as ${acceptedAs}`);
      }
      books.handedIn(spec, answer.kind);
      return;
    }
    await clock.sleep(chance.between(500, 1_000) * 3 ** (count - 1));
  }
  books.handedIn(spec, 'unanswered');
}

interface ClientRequest {
  readonly body: unknown;
  readonly key: string;
}

/** One request. `accepted` is told of every acceptance, heard or not. */
function ask(
  request: ClientRequest,
  { installation, clock, mishaps }: Clientele,
  accepted: (id: string) => void,
): Promise<Answer> {
  const { chance } = installation;
  const process = createProcess({ clock, chance });
  if (chance.happens(mishaps)) {
    process.dieAfter(chance.between(1, 16));
  }
  const isUnheard = chance.happens(mishaps / 2);
  const patienceMs = chance.happens(mishaps) ? chance.below(400) : gatewayMs;
  return new Promise((resolve) => {
    const callOffPatience = clock.at(clock.now() + patienceMs, () => resolve({ kind: 'later' }));
    const callOffTimeout = clock.at(clock.now() + functionMs, process.die);
    void serve(request, installation, process).then((answer) => {
      if (answer.kind === 'accepted') {
        accepted(answer.id);
      }
      callOffPatience();
      callOffTimeout();
      resolve(isUnheard ? { kind: 'later' } : answer);
    });
  });
}

/** One run of the function, from the body of the request to what its answer comes to. */
async function serve(
  { body, key: askedFor }: ClientRequest,
  installation: Installation,
  process: SimulatedProcess,
): Promise<Answer> {
  const made = createContext(installation, process);
  const context = installation.spoil.submission?.(made) ?? made;
  const read = readJsonSubmission(body, { bucket, nowMs: context.now() });
  if ('problem' in read) {
    return { kind: 'refused' };
  }
  const key = installation.spoil.key?.(askedFor) ?? askedFor;
  try {
    const { submission } = read;
    const result = await submitMessage({ submission, principal: 'a client', key }, context);
    if ('problem' in result) {
      const isBegun = result.problem.code === 'submission-interrupted';
      return { kind: isBegun ? 'interrupted' : 'refused' };
    }
    return { kind: 'accepted', id: result.whole.id };
  } catch (error) {
    if (error instanceof TransportSecurityError && error.code !== 'store-unavailable') {
      return { kind: 'refused' };
    }
    installation.observe({ kind: 'fault', error });
    return { kind: 'later' };
  }
}

function createContext(installation: Installation, process: SimulatedProcess): SubmitContext {
  const { cloud, weather, settings } = installation;
  const { expiryDays, historyDays } = settings;
  const { now } = process;
  const { dynamoDb: client, s3, sqs } = createClients(cloud, process, weather);
  const messageTable = { client, tableName: 'messages', historyDays };
  const contents = createContentBucket({ client: s3, bucket });
  let count = 0;
  return {
    accept: {
      settings,
      ports: {
        now,
        readControls: createControlsReader(client, process, installation),
        signContent: createSigner(installation),
        contents,
        shareContent: createSharedContents({ ...messageTable, now }).shareContent,
      },
    },
    bucket,
    expiryDays,
    historyDays,
    now,
    newId: () => `id-${process.id}-${++count}`,
    wholes: createWholeMessages(messageTable),
    enqueue: createRecordSender({ client: sqs, queueUrl: deliveryQueueUrl, contents }),
  };
}
