/** How commands end, by sysexits.h. */

/** The command was used wrongly. */
export const exUsage = 64;

/** What was given is not as it must be, or proves to be false. */
export const exDataErr = 65;

/** What was named is not there. */
export const exNoInput = 66;

/** It was done in part or not at all, and doing it again would not help. */
export const exUnavailable = 69;

/** A table holds what nobody wrote. */
export const exSoftware = 70;

/** Not now: try again. */
export const exTempFail = 75;

/** There is no installation to operate. */
export const exConfig = 78;
