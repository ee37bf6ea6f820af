/** Messages, claims and records for tests of the delivery room's stores. */
import type {
  ClaimedDelivery,
  ClaimRequest,
  RecipientState,
} from '../../functions/delivery/ports.ts';
import type { WhyRecord } from '../../functions/delivery/why.ts';
import {
  hashQueueMessage,
  type PreparedMessage,
} from '../../functions/submission/queue-message.ts';

/** When everything in these tests happens. */
export const noonMs: number = Date.UTC(2026, 10, 24, 12);

/** The bucket of every content store under test. */
export const mailBucket = 'sealpost-mail';

export const minuteMs = 60_000;

/** A message to two recipients at `example.org`, prepared, with its content in the bucket. */
export function preparedMessage(changes: Partial<PreparedMessage> = {}): PreparedMessage {
  const message: PreparedMessage = {
    version: 1,
    id: 'm-1',
    mailFrom: 'alice@example.com',
    rcptTo: [
      { address: 'bob@example.org', notify: ['FAILURE', 'DELAY'], orcpt: 'rfc822;bob@example.org' },
      { address: 'carol@example.org' },
    ],
    envid: 'E-1',
    ret: 'HDRS',
    content: { bucket: mailBucket, key: 'content/m-1' },
    attempt: 1,
    submittedAt: '2026-11-24T12:00:00.000Z',
    expiresAt: '2026-11-29T12:00:00.000Z',
    prepared: {
      domain: 'example.org',
      demand: 'require',
      demandReason: 'requireTls of the message',
      explicit: true,
      hash: '',
    },
    ...changes,
  };
  const hash = message.prepared.hash || hashQueueMessage(message);
  return { ...message, prepared: { ...message.prepared, hash } };
}

/** A claim at noon, with a lease of ten minutes, under a token that no other test uses twice. */
export function claimRequest(changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    message: preparedMessage(),
    token: 'token-1',
    nowMs: noonMs,
    leaseEndMs: noonMs + 10 * minuteMs,
    ...changes,
  };
}

export function whyRecord(changes: Partial<WhyRecord> = {}): WhyRecord {
  return {
    version: 1,
    id: 'm-1',
    domain: 'example.org',
    attempt: 1,
    startedAt: '2026-11-24T12:00:00.000Z',
    endedAt: '2026-11-24T12:00:02.000Z',
    demand: { level: 'require', reason: 'requireTls of the message' },
    lookups: [
      {
        name: 'example.org',
        type: 'MX',
        outcome: 'records',
        status: 'insecure',
        detail: '1 record',
      },
    ],
    policy: { kind: 'policy', source: 'wire', mode: 'enforce', id: '1', mx: ['mx.example.org'] },
    hosts: [
      {
        host: 'mx.example.org',
        preference: 10,
        tries: [
          {
            address: '192.0.2.1',
            level: 'pkix',
            tls: {
              version: 'TLSv1.3',
              cipher: 'TLS_AES_256_GCM_SHA384',
              fingerprint: 'ab'.repeat(32),
              resumed: false,
              verdict: 'verified',
            },
          },
        ],
      },
    ],
    recipients: [
      { address: 'bob@example.org', outcome: 'delivered', status: '2.1.5', reply: '250 ok' },
    ],
    decision: { row: 'sts-enforce', outcome: 'delivered', reason: 'every recipient was accepted' },
    ...changes,
  };
}

/** The delivery's recipients after an attempt that came to `states`, in order. */
export function recipientsAfter(
  delivery: ClaimedDelivery,
  ...states: readonly RecipientState['state'][]
): readonly RecipientState[] {
  return delivery.recipients.map((recipient, index) => {
    const state = states[index] ?? 'delivered';
    return {
      ...recipient,
      state,
      status: { delivered: '2.1.5', pending: '4.2.0', failed: '5.1.1' }[state],
      diagnostic: `smtp; reply to ${recipient.address}`,
    };
  });
}
