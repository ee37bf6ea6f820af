/**
 * SES v2 on this machine: `SendEmail` only, which keeps the raw bytes and the envelope and sends nothing.
 *
 * Unlike SES it leaves Date and Message-ID of a raw message alone and adds no signature of its own.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { type Listening, listenOnLoopback, readBody } from './loopback.ts';

/** A message that was handed to SES. */
export interface SesMessage {
  readonly messageId: string;
  /** `FromEmailAddress`; absent where the raw message's own From is to be used. */
  readonly from?: string | undefined;
  /** To, Cc and Bcc of the request; empty where the raw message's own fields are to be used. */
  readonly recipients: readonly string[];
  /** The raw message, byte for byte; absent for a simple or templated one. */
  readonly raw?: Buffer | undefined;
  /** The whole request: tags, configuration set, simple content. */
  readonly request: Readonly<Record<string, unknown>>;
}

/** The SES v2 endpoint. */
export interface Ses extends Listening {
  readonly messages: readonly SesMessage[];
}

/** SES accepts 40 MB after encoding; the request holds it in base64 once more. */
const rawBytesMax = 40 * 1024 * 1024;
const requestBytesMax = Math.ceil((rawBytesMax * 4) / 3) + 64 * 1024;

const addresses = z.array(z.string()).default([]);

const sendEmailSchema = z.looseObject({
  FromEmailAddress: z.string().optional(),
  Destination: z
    .object({ ToAddresses: addresses, CcAddresses: addresses, BccAddresses: addresses })
    .optional(),
  Content: z.looseObject({ Raw: z.object({ Data: z.base64() }).optional() }),
});

/** Starts an SES that has sent nothing yet. */
export async function startSes(): Promise<Ses> {
  const messages: SesMessage[] = [];
  const server = createServer((request, response) => {
    answerSes(request, messages).then(
      (answer) => sendJson(response, answer),
      (error: unknown) => sendJson(response, failure(500, 'InternalServiceError', String(error))),
    );
  });
  return { ...(await listenOnLoopback(server)), messages };
}

interface JsonAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly errorType?: string;
}

async function answerSes(request: IncomingMessage, messages: SesMessage[]): Promise<JsonAnswer> {
  const body = await readBody(request, requestBytesMax);
  if (request.method !== 'POST' || request.url !== '/v2/email/outbound-emails') {
    return failure(
      404,
      'NotFoundException',
      `the local cloud does not know ${request.method} ${request.url}`,
    );
  }
  const parsed = sendEmailSchema.safeParse(body === undefined ? undefined : parseJson(body));
  if (!parsed.success) {
    return failure(400, 'BadRequestException', z.prettifyError(parsed.error));
  }
  const { FromEmailAddress, Destination, Content } = parsed.data;
  const raw = Content.Raw === undefined ? undefined : Buffer.from(Content.Raw.Data, 'base64');
  if (raw !== undefined && raw.length > rawBytesMax) {
    return failure(400, 'MessageRejected', `a message has at most ${rawBytesMax} bytes`);
  }
  const messageId = `0100${randomUUID().replaceAll('-', '')}-000000`;
  messages.push({
    messageId,
    from: FromEmailAddress,
    recipients: Object.values(Destination ?? {}).flat(),
    raw,
    request: parsed.data,
  });
  return { status: 200, body: { MessageId: messageId } };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    // undefined fails the schema, which answers as SES does to a malformed request.
    return undefined;
  }
}

function failure(status: number, errorType: string, message: string): JsonAnswer {
  return { status, body: { message }, errorType };
}

function sendJson(response: ServerResponse, { status, body, errorType }: JsonAnswer): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(errorType === undefined ? {} : { 'x-amzn-errortype': errorType }),
  });
  response.end(JSON.stringify(body));
}
