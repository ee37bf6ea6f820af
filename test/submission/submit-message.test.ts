import { describe, expect, test } from 'vitest';
import type { Controls } from '../../functions/submission/ports.ts';
import type { Submission } from '../../functions/submission/submission.ts';
import { type SubmitResult, submitMessage } from '../../functions/submission/submit-message.ts';
import {
  createSubmitWorld,
  deliveredOnce,
  dieAt,
  noonMs,
  outage,
  type SubmitWorld,
} from './submit-world.ts';

const principal = 'iam:111122223333:AIDAEXAMPLE';

const octets = Buffer.from('From: alice@sender.example\r\nSubject: hello\r\n\r\nhello\r\n');

function submission(
  changes: Partial<Submission['envelope']> = {},
  content: Submission['content'] = { kind: 'octets', octets },
): Submission {
  return {
    envelope: {
      mailFrom: 'alice@sender.example',
      rcptTo: [{ address: 'bob@a.example' }, { address: 'carol@b.example' }],
      ...changes,
    },
    content,
  };
}

function submit(
  world: SubmitWorld,
  { key, ...changes }: { key?: string; submission?: Submission; principal?: string } = {},
): Promise<SubmitResult> {
  const request = { submission: submission(), principal, ...changes };
  return submitMessage({ ...request, ...(key !== undefined && { key }) }, world.context);
}

function wholeOf(result: SubmitResult) {
  if ('problem' in result) {
    throw new Error(result.problem.detail);
  }
  return result.whole;
}

describe('without a key', () => {
  test('content, then the whole, then the queue; nothing is read, one write', async () => {
    const world = createSubmitWorld();
    const whole = wholeOf(await submit(world));
    expect(world.calls).toEqual(['controls', 'keep whole', 'enqueue']);
    expect(whole).toMatchObject({
      id: 'random-1',
      mailFrom: 'alice@sender.example',
      submittedAt: '2026-11-24T12:00:00.000Z',
      expiresAt: '2026-11-29T12:00:00.000Z',
      via: 'http',
      by: principal,
      bytes: octets.length,
      parts: [
        { domain: 'a.example', demand: 'default', recipients: ['bob@a.example'] },
        { domain: 'b.example', demand: 'default', recipients: ['carol@b.example'] },
      ],
    });
    expect(world.sent.map(({ id }) => id)).toEqual(whole.parts.map(({ id }) => id));
    expect(world.sent.every(({ prepared }) => prepared.wholeId === whole.id)).toBe(true);
  });

  test('the same twice is two messages', async () => {
    const world = createSubmitWorld();
    const ids = [wholeOf(await submit(world)).id, wholeOf(await submit(world)).id];
    expect(new Set(ids).size).toBe(2);
  });

  test('a body that is large is kept, and counted, before the message is', async () => {
    const world = createSubmitWorld();
    const large = Buffer.concat([octets, Buffer.alloc(1_000_000, 'x\r\n')]);
    await submit(world, { submission: submission({}, { kind: 'octets', octets: large }) });
    expect(world.calls).toEqual(['controls', 'keep', 'share', 'keep whole', 'enqueue']);
    expect([...world.shared.values()]).toEqual([2]);
  });

  test('an upload is read, and what is queued is a copy of it', async () => {
    const world = createSubmitWorld();
    world.objects.set('uploads/u', octets);
    const upload = { kind: 'upload', key: 'uploads/u' } as const;
    wholeOf(await submit(world, { submission: submission({}, upload) }));
    expect(world.sent[0]?.content).not.toMatchObject({ key: 'uploads/u' });
  });

  test('an expiry that was asked for holds', async () => {
    const world = createSubmitWorld();
    const expiresAt = '2026-11-25T00:00:00Z';
    await submit(world, { submission: submission({ expiresAt }) });
    expect(world.sent[0]?.expiresAt).toBe(expiresAt);
  });
});

