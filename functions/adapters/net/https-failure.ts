/** Why an exchange over HTTPS brought no answer. */

/** `too-large`: there is an answer, and it goes on beyond what is taken. */
export class HttpsFailure extends Error {
  readonly kind: 'certificate' | 'too-large' | 'timeout' | 'connection';

  constructor(kind: HttpsFailure['kind'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'HttpsFailure';
    this.kind = kind;
  }
}

/** What undici rejected with, once `signal`, which bounds the exchange, is taken into account. */
export function toHttpsFailure(error: unknown, signal: AbortSignal): HttpsFailure {
  if (error instanceof HttpsFailure) {
    return error;
  }
  if (signal.aborted) {
    return new HttpsFailure('timeout', 'the time is over', error);
  }
  const tooLarge = error instanceof Error && codeOf(error) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE';
  return new HttpsFailure(tooLarge ? 'too-large' : 'connection', describeError(error), error);
}

/** The message of an error, and its code where the message does not have it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = codeOf(error);
  return code === undefined || error.message.includes(code)
    ? error.message
    : `${code}: ${error.message}`;
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
