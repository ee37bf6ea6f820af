import { describe, expect, test } from 'vitest';
import type { Channel, ChannelTarget } from '../../functions/delivery/channel.ts';
import { createChannelPool } from '../../functions/delivery/channel-pool.ts';
import { createHostLimits } from '../../functions/delivery/host-limits.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import type { TransactionResult } from '../../functions/protocol/smtp/transaction.ts';

const target: ChannelTarget = {
  host: 'mx.example',
  address: '192.0.2.1',
  port: 25,
  tls: 'pkix',
  verdictKey: 'policy 1',
};

/** Channels that do nothing but count. */
function createFakes(): {
  openChannel: (target: ChannelTarget) => Promise<Channel>;
  opened: Channel[];
  quits: () => number;
} {
  const opened: Channel[] = [];
  let quits = 0;
  return {
    opened,
    quits: () => quits,
    openChannel: async (wanted) => {
      const channel: Channel = {
        target: wanted,
        peerName: wanted.host,
        capabilities: new Map(),
        usable: true,
        transact: () => Promise.reject(new TypeError('not in this test')),
        quit: async () => {
          quits += 1;
        },
      };
      opened.push(channel);
      return channel;
    },
  };
}

const far = 60_000;

describe('a channel pool', () => {
  test('hands an idle channel out again', async () => {
    const fakes = createFakes();
    const pool = createChannelPool({ ...fakes, perHostMax: 2, now: () => 0 });
    const first = await pool.acquire(target, far);
    await pool.release(first);
    expect(await pool.acquire(target, far)).toBe(first);
    expect(fakes.opened).toHaveLength(1);
  });

  test.each([
    [{ verdictKey: 'policy 2' }, 'another policy'],
    [{ tls: 'opportunistic' }, 'another level: what was opened leniently proves nothing'],
    [{ host: 'alias.example' }, 'another name to verify'],
    [{ address: '192.0.2.2' }, 'another machine'],
    [{ port: 587 }, 'another port'],
  ] as const)('does not share it with %j: %s', async (other, _reason) => {
    const fakes = createFakes();
    const pool = createChannelPool({ ...fakes, perHostMax: 2, now: () => 0 });
    await pool.release(await pool.acquire(target, far));
    await pool.acquire({ ...target, ...other }, far);
    expect(fakes.opened).toHaveLength(2);
  });

  test('makes a second caller wait for a place, and gives up in time', async () => {
    const fakes = createFakes();
    const pool = createChannelPool({ ...fakes, perHostMax: 1, now: () => 0 });
    const first = await pool.acquire(target, far);
    const second = pool.acquire(target, far);
    await expect(pool.acquire(target, 0)).rejects.toMatchObject({ code: 'time-too-short' });
    await pool.release(first);
    expect(await second).toBe(first);
  });

  test('closes an idle channel of another verdict to make room', async () => {
    const fakes = createFakes();
    const pool = createChannelPool({ ...fakes, perHostMax: 1, now: () => 0 });
    await pool.release(await pool.acquire(target, far));
    await pool.acquire({ ...target, verdictKey: 'policy 2' }, far);
    expect([fakes.opened.length, fakes.quits()]).toEqual([2, 1]);
  });

  test('a connection that fails leaves its place to the next', async () => {
    const fakes = createFakes();
    let broken = true;
    const pool = createChannelPool({
      perHostMax: 1,
      now: () => 0,
      openChannel: (wanted) =>
        broken
          ? Promise.reject(new TransportSecurityError('connect-failed', 'refused'))
          : fakes.openChannel(wanted),
    });
    await expect(pool.acquire(target, far)).rejects.toMatchObject({ code: 'connect-failed' });
    broken = false;
    await expect(pool.acquire(target, far)).resolves.toBe(fakes.opened[0]);
  });

  test('drops a channel that is of no use any more', async () => {
    const fakes = createFakes();
    const pool = createChannelPool({ ...fakes, perHostMax: 1, now: () => 0 });
    const first = await pool.acquire(target, far);
    Object.assign(first, { usable: false });
    await pool.release(first);
    await pool.acquire(target, far);
    expect([fakes.opened.length, fakes.quits()]).toEqual([2, 1]);
  });

  describe('of a host that has too many connections', () => {
    const busy = new TransportSecurityError('greeting-refused', 'mx.example answered with 421', {
      cause: { code: 421, lines: ['too many connections'] },
    });
    const transaction = (over: Partial<TransactionResult> = {}, code = 250): TransactionResult => ({
      recipients: [{ outcome: 'delivered', reply: { code, lines: ['so'] } }],
      contentSent: 'complete',
      sessionLost: false,
      ...over,
    });

    test('whoever asked waits for a channel that is open, and no more are tried', async () => {
      const fakes = createFakes();
      let asked = 0;
      const pool = createChannelPool({
        perHostMax: 4,
        now: () => 0,
        openChannel: (wanted) => {
          asked += 1;
          return fakes.opened.length < 2 ? fakes.openChannel(wanted) : Promise.reject(busy);
        },
      });
      const first = await pool.acquire(target, far);
      await pool.acquire(target, far);
      const third = pool.acquire(target, far);
      const fourth = pool.acquire(target, far);
      await pool.release(first);
      expect(await third).toBe(first);
      await pool.release(first);
      expect(await fourth).toBe(first);
      expect(asked).toBe(4);
    });

    test('the refusal stands where there is none open', async () => {
      const pool = createChannelPool({
        perHostMax: 4,
        now: () => 0,
        openChannel: () => Promise.reject(busy),
      });
      await expect(pool.acquire(target, far)).rejects.toBe(busy);
    });

    test.each([
      ['421 to a transaction', 421, 'none', 1, 1],
      ['250', 250, 'complete', 4, 0],
    ] as const)(
      '%s: %i, content %s: at most %i stay, %i are closed',
      async (_what, code, contentSent, stay, closed) => {
        const fakes = createFakes();
        const limits = createHostLimits(4);
        const pool = createChannelPool({ ...fakes, perHostMax: 4, limits, now: () => 0 });
        const [first] = await Promise.all([pool.acquire(target, far), pool.acquire(target, far)]);
        pool.heed(target, transaction({ contentSent }, code));
        expect(limits.limitOf(target.host)).toBe(stay);
        await pool.release(first as Channel);
        expect(fakes.quits()).toBe(closed);
      },
    );

    test('the limit outlives the batch, and grows with what goes through', async () => {
      const fakes = createFakes();
      const limits = createHostLimits(2);
      limits.lower(target.host, 1);
      const options = { ...fakes, perHostMax: 2, limits, now: () => 0 };
      const pool = createChannelPool(options);
      await pool.acquire(target, far);
      await expect(pool.acquire(target, 0)).rejects.toMatchObject({ code: 'time-too-short' });
      for (let index = 0; index < 20; index += 1) {
        pool.heed(target, transaction());
      }
      await expect(pool.acquire(target, far)).resolves.toBe(fakes.opened[1]);
    });
  });

  test('close ends every idle channel', async () => {
    const fakes = createFakes();
    const pool = createChannelPool({ ...fakes, perHostMax: 5, now: () => 0 });
    const channels = await Promise.all([pool.acquire(target, far), pool.acquire(target, far)]);
    await Promise.all(channels.map((channel) => pool.release(channel)));
    await pool.close();
    expect(fakes.quits()).toBe(2);
  });
});
