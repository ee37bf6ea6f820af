/** Limits of a message that several rooms have to keep, each in one place. docs/operations.md lists them. */

/** The largest message, octets, as handed in and with CRLF at its line ends: 40 MiB. */
export const contentBytesMax: number = 40 * 1_024 * 1_024;

/** The largest that is kept of one: acceptance adds trace lines, fields that are missing, and signatures. */
export const keptBytesMax: number = contentBytesMax + 1_024 * 1_024;

/**
 * How long a message may wait, days. With the fourteen that it may lie among the dead letters it stays below the thirty
 * after which its body is removed whatever happens.
 */
export const expiryDaysMax = 12;

/** Attempts of one delivery. Settings that could ask for more are refused, and a message that comes so far is given up. */
export const attemptsMax = 10_000;

/** Recipients of one delivery as JSON, octets, when its row is made: about 2,000 of a common length. */
export const deliveryRecipientsBytesMax = 256_000;
