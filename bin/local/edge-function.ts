/**
 * CloudFront Functions (`AWS::CloudFront::Function`, runtime cloudfront-js-2.0): the stack's own code between viewer
 * and cache.
 *
 * Key-value stores and the `cloudfront` module are not there; code that imports one does not compile here.
 */
import { createContext, Script } from 'node:vm';
import { z } from 'zod';
import { LocalCloudError } from './template.ts';

/** What CloudFront allows. */
const codeBytesMax = 10 * 1024;

/** CloudFront allows about a millisecond of CPU; this only ends what would not end. */
const runTimeoutMs = 200;

/** A header, cookie or query parameter, as the functions see it. */
export interface EdgeValue {
  readonly value: string;
  readonly multiValue?: readonly { readonly value: string }[] | undefined;
}

export type EdgeValues = Readonly<Record<string, EdgeValue>>;

/** A request, as the functions see it. */
export interface EdgeFunctionRequest {
  readonly method: string;
  readonly uri: string;
  readonly querystring: EdgeValues;
  readonly headers: EdgeValues;
  readonly cookies: EdgeValues;
}

/** A response, as the functions make it. */
export interface EdgeFunctionResponse {
  readonly statusCode: number;
  readonly statusDescription?: string | undefined;
  readonly headers: EdgeValues;
  readonly body?: string | { readonly encoding: string; readonly data: string } | undefined;
}

/** What a function on viewer requests decides. */
export type EdgeVerdict =
  | { readonly kind: 'request'; readonly request: EdgeFunctionRequest }
  | { readonly kind: 'response'; readonly response: EdgeFunctionResponse }
  /** It threw, ran too long, or returned what CloudFront refuses. */
  | { readonly kind: 'failed'; readonly reason: string };

/** A compiled function. */
export type EdgeFunction = (event: Readonly<Record<string, unknown>>) => EdgeVerdict;

const valuesSchema: z.ZodType<EdgeValues> = z.record(
  z.string(),
  z.looseObject({
    value: z.coerce.string(),
    multiValue: z.array(z.looseObject({ value: z.string() })).optional(),
  }),
);

const responseSchema = z.looseObject({
  statusCode: z.int().min(100).max(599),
  statusDescription: z.string().optional(),
  headers: valuesSchema.default({}),
  body: z.union([z.string(), z.object({ encoding: z.string(), data: z.string() })]).optional(),
});

const requestSchema = z.looseObject({
  method: z.string(),
  uri: z.string().startsWith('/'),
  querystring: valuesSchema.default({}),
  headers: valuesSchema.default({}),
  cookies: valuesSchema.default({}),
});

/**
 * Compiles the code of a function.
 *
 * @param name - for messages
 * @throws LocalCloudError for code that does not compile, or is longer than CloudFront takes
 */
export function compileEdgeFunction(name: string, code: string): EdgeFunction {
  if (Buffer.byteLength(code) > codeBytesMax) {
    throw new LocalCloudError(`${name}: CloudFront takes ${codeBytesMax} bytes of code at most`);
  }
  const script = compile(name, code);
  return (event) => {
    const output = run(script, event);
    if ('failure' in output) {
      return { kind: 'failed', reason: output.failure };
    }
    const { value } = output;
    const isResponse = typeof value === 'object' && value !== null && 'statusCode' in value;
    const parsed = isResponse ? responseSchema.safeParse(value) : requestSchema.safeParse(value);
    if (!parsed.success) {
      return { kind: 'failed', reason: z.prettifyError(parsed.error) };
    }
    return 'statusCode' in parsed.data
      ? { kind: 'response', response: responseSchema.parse(value) }
      : { kind: 'request', request: requestSchema.parse(value) };
  };
}

function compile(name: string, code: string): Script {
  try {
    // What goes in and out is text, so that the function shares no object with this process.
    return new Script(
      `const console = { log() {}, error() {} };
${code}
;(async () => handler(JSON.parse(input)))().then(
  (value) => { output = JSON.stringify(value); },
  (error) => { failure = String(error); },
);`,
      { filename: name, lineOffset: -1 },
    );
  } catch (cause) {
    throw new LocalCloudError(`${name} does not compile: ${String(cause)}`, { cause });
  }
}

function run(
  script: Script,
  event: Readonly<Record<string, unknown>>,
): { readonly value: unknown } | { readonly failure: string } {
  const globals: { input: string; output?: string; failure?: string } = {
    input: JSON.stringify(event),
  };
  try {
    const context = createContext(globals, {
      codeGeneration: { strings: false, wasm: false },
      // What an async function awaits is part of its run, and of its time.
      microtaskMode: 'afterEvaluate',
    });
    script.runInContext(context, { timeout: runTimeoutMs });
  } catch (error) {
    return { failure: String(error) };
  }
  return globals.output === undefined
    ? { failure: globals.failure ?? 'it returned nothing' }
    : { value: JSON.parse(globals.output) };
}
