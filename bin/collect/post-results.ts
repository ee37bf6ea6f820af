/** Posts batches of results to the HTTP API, signed. */
import type { SignRequest } from '../../functions/adapters/aws/sign-request.ts';
import type { PostOutcome, ResultBatch } from './forward-results.ts';

/** API Gateway waits 30 seconds for the function. */
const timeoutMs = 40_000;

/** The part of an answer that is shown. */
const shownCharsMax = 300;

/** Makes the function that posts to `<base>/v1/tlsrpt/results`. What it makes of an answer: {@link PostOutcome}. */
export function createResultPoster(
  base: URL,
  sign: SignRequest,
): (batch: ResultBatch) => Promise<PostOutcome> {
  const url = new URL('v1/tlsrpt/results', base.href.endsWith('/') ? base : `${base.href}/`);
  return async (batch) => {
    try {
      const body = JSON.stringify(batch);
      const request = {
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json' },
        body,
      };
      const response = await fetch(url, {
        method: 'POST',
        headers: await sign(request),
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      return readAnswer(response.status, await response.text());
    } catch (error) {
      // The network, or no credentials right now.
      return { kind: 'later', reason: describe(error) };
    }
  };
}

function readAnswer(status: number, text: string): PostOutcome {
  if (status === 200) {
    const { refused = [] } = JSON.parse(text) as { refused?: readonly { reason: string }[] };
    return { kind: 'taken', refused: refused.map(({ reason }) => reason) };
  }
  const reason = `HTTP ${status}: ${text.slice(0, shownCharsMax)}`;
  // 403 too: rights can be granted, and credentials renewed, while results wait.
  const mayPass = status >= 500 || [401, 403, 404, 408, 429].includes(status);
  return { kind: mayPass ? 'later' : 'refused', reason };
}

function describe(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
