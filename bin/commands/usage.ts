/** A command line that cannot be obeyed; the message says why. Status 64 (sysexits.h EX_USAGE). */
export class UsageError extends Error {}
