/**
 * What senders hand in by mistake or on purpose, all in one batch with an honest message: each gets a clear outcome, none
 * stops the batch, none is lost.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acceptedMessages } from '../bin/world/mx-record.ts';
import { startWorld, type World } from '../bin/world/world.ts';
import {
  createDeliveryProcess,
  type DeliveryProcess,
  type QueuedMessage,
} from './delivery-process.ts';

const domain = 'bad-input.example';
const megabyte = 1_048_576;

let world: World;
let process: DeliveryProcess;

beforeAll(async () => {
  world = await startWorld({
    zones: [
      {
        origin: domain,
        records: [{ name: domain, type: 'MX', preference: 10, exchange: `mx.${domain}` }],
      },
    ],
    mxHosts: [{ name: `mx.${domain}`, behaviour: { smtpUtf8: false } }],
    policyHosts: [],
  });
  process = createDeliveryProcess(world.network, { attemptMs: 60_000 });
});

afterAll(async () => {
  await world.stop();
});

const header = 'From: a@sender.example\r\nSubject: x\r\n';

function message(local: string, content: string, over: object = {}): QueuedMessage {
  return {
    mailFrom: 'a@sender.example',
    rcptTo: [{ address: `${local}@${domain}` }],
    content: { data: Buffer.from(content, 'latin1').toString('base64') },
    ...over,
  };
}

test('each gets a clear outcome', async () => {
  const big = Buffer.alloc(40 * megabyte, `${'x'.repeat(76)}\r\n`);
  big.set(Buffer.from(`${header}\r\n`));
  big.set(Buffer.from('\r\n'), big.length - 2);
  const inBucket = await process.stores.contents.keep('big', big);
  const kept = await process.deliver([
    message('honest', `${header}\r\nhello\r\n`),
    'not even an object' as unknown as QueuedMessage,
    message('crlf', '', { rcptTo: [{ address: `b@${domain}\r\nDATA` }] }),
    message('many', `${header}\r\n`, {
      rcptTo: Array.from({ length: 2_000 }, (_, index) => ({ address: `u${index}@${domain}` })),
    }),
    message('nul', `${header}\r\na\0b\r\n`),
    message('long-line', `${header}X-Long: ${'x'.repeat(65_536)}\r\n\r\nhi\r\n`),
    message('eight-bit-header', `${header}X-Name: caf\xe9\r\n\r\nhi\r\n`),
    message('empty', ''),
    message('big', '', { content: inBucket }),
    message('missing', '', { content: { bucket: 'sealpost-mail', key: 'content/gone' } }),
  ]);

  expect(kept).toEqual([]);
  expect(process.stores.deadLetters.map(({ reason }) => reason)).toEqual(
    expect.arrayContaining([
      expect.stringContaining('(message)'),
      expect.stringContaining('rcptTo.0.address'),
      // RFC 5322 §2.2, RFC 5321 §4.5.2: no NUL may go on the wire.
      expect.stringContaining('NUL'),
      expect.stringContaining('content/gone'),
    ]),
  );
  expect(process.stores.deadLetters).toHaveLength(4);

  const outcomes = new Map(
    process.whys.flatMap(({ recipients }) =>
      recipients.map(({ address, outcome, status }) => [address, `${outcome} ${status}`]),
    ),
  );
  const outcomeOf = (local: string): string | undefined => outcomes.get(`${local}@${domain}`);
  for (const local of ['honest', 'u0', 'long-line', 'empty', 'big']) {
    expect(`${local}: ${outcomeOf(local)}`).toBe(`${local}: delivered 2.0.0`);
  }
  // RFC 5321 §4.5.3.1.10: the peer takes as many as it takes, and the others come in the next attempt.
  expect(outcomeOf('u1999')).toBe('deferred 4.5.3');
  expect(process.stores.retryEntries()).toHaveLength(1);
  // RFC 6531 §3.6: without SMTPUTF8 the peer may not be sent such a header.
  expect(outcomeOf('eight-bit-header')).toBe('failed 5.6.7');

  const taken = acceptedMessages(world.mx(`mx.${domain}`).connections);
  // What acceptance adds to the header stands before what was handed in, or between it and the body.
  const bodyBytes = big.length - header.length;
  const digests = taken.map(({ content }) =>
    createHash('sha256').update(content.subarray(-bodyBytes)).digest('hex'),
  );
  expect(digests).toContain(createHash('sha256').update(big.subarray(-bodyBytes)).digest('hex'));
}, 120_000);
