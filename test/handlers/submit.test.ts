import { afterEach, describe, expect, test, vi } from 'vitest';
import type { HttpAnswer } from '../../functions/handlers/http-answer.ts';
import { handler, submitRoutes } from '../../functions/handlers/submit.ts';
import type { StoredMessage } from '../../functions/operating/ports.ts';
import { uploadIdPattern } from '../../functions/submission/submission.ts';
import { createSubmitWorld, noonMs, type SubmitWorld } from '../submission/submit-world.ts';
import { type EventParts, httpEvent, tokenOf } from './http-event.ts';
import { captureOutput, lambdaContext } from './lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const mail = 'From: alice@sender.example\r\nSubject: hello\r\n\r\nhello\r\n';

const submission = {
  mailFrom: 'alice@sender.example',
  rcptTo: [{ address: 'bob+requiretls@a.example' }, { address: 'carol@b.example' }],
  content: { data: Buffer.from(mail).toString('base64') },
};

const upload = 'u'.repeat(32);

/** A message that the world knows as a whole and nobody has begun with. */
function stored({ wholes }: SubmitWorld, id: string): StoredMessage | undefined {
  const whole = wholes.get(id);
  const nothing = { deliveries: [], advance: [], attempts: [], actions: [], truncated: false };
  return whole && { id, whole, ...nothing };
}

async function call(
  world: SubmitWorld,
  routeKey: string,
  parts: EventParts = {},
): Promise<{ readonly answer: HttpAnswer; readonly body: Record<string, unknown> }> {
  const routes = submitRoutes({
    context: world.context,
    control: { readMessage: async (id) => stored(world, id) },
    openUpload: async ({ key, bytes }) => ({
      url: `https://s3.example/${key}`,
      headers: { 'content-length': String(bytes) },
      expiresInSeconds: 900,
    }),
    newUploadId: () => upload,
  });
  const answer = await routes[routeKey]?.(httpEvent(routeKey, parts));
  if (answer === undefined) {
    throw new Error(`no route ${routeKey}`);
  }
  return { answer, body: JSON.parse(answer.body ?? '') };
}

function post(world: SubmitWorld, parts: EventParts = {}) {
  return call(world, 'POST /v1/messages', {
    body: JSON.stringify(submission),
    ...parts,
    headers: { 'Content-Type': 'application/json', ...parts.headers },
  });
}

describe('POST /v1/messages', () => {
  test('is answered with id, place, and what is asked for each recipient and why', async () => {
    const { answer, body } = await post(createSubmitWorld());
    const reason = 'a recipient address carries the tag +requiretls';
    expect(answer.statusCode).toBe(202);
    expect(answer.headers?.['location']).toBe('/v1/messages/random-1');
    expect(body).toMatchObject({
      id: 'random-1',
      url: '/v1/messages/random-1',
      submittedAt: '2026-11-24T12:00:00.000Z',
      recipients: [
        {
          address: 'bob@a.example',
          state: 'queued',
          demand: 'require',
          demandReason: reason,
          delivery: { domain: 'a.example' },
        },
        {
          address: 'carol@b.example',
          state: 'queued',
          demand: 'require',
          demandReason: reason,
          delivery: { domain: 'b.example' },
        },
      ],
    });
  });

  test('as raw mail, octet for octet', async () => {
    const world = createSubmitWorld();
    const octets = Buffer.from(`From: alice@sender.example\r\n\r\n\xe9\r\n`, 'latin1');
    const { answer } = await post(world, {
      headers: { 'Content-Type': 'message/rfc822; charset=us-ascii' },
      query: 'from=alice@sender.example&to=bob@a.example',
      body: octets,
    });
    expect(answer.statusCode).toBe(202);
    const [part] = world.sent;
    const data = part !== undefined && 'data' in part.content ? part.content.data : '';
    expect(Buffer.from(data, 'base64').toString('latin1')).toMatch(/\r\n\r\n\xe9\r\n$/);
  });

  test('as raw mail with a header in UTF-8 (RFC 6532)', async () => {
    const { answer } = await post(createSubmitWorld(), {
      headers: { 'Content-Type': 'message/global' },
      query: 'from=alice@sender.example&to=bob@a.example&smtpUtf8=true',
      body: Buffer.from('From: alice@sender.example\r\nSubject: δ\r\n\r\n'),
    });
    expect(answer.statusCode).toBe(202);
  });

  test('the same under the same key, quoted or bare, has the same answer', async () => {
    const world = createSubmitWorld();
    const first = await post(world, { headers: { 'Idempotency-Key': '"k-1"' } });
    const second = await post(world, { headers: { 'idempotency-key': 'k-1' } });
    expect(second.answer).toEqual(first.answer);
    expect(world.sent).toHaveLength(2);
  });

  test.each<[string, EventParts, number, object]>([
    ['no JSON', { body: '{' }, 400, { fields: [{ field: '(body)' }] }],
    ['no body', { body: '' }, 400, { fields: [{ field: '(body)' }] }],
    [
      'a parameter beside it',
      { query: 'requireTls=true' },
      422,
      { fields: [{ field: 'requireTls' }] },
    ],
    ['a field at fault', { body: '{}' }, 422, { code: 'fields-invalid' }],
    [
      'another type',
      { headers: { 'Content-Type': 'text/plain' } },
      415,
      { fields: [{ field: 'Content-Type' }] },
    ],
    [
      'two keys',
      { headers: { 'Idempotency-Key': 'a,b' } },
      400,
      { fields: [{ field: 'Idempotency-Key' }] },
    ],
    [
      'half a quoted key',
      { headers: { 'Idempotency-Key': '"a' } },
      400,
      { fields: [{ field: 'Idempotency-Key' }] },
    ],
    [
      'an empty key',
      { headers: { 'Idempotency-Key': '' } },
      400,
      { fields: [{ field: 'Idempotency-Key' }] },
    ],
    ['a key that is too long', { headers: { 'Idempotency-Key': 'k'.repeat(256) } }, 400, {}],
    [
      'an upload that is not there',
      { body: JSON.stringify({ ...submission, content: { upload } }) },
      422,
      { fields: [{ field: 'content' }] },
    ],
  ])('%s', async (_what, parts, status, problem) => {
    const world = createSubmitWorld();
    const { answer, body } = await post(world, parts);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers?.['content-type']).toBe('application/problem+json');
    expect(body).toMatchObject({ status, ...problem });
    expect(world.sent).toEqual([]);
  });

  test('no answer quotes a message', async () => {
    const { answer } = await post(createSubmitWorld(), {
      body: JSON.stringify({ ...submission, mailFrom: 'secret of mine', rcptTo: ['secret'] }),
    });
    expect(answer.body).not.toContain('secret');
  });
});

