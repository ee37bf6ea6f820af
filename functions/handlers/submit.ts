/**
 * The submission API: messages are handed in, looked up, and uploaded where they are too large for a request.
 *
 * Whoever may call it by IAM sees every message of the account; whoever comes with a token sees his own.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  dynamoDbClient,
  s3Client,
  sqsClient,
  uploadSigningClient,
} from '../adapters/aws/aws-clients.ts';
import { createContentBucket } from '../adapters/aws/content-bucket.ts';
import { createControlTable } from '../adapters/aws/control-table.ts';
import { createRecordSender } from '../adapters/aws/mail-queue.ts';
import { createMessageControl } from '../adapters/aws/message-control.ts';
import { createSharedContents } from '../adapters/aws/shared-contents.ts';
import { createUploads } from '../adapters/aws/uploads.ts';
import { createWholeMessages } from '../adapters/aws/whole-messages.ts';
import type { SubmitEnvironment } from '../environment.ts';
import type { MessageControl } from '../operating/ports.ts';
import { fieldProblem, type Problem } from '../protocol/problem.ts';
import { type OpenUpload, readUploadRequest } from '../submission/open-upload.ts';
import { createReadControls } from '../submission/read-controls.ts';
import { type ReadSubmission, readJsonSubmission } from '../submission/read-json-submission.ts';
import { parametersBesideJson, readRawSubmission } from '../submission/read-raw-submission.ts';
import { showSubmission } from '../submission/show-submission.ts';
import { type SubmitContext, submitMessage } from '../submission/submit-message.ts';
import type { WholeMessage } from '../submission/whole-message.ts';
import { createAcceptPorts } from './accept-ports.ts';
import {
  answerHttpFault,
  type HttpAnswer,
  jsonAnswer,
  problemAnswer,
  type Route,
  routesHandler,
} from './http-answer.ts';
import { bodyOf, callerOf, type HttpEvent, mediaTypeOf, readJsonBody } from './http-request.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readSubmitEnvironment } from './read-environment.ts';

/** What stays the same from request to request. */
export interface SubmitParts {
  readonly context: SubmitContext;
  readonly control: Pick<MessageControl, 'readMessage'>;
  readonly openUpload: OpenUpload;
  /** 32 chars of base64url that nobody guesses. */
  readonly newUploadId: () => string;
}

/** By `event.routeKey`. Each needs an authorizer. */
export function submitRoutes(parts: SubmitParts): Readonly<Record<string, Route>> {
  return {
    'POST /v1/messages': (event) => submit(event, parts.context),
    'GET /v1/messages/{id}': (event) => show(event, parts),
    'POST /v1/uploads': (event) => upload(event, parts),
  };
}

async function submit(event: HttpEvent, context: SubmitContext): Promise<HttpAnswer> {
  const key = readKey(event);
  if ('problem' in key) {
    return problemAnswer(key.problem);
  }
  const read = readSubmission(event, { bucket: context.bucket, nowMs: context.now() });
  if ('problem' in read) {
    return problemAnswer(read.problem);
  }
  const { principal } = callerOf(event);
  const result = await submitMessage({ submission: read.submission, principal, ...key }, context);
  if ('problem' in result) {
    return problemAnswer(result.problem);
  }
  // Under whatever prefix the API is served.
  const url = `${event.rawPath}/${result.whole.id}`;
  return jsonAnswer(202, describeAccepted(result.whole, url), { location: url });
}

/** The key as a string of structured fields (RFC 9651 §3.3.3), or bare; the two are the same key. */
function readKey(event: HttpEvent): { readonly key?: string } | { readonly problem: Problem } {
  const field = 'Idempotency-Key';
  // An empty one is no key either, but whoever sends it thinks that he may ask again.
  const value = event.headers['idempotency-key'];
  if (value === undefined) {
    return {};
  }
  const [, quoted, bare] =
    /^(?:"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255}))$/.exec(
      value,
    ) ?? [];
  const key = quoted ?? bare;
  return key === undefined
    ? {
        problem: fieldProblem([{ field, fault: 'not one key: use 1 to 255 printable chars' }], 400),
      }
    : { key };
}

