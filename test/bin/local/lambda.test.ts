import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { LocalCloud } from '../../../bin/local/cloud.ts';
import type { InvocationEvent } from '../../../bin/local/events.ts';
import { lambda } from './assembly.ts';
import { cloudOf } from './cloud-fixture.ts';
import { patience } from './patience.ts';

async function cloudWith(
  source: string,
  properties: Readonly<Record<string, unknown>> = {},
): Promise<LocalCloud> {
  return await cloudOf({ Fn: lambda('code', properties) }, { code: source });
}

function invocations(cloud: LocalCloud): readonly InvocationEvent[] {
  return cloud.events.filter((event) => event.kind === 'invocation');
}

describe('environment and context', () => {
  test('are those of the template; nothing of this process leaks', async () => {
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('SECRET_OF_THE_DEVELOPER', 'x');
    vi.stubEnv('NODE_OPTIONS', '--no-warnings');
    const cloud = await cloudOf(
      {
        Fn: lambda('code', {
          MemorySize: 192,
          FunctionName: 'fn',
          Environment: { Variables: { SEALPOST_NETWORK: '{}', OWN: 'value' } },
        }),
        Other: lambda('code'),
      },
      { code: 'export const handler = () => process.env;' },
      { network: { smtpPort: 2525 } },
    );
    const outcome = await cloud.invoke('Fn', {});
    expect(outcome.ok && outcome.result).toEqual({
      _HANDLER: 'index.handler',
      LAMBDA_TASK_ROOT: expect.stringMatching(/asset\.code$/),
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_LAMBDA_FUNCTION_NAME: 'fn',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '192',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/fn',
      AWS_LAMBDA_LOG_STREAM_NAME: 'local',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      PATH: '/usr/local/bin:/usr/bin:/bin',
      LANG: 'en_US.UTF-8',
      TZ: ':UTC',
      AWS_ENDPOINT_URL: cloud.endpoints.sesv2,
      AWS_ENDPOINT_URL_DYNAMODB: cloud.endpoints.dynamodb,
      AWS_ENDPOINT_URL_SQS: cloud.endpoints.sqs,
      AWS_ENDPOINT_URL_S3: cloud.endpoints.s3,
      AWS_ENDPOINT_URL_SESV2: cloud.endpoints.sesv2,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: cloud.endpoints.secretsManager,
      SEALPOST_NETWORK: '{"smtpPort":2525}',
      OWN: 'value',
    });
    const other = await cloud.invoke('Other', {});
    expect(other.ok && other.result).not.toHaveProperty('SEALPOST_NETWORK');
  });

  test('the context tells the time that is left, and who is asked', async () => {
    const cloud = await cloudWith(
      `export const handler = (event, context) =>
        ({ ...context, left: context.getRemainingTimeInMillis(), event });`,
      { Timeout: 7, FunctionName: 'fn' },
    );
    const outcome = await cloud.invoke('Fn', { deep: [1, null] });
    expect(outcome).toEqual({
      ok: true,
      requestId: outcome.requestId,
      result: {
        event: { deep: [1, null] },
        awsRequestId: outcome.requestId,
        functionName: 'fn',
        functionVersion: '$LATEST',
        invokedFunctionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:fn',
        memoryLimitInMB: '256',
        logGroupName: '/aws/lambda/fn',
        logStreamName: 'local',
        callbackWaitsForEmptyEventLoop: true,
        left: expect.toSatisfy((left: number) => left > 5000 && left <= 7000),
      },
    });
  });

  test('an environment that Lambda would refuse is refused', async () => {
    const cloud = cloudWith('', { Environment: { Variables: { LONG: 'x'.repeat(4096) } } });
    await expect(cloud).rejects.toThrow(/S\/Fn: its environment has \d+ bytes/);
  });
});

