/** What Lambda hands to a handler, and a place to look at what the handler writes. */
import type { Context } from 'aws-lambda';
import { vi } from 'vitest';

/** A context with this much time left. */
export function lambdaContext(remainingMs = 60_000): Context {
  return {
    callbackWaitsForEmptyEventLoop: false,
    functionName: 'function',
    functionVersion: '1',
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:function',
    memoryLimitInMB: '256',
    awsRequestId: '1b0d3c9e-0000-4000-8000-000000000000',
    logGroupName: '/aws/lambda/function',
    logStreamName: 'stream',
    getRemainingTimeInMillis: () => remainingMs,
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
  };
}

export interface WrittenLines {
  /** Lines so far, parsed. */
  readonly lines: readonly Record<string, unknown>[];
  /** Metrics so far, by name; each with its latest value. */
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** Takes what goes to stdout and stderr until `vi.restoreAllMocks()`. */
export function captureOutput(): WrittenLines {
  let written = '';
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      written += String(chunk);
      return true;
    });
  }
  const parse = (): Record<string, unknown>[] =>
    written
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    get lines() {
      return parse();
    },
    get metrics() {
      return Object.assign({}, ...parse().filter((line) => '_aws' in line));
    },
  };
}
