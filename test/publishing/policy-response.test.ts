import { describe, expect, test } from 'vitest';
import type { PublishedPolicy } from '../../functions/environment.ts';
import { parsePolicy } from '../../functions/protocol/mta-sts/policy.ts';
import { processPolicyResponse } from '../../functions/protocol/mta-sts/response.ts';
import {
  answerPolicyRequest,
  type PolicyHostRequest,
} from '../../functions/publishing/policy-response.ts';

const policies: Readonly<Record<string, PublishedPolicy>> = {
  'example.com': { mode: 'enforce', mx: ['mail.example.com'], maxAgeSeconds: 604_800 },
  'xn--bcher-kva.example': { mode: 'testing', mx: ['*.mx.example'], maxAgeSeconds: 86_400 },
  'gone.example': { mode: 'none', mx: [], maxAgeSeconds: 86_400 },
};

function ask(change: Partial<PolicyHostRequest> = {}) {
  const request = {
    method: 'GET',
    host: 'mta-sts.example.com',
    path: '/.well-known/mta-sts.txt',
    ...change,
  };
  return answerPolicyRequest(request, policies);
}

describe('a policy', () => {
  test('is served as text/plain in CRLF lines, to be kept for five minutes', () => {
    expect(ask()).toEqual({
      status: 200,
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
        'cache-control': 'max-age=300',
      },
      body: 'version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n',
    });
  });

  test.each(Object.entries(policies))('of %s is what a sender reads', (domain, policy) => {
    const { status, headers, body } = ask({ host: `mta-sts.${domain}` });
    const contentType = headers['content-type'];
    expect(processPolicyResponse({ status, contentType, body: Buffer.from(body) })).toEqual({
      kind: 'policy',
      policy,
      text: body,
    });
  });

  test.each(['MTA-STS.Example.COM', 'mta-sts.example.com:443', 'mta-sts.example.com:8443'])(
    'is found under the host %s',
    (host) => {
      expect(ask({ host }).status).toBe(200);
    },
  );

  test('is not in the answer to HEAD, all else is', () => {
    expect(ask({ method: 'HEAD' })).toEqual({ ...ask(), body: '' });
  });
});

describe('everything else', () => {
  test.each<[Partial<PolicyHostRequest>, number, string]>([
    [{ host: undefined }, 404, 'no host'],
    [{ host: '' }, 404, 'an empty host'],
    [{ host: 'example.com' }, 404, 'the domain itself'],
    [{ host: 'mta-sts.example.net' }, 404, 'a domain that is not ours'],
    [{ host: 'mta-sts.mail.example.com' }, 404, 'RFC 8461 §3.4: a subdomain of ours'],
    [{ host: 'mta-sts.mta-sts.example.com' }, 404, 'twice the label'],
    [{ host: 'mta-sts.' }, 404, 'the label alone'],
    [{ host: 'mta-sts.constructor' }, 404, 'what every object has'],
    [{ host: 'mta-sts.__proto__' }, 404, 'what every object comes from'],
    [{ host: 'x.mta-sts.example.com' }, 404, 'a label in front'],
    [{ path: '/' }, 404, 'the root'],
    [{ path: '/.well-known/' }, 404, 'the folder'],
    [{ path: '/.well-known/mta-sts.txt/' }, 404, 'a slash more'],
    [{ path: '/.well-known/MTA-STS.txt' }, 404, 'paths are case-sensitive'],
    [{ path: '/.well-known/mta%2Dsts.txt' }, 404, 'encoded'],
    [{ path: '//.well-known/mta-sts.txt' }, 404, 'two slashes'],
    [{ path: '/x/../.well-known/mta-sts.txt' }, 404, 'a way round'],
    [{ path: '' }, 404, 'empty'],
    [{ method: 'POST' }, 405, 'POST'],
    [{ method: 'PUT' }, 405, 'PUT'],
    [{ method: 'DELETE', host: 'mta-sts.example.net' }, 405, 'DELETE anywhere'],
    [{ method: 'OPTIONS' }, 405, 'OPTIONS'],
    [{ method: 'get' }, 405, 'methods are case-sensitive'],
  ])('%j is answered with %i: %s', (change, status) => {
    const response = ask(change);
    expect(response.status).toBe(status);
    expect(response.headers).not.toHaveProperty('location');
    expect(response.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(response.headers['cache-control']).toBe('no-store');
    expect(response.headers['allow']).toBe(status === 405 ? 'GET, HEAD' : undefined);
    // Not even somebody who overlooks the status takes it for a policy.
    expect(() => parsePolicy(response.body)).toThrow();
  });
});