describe('failures are reported as Lambda does', () => {
  test.each<[string, string, object]>([
    [
      'a handler that throws',
      'export const handler = async () => { throw new TypeError("no"); };',
      {
        errorType: 'TypeError',
        errorMessage: 'no',
        trace: expect.arrayContaining(['TypeError: no']),
      },
    ],
    [
      'a handler that throws no Error',
      'export const handler = async () => { throw "no"; };',
      { errorType: 'string', errorMessage: 'no' },
    ],
    [
      'an error outside of the handler',
      'export const handler = () => new Promise(() => setImmediate(() => { throw new RangeError("late"); }));',
      { errorType: 'RangeError', errorMessage: 'late' },
    ],
    [
      'a rejection that nobody handles',
      'export const handler = () => new Promise(() => { Promise.reject(new Error("lost")); });',
      { errorType: 'Runtime.UnhandledPromiseRejection', errorMessage: 'lost' },
    ],
    [
      'an exit',
      'export const handler = () => process.exit(3);',
      {
        errorType: 'Runtime.ExitError',
        errorMessage: expect.stringMatching(/^RequestId: .* exit status 3$/),
      },
    ],
    [
      'an exit without a reason',
      'export const handler = () => process.exit();',
      {
        errorType: 'Runtime.ExitError',
        errorMessage: expect.stringContaining('without providing a reason'),
      },
    ],
    [
      'a bundle that throws while it loads',
      'throw new Error("at load");',
      { errorType: 'Error', errorMessage: 'at load' },
    ],
    [
      'a bundle that imports what is not there',
      'import "./nothing.mjs"; export const handler = () => 1;',
      {
        errorType: 'Runtime.ImportModuleError',
        errorMessage: expect.stringContaining('nothing.mjs'),
      },
    ],
    [
      'a bundle that is no JavaScript',
      'export const handler = (',
      {
        errorType: 'Runtime.UserCodeSyntaxError',
        errorMessage: expect.stringContaining('SyntaxError'),
      },
    ],
    [
      'a bundle without the handler',
      'export const other = () => 1;',
      {
        errorType: 'Runtime.HandlerNotFound',
        errorMessage: expect.stringContaining('index.handler'),
      },
    ],
    [
      'a result that is too large',
      'export const handler = () => "x".repeat(7 * 1024 * 1024);',
      {
        errorType: 'Function.ResponseSizeTooLarge',
        errorMessage: expect.stringContaining('6291456'),
      },
    ],
    [
      'a result that is no JSON',
      'export const handler = () => { const a = {}; a.a = a; return a; };',
      { errorType: 'TypeError', errorMessage: expect.stringContaining('circular') },
    ],
  ])('%s', async (_what, source, error) => {
    const cloud = await cloudWith(source);
    const outcome = await cloud.invoke('Fn', {});
    expect(outcome).toMatchObject({ ok: false, error });
    expect(invocations(cloud)).toMatchObject([{ error }]);
  });

  test.each([
    ['folder/index.handler', 'Runtime.ImportModuleError'],
    ['handler', 'Runtime.MalformedHandlerName'],
  ])('the handler setting %s', async (Handler, errorType) => {
    const cloud = await cloudWith('export const handler = () => 1;', { Handler });
    expect(await cloud.invoke('Fn', {})).toMatchObject({ ok: false, error: { errorType } });
  });

  test('a function that runs over its timeout is killed, busy or not', async () => {
    const cloud = await cloudWith(
      `export const handler = (event) => {
        if (event.spin) for (;;);
        return event.wait ? new Promise(() => setInterval(() => {}, 1000)) : process.pid;
      };`,
      { Timeout: 1 },
    );
    const pid = await cloud.invoke('Fn', {});
    const outcomes = [
      await cloud.invoke('Fn', { wait: true }),
      await cloud.invoke('Fn', { spin: true }),
    ];
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        ok: false,
        error: {
          errorType: 'Sandbox.Timedout',
          errorMessage: `RequestId: ${outcome.requestId} Error: Task timed out after 1.00 seconds`,
        },
      });
    }
    // Neither process is used again.
    const next = await cloud.invoke('Fn', {});
    expect(next.ok && next.result).not.toBe(pid.ok && pid.result);
    expect(() => process.kill(Number(pid.ok && pid.result), 0)).toThrow('ESRCH');
  });

  test('a function that outgrows its memory outside of the heap is killed', async () => {
    const cloud = await cloudWith(
      `const kept = [];
      export const handler = async () => {
        for (;;) {
          kept.push(Buffer.alloc(16 * 1024 * 1024, 1));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      };`,
      { MemorySize: 128, Timeout: 30 },
    );
    expect(await cloud.invoke('Fn', {})).toMatchObject({
      ok: false,
      error: {
        errorType: 'Runtime.OutOfMemory',
        errorMessage: expect.stringContaining('signal: killed'),
      },
    });
    expect(invocations(cloud)[0]?.memoryUsedMbMax).toBeGreaterThan(128);
  });

  test('a function that fills its heap ends', async () => {
    const cloud = await cloudWith(
      `export const handler = () => { const kept = []; for (;;) kept.push(new Array(1000).fill({})); };`,
      { MemorySize: 128, Timeout: 30 },
    );
    const outcome = await cloud.invoke('Fn', {});
    expect(outcome.ok ? '' : outcome.error.errorType).toMatch(/^Runtime\.(OutOfMemory|ExitError)$/);
  });
});

