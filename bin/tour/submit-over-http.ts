/** Submits mail over the HTTP API, as a program on AWS would, and waits for what comes of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalCloud } from '../local/cloud.ts';
import { summarizeOutcomes, type TourRow } from './table.ts';

/** How long a message may be under way before the tour goes on without it. */
const patienceMs = 60_000;
const pollMs = 100;

/** The local cloud asks whether there is a signature, and does not verify it. */
const signature = { authorization: 'AWS4-HMAC-SHA256 Credential=local' };

const mail = [
  'From: you@sender.example',
  'Subject: submitted over HTTP',
  '',
  'Hello over HTTP.',
  '',
].join('\r\n');

/** What of an answer is looked at here. */
interface SubmissionAnswer {
  readonly id: string;
  readonly url: string;
}

interface MessageAnswer {
  readonly deliveries: readonly {
    readonly state: string;
    readonly why: readonly {
      readonly decision: { readonly row: string; readonly reason: string };
      readonly recipients: readonly { readonly outcome: string; readonly status: string }[];
    }[];
  }[];
}

/** A row for mail in the request, handed in twice under one key, and one for mail that is uploaded first. Never rejects. */
export async function submitOverHttp(cloud: LocalCloud, to: string): Promise<TourRow[]> {
  const base = cloud.url('HttpApi').replace(/\/$/, '');
  return [
    await describeRun('http-raw-mail-twice', base, async () => {
      const first = await submitRaw(base, to);
      const second = await submitRaw(base, to);
      if (second.id !== first.id) {
        throw new Error('the same mail under the same key got two ids');
      }
      return first;
    }),
    await describeRun('http-upload', base, () => submitUpload(base, to)),
  ];
}

async function describeRun(
  scenario: string,
  base: string,
  submit: () => Promise<SubmissionAnswer>,
): Promise<TourRow> {
  const row = { scenario, expected: 'delivered 2.0.0' };
  try {
    const [why] = await awaitWhy(`${base}${(await submit()).url}`);
    const happened = summarizeOutcomes(why?.recipients ?? []);
    return {
      ...row,
      happened,
      why: why === undefined ? '' : `${why.decision.row}: ${why.decision.reason}`,
      differences: happened === row.expected ? [] : [`${happened} was not expected`],
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...row, happened: 'nothing', why: '', differences: [reason] };
  }
}

/** The message itself as the body, its envelope in the query. */
function submitRaw(base: string, to: string): Promise<SubmissionAnswer> {
  const query = `from=${encodeURIComponent('you@sender.example')}&to=${encodeURIComponent(to)}`;
  return call<SubmissionAnswer>(`${base}/v1/messages?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822', 'idempotency-key': 'tour' },
    body: mail,
  });
}

/** First the message to S3, then its envelope as JSON. */
async function submitUpload(base: string, to: string): Promise<SubmissionAnswer> {
  const ticket = await postJson<{
    readonly upload: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
  }>(`${base}/v1/uploads`, { bytes: Buffer.byteLength(mail) });
  // Without a signature of one's own: the URL has it.
  const put = await fetch(ticket.url, { method: 'PUT', headers: ticket.headers, body: mail });
  if (!put.ok) {
    throw new Error(`PUT of the upload: ${put.status} ${await put.text()}`);
  }
  return postJson(`${base}/v1/messages`, {
    mailFrom: 'you@sender.example',
    rcptTo: [{ address: to }],
    content: { upload: ticket.upload },
  });
}

function postJson<T>(url: string, value: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  return call(url, { method: 'POST', headers, body: JSON.stringify(value) });
}

async function call<T>(url: string, request: RequestInit): Promise<T> {
  const headers = { ...signature, ...(request.headers as Record<string, string> | undefined) };
  const answer = await fetch(url, { ...request, headers });
  if (!answer.ok) {
    throw new Error(`${request.method ?? 'GET'} ${url}: ${answer.status} ${await answer.text()}`);
  }
  return (await answer.json()) as T;
}

/** The records of a message's only delivery, once its first attempt is settled. */
async function awaitWhy(url: string): Promise<MessageAnswer['deliveries'][number]['why']> {
  const givenUpAtMs = Date.now() + patienceMs;
  while (Date.now() < givenUpAtMs) {
    const { deliveries } = await call<MessageAnswer>(url, {});
    const why = deliveries[0]?.why ?? [];
    if (why.length > 0) {
      return why;
    }
    await sleep(pollMs);
  }
  throw new Error(`nothing became of ${url} within ${patienceMs / 1_000} s`);
}
