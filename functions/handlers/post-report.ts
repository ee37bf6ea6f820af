/**
 * `POST /tlsrpt`: TLS reports over HTTPS (RFC 8460 §5.4), from anybody.
 *
 * What is no report about a domain of ours is refused at once, so that it takes no room; the rest is put into the bucket
 * and goes the way of those that come by mail.
 */
import { createHash } from 'node:crypto';
import { s3Client } from '../adapters/aws/aws-clients.ts';
import { putRawReport } from '../adapters/aws/received-reports.ts';
import { utcDay } from '../protocol/tlsrpt/report.ts';
import { isOwn, type OwnDomains, readPosted } from '../reporting/receive-report.ts';
import {
  answerHttpFault,
  type HttpAnswer,
  jsonAnswer,
  problemAnswer,
  type Route,
  routesHandler,
} from './http-answer.ts';
import { bodyOf, type HttpEvent } from './http-request.ts';
import { instrumentHandler, type LambdaHandler } from './middleware.ts';
import { readPostReportEnvironment } from './read-environment.ts';

export interface PostReportParts {
  readonly own: OwnDomains;
  readonly put: (key: string, octets: Uint8Array) => Promise<void>;
  readonly now: () => number;
}

/** A report of a thousand kinds of failure has a tenth of this, compressed; room that a stranger fills costs money. */
const bodyBytesMax = 1_048_576;

/** By `event.routeKey`. Without an authorizer: senders have no account here. */
export function postReportRoutes(parts: PostReportParts): Readonly<Record<string, Route>> {
  return { 'POST /tlsrpt': (event) => post(event, parts) };
}

async function post(event: HttpEvent, { own, put, now }: PostReportParts): Promise<HttpAnswer> {
  const octets = bodyOf(event);
  if (octets.length > bodyBytesMax) {
    return problemAnswer({
      status: 413,
      code: 'report-too-large',
      detail: `A report takes ${bodyBytesMax} octets here: compress it (RFC 8460 §5.2), or split it by policy.`,
    });
  }
  const read = await readPosted(octets);
  if (read.kind === 'unreadable') {
    const detail = `Not a TLS report (RFC 8460 §4.4): ${read.reason}.`;
    return problemAnswer({ status: 400, code: 'report-unreadable', detail });
  }
  if (!read.report.policies.some(({ domain }) => isOwn(domain, own))) {
    const detail = 'The report is about no domain whose reports are taken here.';
    return problemAnswer({ status: 422, code: 'report-foreign', detail });
  }
  // By its own hash: a report that is posted again is the same object.
  const hash = createHash('sha256').update(octets).digest('hex');
  await put(`received/https/${utcDay(now())}/${hash}`, octets);
  // RFC 8460 §5.4: "successful"; it may be processed later.
  return jsonAnswer(200, { accepted: true });
}

export const handler: LambdaHandler<HttpEvent, HttpAnswer> = instrumentHandler<
  HttpEvent,
  HttpAnswer
>(
  'post-report',
  (instruments) => {
    const environment = readPostReportEnvironment(process.env);
    const raw = { client: s3Client(), bucket: environment.SEALPOST_REPORT_BUCKET };
    const parts: PostReportParts = {
      own: environment.SEALPOST_REPORT_INBOX,
      put: (key, octets) => putRawReport(raw, key, octets),
      now: Date.now,
    };
    return routesHandler(postReportRoutes(parts), instruments);
  },
  { answerFault: answerHttpFault },
);