describe('processes', () => {
  test('handle one event at a time, and are used again', async () => {
    const cloud = await cloudWith(
      `let events = 0;
      export const handler = async ({ waitMs = 0 }) => {
        events += 1;
        const before = events;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        return { pid: process.pid, events, alone: before === events };
      };`,
    );
    const results = async (count: number, waitMs: number): Promise<readonly ProcessResult[]> =>
      await Promise.all(
        Array.from({ length: count }, async () => {
          const outcome = await cloud.invoke('Fn', { waitMs });
          return outcome.ok
            ? (outcome.result as ProcessResult)
            : { pid: 0, events: 0, alone: false };
        }),
      );
    const first = await results(3, 1000);
    expect(new Set(first.map(({ pid }) => pid)).size).toBe(3);
    expect(first.every(({ alone }) => alone)).toBe(true);
    const [again] = await results(1, 0);
    expect(first.map(({ pid }) => pid)).toContain(again?.pid);
    expect(again?.events).toBe(2);
    expect(invocations(cloud).filter(({ initMs }) => initMs !== undefined)).toHaveLength(3);
  });

  test('are no more than the reserved concurrency', async () => {
    const cloud = await cloudWith(
      `export const handler = async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        return process.pid;
      };`,
      { ReservedConcurrentExecutions: 1 },
    );
    const outcomes = await Promise.all([1, 2, 3].map(async () => await cloud.invoke('Fn', {})));
    expect(new Set(outcomes.map((outcome) => outcome.ok && outcome.result)).size).toBe(1);
  });

  test('log to whoever listens, with the request', async () => {
    const cloud = await cloudWith(
      `console.log('at load');
      export const handler = () => { console.log('one\\ntwo'); console.error('three'); };`,
    );
    const { requestId } = await cloud.invoke('Fn', {});
    await vi.waitFor(() => {
      const lines = cloud.events.flatMap((event) =>
        event.kind === 'log'
          ? [`${event.function} ${event.requestId === requestId} ${event.line}`]
          : [],
      );
      expect(lines.toSorted()).toEqual([
        expect.stringMatching(/^Fn (true|false) at load$/),
        'Fn true one',
        'Fn true three',
        'Fn true two',
      ]);
    }, patience);
  });
});

interface ProcessResult {
  readonly pid: number;
  readonly events: number;
  readonly alone: boolean;
}

test.each<[object, RegExp]>([
  [{ Runtime: 'python3.13' }, /S\/Fn .*\n.*only Node functions run here/],
  [{ Code: { S3Key: 'other.zip' } }, /S\/Fn: other\.zip is no asset/],
  [{ Handler: undefined }, /Handler/],
])('a function with %j is refused', async (properties, message) => {
  await expect(cloudWith('', { ...properties })).rejects.toThrow(message);
});

test('Ctrl-C, which reaches the functions too, is left to the local cloud', async () => {
  const cloud = await cloudWith(
    `export const handler = async () => {
      process.kill(process.pid, 'SIGINT');
      await new Promise((resolve) => setTimeout(resolve, 50));
      return 'still here';
    };`,
  );
  expect(await cloud.invoke('Fn', {})).toMatchObject({ ok: true, result: 'still here' });
});
