/** Key pairs for tests: those of RFC 8463, and their records in DNS. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import type { DkimKey } from '../../../functions/protocol/dkim/sign-message.ts';

/** RFC 8463 Appendix A.1. */
const ed25519Seed = Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64');
const rsaPem = `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
`;

/** RFC 8410 §7: what stands before the 32 octets of an Ed25519 key in PKCS #8. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

export const ed25519Key: KeyObject = createPrivateKey({
  key: Buffer.concat([pkcs8Head, ed25519Seed]),
  format: 'der',
  type: 'pkcs8',
});
export const rsaKey: KeyObject = createPrivateKey(rsaPem);

export const domain = 'football.example.com';
export const ed25519: DkimKey = { domain, selector: 'brisbane', privateKey: ed25519Key };
export const rsa: DkimKey = { domain, selector: 'test', privateKey: rsaKey };

/** The TXT record of a key. */
export function keyRecord({ privateKey }: DkimKey): string {
  const type = privateKey.asymmetricKeyType;
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  // RFC 8463 §4: the record of an Ed25519 key has its 32 octets and nothing around them.
  const p = (type === 'rsa' ? spki : spki.subarray(-32)).toString('base64');
  return `v=DKIM1; k=${type}; p=${p}`;
}

/** What mailauth makes of each signature, in the order of the fields; `keys` are in DNS. */
export async function verdicts(
  message: Uint8Array,
  keys: readonly DkimKey[],
): Promise<readonly string[]> {
  const { results } = await dkimVerify(Buffer.from(message), {
    // The keys of RFC 8463 have 1024 bits.
    minBitLength: 1_024,
    resolver: async (name: string) => {
      const key = keys.find((one) => name === `${one.selector}._domainkey.${one.domain}`);
      if (key === undefined) {
        throw Object.assign(new Error(`no ${name}`), { code: 'ENOTFOUND' });
      }
      return [[keyRecord(key)]];
    },
  } as Parameters<typeof dkimVerify>[1]);
  return results.map(({ status }) => status.result);
}
