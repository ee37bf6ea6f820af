/** Asks our own policy host as a sender would: over HTTPS, at the edge, by names that it has and names that it has not. */
import { request } from 'node:https';
import type { LocalCloud } from '../local/cloud.ts';
import type { ReservedPlace } from '../world/world.ts';
import type { TourRow } from './table.ts';

const policyPath = '/.well-known/mta-sts.txt';

/** A row for the policy as served, one for a path and one for a host that it does not know. */
export async function askPolicyHost(
  cloud: LocalCloud,
  place: ReservedPlace,
  roots: string,
): Promise<TourRow[]> {
  const served = await get(place, policyPath, roots);
  const elsewhere = await get(place, '/', roots);
  const unknown = await askUnknownHost(cloud);
  return [
    describe('policy-host-serves', served, { status: 200, policy: true }),
    describe('policy-host-unknown-path', elsewhere, { status: 404, policy: false }),
    describe('policy-host-unknown-host', unknown, { status: 404, policy: false }),
  ];
}

interface PolicyAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

function describe(
  scenario: string,
  { status, contentType, body }: PolicyAnswer,
  expected: { readonly status: number; readonly policy: boolean },
): TourRow {
  const isPolicy = body.startsWith('version: STSv1\r\n');
  const differences = [
    ...(status === expected.status ? [] : [`status ${status}`]),
    ...(isPolicy === expected.policy ? [] : [`body ${JSON.stringify(body.slice(0, 60))}`]),
    ...(contentType.startsWith('text/plain') ? [] : [`content type ${contentType}`]),
  ];
  return {
    scenario,
    expected: `${expected.status}${expected.policy ? ', a policy' : ', no policy'}`,
    happened: `${status}${isPolicy ? ', a policy' : ', no policy'}`,
    why: body.trim().replaceAll('\r\n', ', '),
    differences,
  };
}

async function get(place: ReservedPlace, path: string, roots: string): Promise<PolicyAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<PolicyAnswer>();
  const { name, address, port } = place;
  const asked = request(
    {
      host: address,
      port,
      path,
      servername: name,
      headers: { host: name },
      ca: roots,
      agent: false,
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          body: Buffer.concat(chunks).toString(),
        });
      });
    },
  );
  asked.on('error', reject);
  asked.end();
  return promise;
}

/** A name without a certificate does not get past the edge, so the function behind it is asked. */
async function askUnknownHost(cloud: LocalCloud): Promise<PolicyAnswer> {
  const invocation = await cloud.invoke('PolicyHostFunction', {
    version: '2.0',
    rawPath: policyPath,
    rawQueryString: '',
    headers: { 'x-sealpost-host': 'mta-sts.unknown.example' },
    requestContext: { http: { method: 'GET', path: policyPath } },
    isBase64Encoded: false,
  });
  if (!invocation.ok) {
    throw new Error(`the policy host failed: ${invocation.error.errorMessage}`);
  }
  const { statusCode, headers, body } = invocation.result as {
    readonly statusCode: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
  return { status: statusCode, contentType: headers['content-type'] ?? '', body };
}
