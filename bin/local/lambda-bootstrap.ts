/**
 * The runtime of one function process: loads the handler, and calls it for each event that the parent sends.
 *
 * Runs in the child, with the function's environment and nothing else; imports nothing of this project, so that
 * its memory is the function's.
 */
import { access } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FunctionError } from './events.ts';

/** One event for the handler. */
export interface InvokeMessage {
  readonly requestId: string;
  /** JSON. */
  readonly event: string;
  /** Unix time in milliseconds at which the process is killed. */
  readonly deadlineMs: number;
  readonly functionArn: string;
}

/** What the child answers: once when the handler is loaded, then once for each {@link InvokeMessage}. */
export type ChildMessage =
  | { readonly type: 'result' /** JSON. */; readonly payload: string }
  | { readonly type: 'error'; readonly error: FunctionError }
  /** The process is no longer of use; the parent kills it. */
  | { readonly type: 'fatal'; readonly error: FunctionError };

type Handler = (event: unknown, context: unknown) => unknown;

/** What the runtime itself finds wrong with a bundle. */
class RuntimeError extends Error {
  readonly errorType: string;

  constructor(errorType: string, message: string) {
    super(message);
    this.errorType = errorType;
  }
}

// No function outlives the local cloud, not even when that is killed.
process.on('disconnect', () => process.exit());
// Ctrl-C reaches the whole process group; it is the local cloud that ends the functions then.
process.on('SIGINT', () => {});
process.on('uncaughtException', (error) => send({ type: 'fatal', error: describeError(error) }));
process.on('unhandledRejection', (reason) => {
  const { errorMessage, trace } = describeError(reason);
  send({
    type: 'fatal',
    error: { errorType: 'Runtime.UnhandledPromiseRejection', errorMessage, trace: trace ?? [] },
  });
});

loadHandler(process.env['LAMBDA_TASK_ROOT'] ?? '', process.env['_HANDLER'] ?? '').then(
  (handler) => {
    process.on('message', (message) => {
      void answer(handler, message as InvokeMessage);
    });
    send({ type: 'result', payload: 'null' });
  },
  (error: unknown) => send({ type: 'fatal', error: describeLoadError(error) }),
);

async function answer(handler: Handler, message: InvokeMessage): Promise<void> {
  try {
    const result = await handler(JSON.parse(message.event), contextOf(message));
    send({ type: 'result', payload: JSON.stringify(result) ?? 'null' });
  } catch (error) {
    send({ type: 'error', error: describeError(error) });
  }
}

/** The context object of the Node runtime, as far as it does not belong to mobile clients. */
function contextOf({ requestId, deadlineMs, functionArn }: InvokeMessage): object {
  const { env } = process;
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env['AWS_LAMBDA_FUNCTION_NAME'],
    functionVersion: env['AWS_LAMBDA_FUNCTION_VERSION'],
    memoryLimitInMB: env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'],
    logGroupName: env['AWS_LAMBDA_LOG_GROUP_NAME'],
    logStreamName: env['AWS_LAMBDA_LOG_STREAM_NAME'],
    invokedFunctionArn: functionArn,
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  };
}

/** Finds `folder/file.export` as the Node runtime does: the file's extension is not part of the setting. */
async function loadHandler(root: string, setting: string): Promise<Handler> {
  const [, stem, exportPath] = /^(.*?[^/.]*)\.([^/]+)$/.exec(setting) ?? [];
  if (stem === undefined || exportPath === undefined) {
    throw new RuntimeError('Runtime.MalformedHandlerName', `Bad handler ${setting}`);
  }
  const file = await findModule(path.join(root, stem));
  const module: unknown = await import(pathToFileURL(file).href);
  const handler = exportPath
    .split('.')
    .reduce<unknown>(
      (value, name) => (value as Record<string, unknown> | undefined)?.[name],
      module,
    );
  if (typeof handler !== 'function') {
    throw new RuntimeError('Runtime.HandlerNotFound', `${setting} is undefined or not exported`);
  }
  return handler as Handler;
}

async function findModule(stem: string): Promise<string> {
  for (const extension of ['.js', '.mjs', '.cjs']) {
    try {
      await access(stem + extension);
      return stem + extension;
    } catch {
      // Not this one; the error below tells when it was none.
    }
  }
  throw new RuntimeError(
    'Runtime.ImportModuleError',
    `Error: Cannot find module '${path.basename(stem)}'`,
  );
}

function describeLoadError(error: unknown): FunctionError {
  const described = describeError(error);
  if (error instanceof RuntimeError) {
    return { ...described, errorType: error.errorType };
  }
  if (error instanceof SyntaxError) {
    return {
      ...described,
      errorType: 'Runtime.UserCodeSyntaxError',
      errorMessage: String(error),
    };
  }
  if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') {
    return { ...described, errorType: 'Runtime.ImportModuleError', errorMessage: String(error) };
  }
  return described;
}

function describeError(error: unknown): FunctionError {
  if (!(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return {
    errorType: error.name,
    errorMessage: error.message,
    trace: error.stack?.split('\n') ?? [],
  };
}

function send(message: ChildMessage): void {
  // The parent may have gone in between; then there is nobody to tell, and `disconnect` ends the process.
  if (process.connected) {
    process.send?.(message);
  }
}
