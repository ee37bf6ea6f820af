import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRequestSigner } from '../../../functions/adapters/aws/sign-request.ts';

const variables = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};
const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]));

beforeAll(() => {
  Object.assign(process.env, variables);
});

afterAll(() => {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) {
      delete process.env[name];
    } else {
      process.env[name] = value;
    }
  }
});

test('the body and the given fields are signed', async () => {
  const sign = createRequestSigner('execute-api');
  const request = {
    method: 'POST',
    url: new URL('https://abc.execute-api.us-east-1.amazonaws.com/v1/tlsrpt/results'),
    headers: { 'content-type': 'application/json' },
    body: '{"id":"b1"}',
  };
  const headers = await sign(request);
  expect(headers).toMatchObject({
    host: 'abc.execute-api.us-east-1.amazonaws.com',
    'content-type': 'application/json',
    // SHA-256 of the body.
    'x-amz-content-sha256': expect.stringMatching(/^[0-9a-f]{64}$/),
    authorization: expect.stringMatching(
      /Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/execute-api\/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}$/,
    ),
  });
  const other = await sign({ ...request, body: '{"id":"b2"}' });
  expect(other['x-amz-content-sha256']).not.toBe(headers['x-amz-content-sha256']);
});
