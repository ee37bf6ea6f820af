/** What every content store owes the delivery room (`ContentStore`). */
import { expect, test } from 'vitest';
import type { ContentStore } from '../../../functions/delivery/ports.ts';
import { mailBucket } from '../port-fixtures.ts';

const everyOctet = Uint8Array.from({ length: 256 }, (_, octet) => octet);

/** @param make An empty store that belongs to the bucket {@link mailBucket}. */
export function contentStoreContract(make: () => Promise<ContentStore>): void {
  test.each([
    ['an empty body', ''],
    ['padded', 'aGVsbG8='],
    ['every octet', Buffer.from(everyOctet).toString('base64')],
  ])('reads inline base64: %s', async (_reason, data) => {
    const content = await (await make()).read({ data });
    expect(Buffer.from(content).toString('base64')).toBe(data);
  });

  test.each([
    ['aGVsbG8', 'padding missing'],
    ['aGVsbG9=', 'bits left over'],
    ['aGVs bG8=', 'white space'],
    ['aGVs\nbG8=', 'a line break'],
    ['aGVsbG8=aGVsbG8=', 'two encodings in a row'],
    ['-_-_', 'the URL alphabet'],
    ['§', 'no base64 at all'],
  ])('refuses inline %j: %s', async (data) => {
    await expect((await make()).read({ data })).rejects.toMatchObject({ code: 'content-invalid' });
  });

  test.each([
    ['empty', new Uint8Array(0)],
    ['every octet', everyOctet],
    ['larger than an SQS message', new Uint8Array(1_500_000).fill(0xfe)],
  ])('keeps and reads content: %s', async (_reason, content) => {
    const store = await make();
    const reference = await store.keep('m-1/hash', content);
    expect(reference).toEqual({ bucket: mailBucket, key: 'content/m-1/hash' });
    expect(Buffer.compare(await store.read(reference), content)).toBe(0);
  });

  test('keeping twice gives the same reference', async () => {
    const store = await make();
    const first = await store.keep('m-1', everyOctet);
    expect(await store.keep('m-1', everyOctet)).toEqual(first);
    expect(await store.read(first)).toHaveLength(256);
  });

  test('another name leaves what was kept as it was', async () => {
    const store = await make();
    const first = await store.keep('m-1/one', everyOctet);
    await store.keep('m-1/two', new Uint8Array(1));
    expect(await store.read(first)).toHaveLength(256);
  });

  test('a missing object is named', async () => {
    const reading = (await make()).read({ bucket: mailBucket, key: 'content/none' });
    await expect(reading).rejects.toMatchObject({
      code: 'content-missing',
      message: expect.stringMatching(/content\/none.*sealpost-mail/),
    });
  });

  test('removes what it has kept, once and again', async () => {
    const store = await make();
    const reference = await store.keep('m-removed', everyOctet);
    await store.remove(reference);
    await store.remove(reference);
    await expect(store.read(reference)).rejects.toMatchObject({ code: 'content-missing' });
  });

  test.each([
    [{ data: '' }, 'inline'],
    [{ bucket: 'payroll', key: 'content/m-1' }, 'in a bucket of others'],
    [{ bucket: mailBucket, key: 'uploads/m-1' }, 'under a key of somebody else'],
  ])('%j is not removed: it is %s', async (reference, _why) => {
    const store = await make();
    const kept = await store.keep('m-stays', everyOctet);
    await store.remove(reference);
    expect(await store.read(kept)).toHaveLength(256);
  });

  test("another's bucket is not read", async () => {
    const reading = (await make()).read({ bucket: 'payroll', key: 'content/m-1' });
    await expect(reading).rejects.toMatchObject({
      code: 'content-invalid',
      message: expect.stringContaining('payroll'),
    });
  });
}