describe('what is not taken leaves nothing in the queue', () => {
  test.each<[string, Submission, object]>([
    [
      'an upload that is not there',
      submission({}, { kind: 'upload', key: 'uploads/none' }),
      { status: 422, fields: [{ field: 'content' }] },
    ],
    [
      'more recipients of one domain than its row takes',
      submission({
        rcptTo: Array.from({ length: 2_000 }, (_, n) => ({
          address: `u${n}${'x'.repeat(40)}@a.example`,
          orcpt: `rfc822;${'y'.repeat(100)}`,
        })),
      }),
      { status: 422, fields: [{ field: 'rcptTo' }] },
    ],
  ])('%s', async (_what, refused, problem) => {
    const world = createSubmitWorld();
    expect(await submit(world, { submission: refused })).toMatchObject({ problem });
    expect([world.sent, world.wholes.size]).toEqual([[], 0]);
  });

  test.each<[string, Parameters<typeof createSubmitWorld>[0], Submission, string]>([
    [
      'REQUIRETLS while it is off',
      { requireTls: false },
      submission({ requireTls: true }),
      'requiretls-disabled',
    ],
    [
      'a mail loop',
      {},
      submission(
        {},
        {
          kind: 'octets',
          octets: Buffer.concat([Buffer.from('Received: x\r\n'.repeat(51)), octets]),
        },
      ),
      'mail-loop',
    ],
    [
      'two TLS-Required fields',
      {},
      submission(
        {},
        {
          kind: 'octets',
          octets: Buffer.concat([Buffer.from('TLS-Required: No\r\n'.repeat(2)), octets]),
        },
      ),
      'queue-message-invalid',
    ],
  ])('%s', async (_what, settings, refused, code) => {
    const world = createSubmitWorld(settings);
    await expect(submit(world, { submission: refused, key: 'k' })).rejects.toMatchObject({ code });
    expect([world.sent, world.wholes.size]).toEqual([[], 0]);
  });
});

describe('with a key', () => {
  test('the same again gives the same, and sends nothing', async () => {
    const world = createSubmitWorld();
    const first = wholeOf(await submit(world, { key: 'k' }));
    world.nowMs += 3_600_000;
    expect(wholeOf(await submit(world, { key: 'k' }))).toEqual(first);
    expect(world.sent).toHaveLength(2);
  });

  test('also when the upload is gone', async () => {
    const world = createSubmitWorld();
    world.objects.set('uploads/u', octets);
    const again = { key: 'k', submission: submission({}, { kind: 'upload', key: 'uploads/u' }) };
    const first = wholeOf(await submit(world, again));
    world.objects.clear();
    expect(wholeOf(await submit(world, again))).toEqual(first);
  });

  test.each<[string, Submission]>([
    ['another body', submission({}, { kind: 'octets', octets: Buffer.concat([octets, octets]) })],
    ['another sender', submission({ mailFrom: 'mallory@sender.example' })],
    [
      'a recipient more',
      submission({ rcptTo: [...submission().envelope.rcptTo, { address: 'x@c.example' }] }),
    ],
    ['more protection', submission({ requireTls: true })],
    ['another envelope id', submission({ envid: 'e' })],
    ['another expiry', submission({ expiresAt: '2026-11-25T00:00:00Z' })],
    [
      'other notifications',
      submission({
        rcptTo: [{ address: 'bob@a.example', notify: ['NEVER'] }, { address: 'carol@b.example' }],
      }),
    ],
  ])('%s is refused', async (_what, other) => {
    const world = createSubmitWorld();
    await submit(world, { key: 'k' });
    expect(await submit(world, { key: 'k', submission: other })).toMatchObject({
      problem: { status: 422, code: 'key-reused', fields: [{ field: 'Idempotency-Key' }] },
    });
    expect(world.sent).toHaveLength(2);
  });

  test("another's key is another key", async () => {
    const world = createSubmitWorld();
    const mine = wholeOf(await submit(world, { key: 'k' }));
    const theirs = wholeOf(await submit(world, { key: 'k', principal: 'iam:1:OTHER' }));
    expect(theirs.id).not.toBe(mine.id);
  });

  test('two tries at once: one message, by the time of whoever wrote first', async () => {
    const world = createSubmitWorld();
    let waiting = true;
    world.at = async ({ call, phase }) => {
      if (call === 'keep whole' && phase === 'before' && waiting) {
        waiting = false;
        world.nowMs += 5_000;
        await submit(world, { key: 'k' });
      }
    };
    const slow = wholeOf(await submit(world, { key: 'k' }));
    expect(slow.submittedAt).toBe(new Date(noonMs + 5_000).toISOString());
    const sent = deliveredOnce(world.sent);
    expect(sent).toHaveLength(2);
    expect(new Set(world.sent.map((part) => JSON.stringify(part))).size).toBe(2);
  });
});