function readSubmission(
  event: HttpEvent,
  place: Parameters<typeof readJsonSubmission>[1],
): ReadSubmission {
  const mediaType = mediaTypeOf(event);
  const { headers, rawQueryString: query } = event;
  if (mediaType === 'message/rfc822' || mediaType === 'message/global') {
    return readRawSubmission({ octets: bodyOf(event), query, headers }, place);
  }
  if (mediaType !== 'application/json') {
    const fault = 'use application/json, or message/rfc822';
    const problem = fieldProblem([{ field: 'Content-Type', fault }]);
    return { problem: { ...problem, status: 415, code: 'media-type' } };
  }
  const beside = parametersBesideJson({ query, headers });
  if (beside !== undefined) {
    return { problem: beside };
  }
  const body = readJsonBody(event);
  return 'problem' in body ? body : readJsonSubmission(body.value, place);
}

function describeAccepted(whole: WholeMessage, url: string): object {
  const { id, submittedAt, expiresAt, parts } = whole;
  return {
    id,
    url,
    submittedAt,
    expiresAt,
    recipients: parts.flatMap(({ id: partId, domain, demand, demandReason, recipients }) =>
      recipients.map((address) => ({
        address,
        state: 'queued',
        demand,
        demandReason,
        delivery: { id: partId, domain },
      })),
    ),
  };
}

async function show(event: HttpEvent, { control }: SubmitParts): Promise<HttpAnswer> {
  const { kind, principal } = callerOf(event);
  const id = event.pathParameters?.['id'] ?? '';
  const isId = /^[A-Za-z0-9_-]{1,128}$/.test(id);
  const view = isId
    ? await showSubmission(id, { control, ...(kind === 'jwt' && { owner: principal }) })
    : undefined;
  return view === undefined
    ? problemAnswer({
        status: 404,
        code: 'message-unknown',
        detail:
          'There is no such message that you may see: it was never submitted, it came by SQS and was not begun with yet, or its days of history are over.',
      })
    : jsonAnswer(200, view);
}

async function upload(event: HttpEvent, parts: SubmitParts): Promise<HttpAnswer> {
  const body = readJsonBody(event);
  if ('problem' in body) {
    return problemAnswer(body.problem);
  }
  const id = parts.newUploadId();
  const read = readUploadRequest(body.value, id);
  if ('problem' in read) {
    return problemAnswer(read.problem);
  }
  const { url, headers, expiresInSeconds } = await parts.openUpload(read.request);
  return jsonAnswer(201, {
    upload: id,
    method: 'PUT',
    url,
    headers,
    expiresAt: new Date(parts.context.now() + expiresInSeconds * 1_000).toISOString(),
  });
}

export const handler: LambdaHandler<HttpEvent, HttpAnswer> = instrumentHandler<
  HttpEvent,
  HttpAnswer
>(
  'submit',
  (instruments) => {
    const parts = createParts(readSubmitEnvironment(process.env), instruments);
    return routesHandler(submitRoutes(parts), instruments);
  },
  { answerFault: answerHttpFault },
);

function createParts(environment: SubmitEnvironment, { logger }: Instruments): SubmitParts {
  const settings = environment.SEALPOST_DELIVERY;
  const { expiryDays, historyDays } = settings;
  const bucket = environment.SEALPOST_MESSAGE_BUCKET;
  const client = dynamoDbClient();
  const messageTable = { client, tableName: environment.SEALPOST_MESSAGE_TABLE, historyDays };
  const now = Date.now;
  const contents = createContentBucket({ client: s3Client(), bucket });
  const readControls = createReadControls({
    store: createControlTable({ client, tableName: environment.SEALPOST_CONTROL_TABLE }),
    now,
    observe: (error) => logger.error('The control table failed', { error }),
  });
  const messages = createSharedContents({ ...messageTable, now });
  return {
    context: {
      accept: {
        settings,
        ports: createAcceptPorts(settings, { readControls, contents, messages, now }),
      },
      bucket,
      expiryDays,
      historyDays,
      now,
      newId: randomUUID,
      wholes: createWholeMessages(messageTable),
      enqueue: createRecordSender({
        client: sqsClient(),
        queueUrl: environment.SEALPOST_DELIVERY_QUEUE_URL,
        contents,
      }),
    },
    control: createMessageControl(messageTable),
    openUpload: createUploads({ client: uploadSigningClient(), bucket }),
    newUploadId: () => randomBytes(24).toString('base64url'),
  };
}