describe('GET /v1/messages/{id}', () => {
  const show = (world: SubmitWorld, id: string, parts: EventParts = {}) =>
    call(world, 'GET /v1/messages/{id}', { pathParameters: { id }, ...parts });

  test('shows what waits for its first attempt', async () => {
    const world = createSubmitWorld();
    const { body: accepted } = await post(world);
    const { answer, body } = await show(world, String(accepted['id']));
    expect(answer.statusCode).toBe(200);
    expect(body).toMatchObject({
      id: 'random-1',
      mailFrom: 'alice@sender.example',
      deliveries: [
        {
          domain: 'a.example',
          state: 'queued',
          demand: 'require',
          attempt: 0,
          why: [],
          recipients: [{ address: 'bob@a.example', state: 'pending' }],
        },
        { domain: 'b.example', state: 'queued' },
      ],
    });
  });

  test.each(['none', '', '../x', 'x'.repeat(129), 'a b'])('%j is unknown', async (id) => {
    const { answer, body } = await show(createSubmitWorld(), id);
    expect(answer.statusCode).toBe(404);
    expect(body).toMatchObject({ status: 404, code: 'message-unknown' });
  });

  test('whoever comes with a token sees his own only; IAM sees all', async () => {
    const world = createSubmitWorld();
    await post(world, { authorizer: tokenOf('ann') });
    const seen = async (parts: EventParts) =>
      (await show(world, 'random-1', parts)).answer.statusCode;
    expect(await seen({ authorizer: tokenOf('ann') })).toBe(200);
    expect(await seen({ authorizer: tokenOf('eve') })).toBe(404);
    expect(await seen({})).toBe(200);
  });
});

describe('POST /v1/uploads', () => {
  const open = (body: unknown) =>
    call(createSubmitWorld(), 'POST /v1/uploads', { body: JSON.stringify(body) });

  test('gives a place to upload to, and the name to submit', async () => {
    const { answer, body } = await open({ bytes: 40 * 1_024 * 1_024, sha256: 'a'.repeat(64) });
    expect(answer.statusCode).toBe(201);
    expect(body).toEqual({
      upload,
      method: 'PUT',
      url: `https://s3.example/uploads/${upload}`,
      headers: { 'content-length': '41943040' },
      expiresAt: new Date(noonMs + 900_000).toISOString(),
    });
    expect(upload).toMatch(uploadIdPattern);
  });

  test.each<[unknown, string, string]>([
    [{}, 'bytes', 'no length'],
    [{ bytes: 0 }, 'bytes', 'nothing'],
    [{ bytes: 1.5 }, 'bytes', 'half an octet'],
    [{ bytes: 41_943_041 }, 'bytes', 'more than a message may have'],
    [{ bytes: 1, sha256: 'A'.repeat(64) }, 'sha256', 'no lower case'],
    [{ bytes: 1, key: 'content/x' }, 'key', 'a place of his own'],
    [null, '(body)', 'nothing at all'],
  ])('%j is refused, naming %s: %s', async (body, field) => {
    const { answer, body: problem } = await open(body);
    expect(answer.statusCode).toBe(422);
    expect(problem['fields']).toContainEqual(expect.objectContaining({ field }));
  });
});

test('wrong settings are a fault of ours: 500, and the log says which', async () => {
  const written = captureOutput();
  vi.stubEnv('SEALPOST_DELIVERY', '{}');
  const answer = await handler(httpEvent('POST /v1/messages'), lambdaContext());
  expect(answer).toMatchObject({
    statusCode: 500,
    headers: { 'content-type': 'application/problem+json' },
  });
  expect(answer.body).not.toContain('SEALPOST');
  expect(JSON.stringify(written.lines)).toContain('SEALPOST_DELIVERY');
});