describe('the process ends at any moment, and the message is handed in again', () => {
  const large = Buffer.concat([octets, Buffer.alloc(1_000_000, 'x\r\n')]);

  test.each<[string, Submission, number]>([
    ['inline', submission(), 10],
    ['kept', submission({}, { kind: 'octets', octets: large }), 14],
    ['uploaded', submission({}, { kind: 'upload', key: 'uploads/u' }), 12],
  ])('%s', async (_what, given, moments) => {
    for (let index = 0; index < moments; index += 1) {
      const world = createSubmitWorld();
      world.objects.set('uploads/u', octets);
      const again = { key: 'k', submission: given };
      expect(await dieAt(index, world, () => submit(world, again))).toBe(true);
      world.nowMs += 60_000;
      const whole = wholeOf(await submit(world, again));
      expect(whole.queued).toBe(true);
      // Whatever was enqueued before, each part is there, and every copy of it is the same.
      expect(deliveredOnce(world.sent).map(({ id }) => id)).toEqual(
        whole.parts.map(({ id }) => id),
      );
      expect(new Set(world.sent.map((part) => JSON.stringify(part))).size).toBe(2);
      expect(world.wholes.size).toBe(1);
      for (const { content } of world.sent) {
        expect('key' in content ? world.objects.has(content.key) : true).toBe(true);
      }
    }
    const whole = createSubmitWorld();
    whole.objects.set('uploads/u', octets);
    const request = { key: 'k', submission: given };
    expect(await dieAt(moments, whole, () => submit(whole, request))).toBe(false);
  });

  test.each<[string, 'before' | 'after']>(
    ['read whole', 'controls', 'keep whole', 'enqueue', 'mark'].flatMap(
      (call): [string, 'before' | 'after'][] => [
        [call, 'before'],
        [call, 'after'],
      ],
    ),
  )('%s fails %s its work: no id is given, and the next try ends it', async (call, phase) => {
    const world = createSubmitWorld();
    world.at = (moment) => {
      if (moment.call === call && moment.phase === phase) {
        throw outage();
      }
    };
    await expect(submit(world, { key: 'k' })).rejects.toMatchObject({ code: 'store-unavailable' });
    world.at = () => {};
    const whole = wholeOf(await submit(world, { key: 'k' }));
    expect(deliveredOnce(world.sent).map(({ id }) => id)).toEqual(whole.parts.map(({ id }) => id));
  });
});

describe('what was interrupted is not ended in another way', () => {
  /** Dies once the parts are in the queue. */
  async function interrupted(world: SubmitWorld, given: Submission): Promise<void> {
    const trial = createSubmitWorld();
    for (const [key, content] of world.objects) {
      trial.objects.set(key, content);
    }
    let sentAt = 0;
    trial.at = ({ call, phase, index }) => {
      sentAt = call === 'enqueue' && phase === 'after' ? index : sentAt;
    };
    await submit(trial, { key: 'k', submission: given });
    await dieAt(sentAt, world, () => submit(world, { key: 'k', submission: given }));
    expect(world.sent).toHaveLength(2);
  }

  const inBucket = submission({}, { kind: 'upload', key: 'uploads/u' });
  const exception: Controls['exceptions'][number] = {
    domain: 'a.example',
    policy: 'mta-sts',
    reason: 'their policy is out of date',
    author: 'ops',
    expires: '2027-01-01T00:00:00Z',
  };

  test.each<[string, Submission, (world: SubmitWorld) => void]>([
    [
      'a rule was made meanwhile',
      submission(),
      (world) => {
        world.controls = { rules: [{ name: 'r', match: {}, action: 'require' }], exceptions: [] };
      },
    ],
    [
      'an exception was made meanwhile that refuses it',
      submission({ requireTls: true }),
      (world) => {
        world.controls = { rules: [], exceptions: [exception] };
      },
    ],
    [
      'its upload is gone',
      inBucket,
      (world) => {
        world.objects.delete('uploads/u');
      },
    ],
    [
      'rows of the first try may be gone',
      submission(),
      (world) => {
        world.nowMs += 30 * 86_400_000;
      },
    ],
  ])('%s', async (_what, given, change) => {
    const world = createSubmitWorld();
    world.objects.set('uploads/u', octets);
    await interrupted(world, given);
    change(world);
    expect(await submit(world, { key: 'k', submission: given })).toMatchObject({
      problem: { status: 409, code: 'submission-interrupted' },
    });
    expect(world.sent).toHaveLength(2);
  });
});
