/** Finding resources by the names that the CDK app gives them. */

/**
 * Picks the one item with a logical id: the id itself, the id and the eight hexadecimal characters that the CDK
 * appends, or else the only one that starts with it.
 *
 * @param what - for the message: 'function', 'schedule'
 * @throws RangeError if there is none or more than one
 */
export function pickByLogicalId<T extends { readonly logicalId: string }>(
  items: readonly T[],
  logicalId: string,
  what: string,
): T {
  const kinds: readonly ((candidate: string) => boolean)[] = [
    (candidate) => candidate === logicalId,
    (candidate) =>
      candidate.startsWith(logicalId) && /^[0-9A-F]{8}$/.test(candidate.slice(logicalId.length)),
    (candidate) => candidate.startsWith(logicalId),
  ];
  for (const fits of kinds) {
    const [found, ...more] = items.filter((item) => fits(item.logicalId));
    if (found !== undefined && more.length === 0) {
      return found;
    }
    if (found !== undefined) {
      const ids = [found, ...more].map((item) => item.logicalId).join(', ');
      throw new RangeError(`${logicalId} may be any ${what} of ${ids}`);
    }
  }
  const ids = items.map((item) => item.logicalId).join(', ');
  throw new RangeError(`there is no ${what} ${logicalId}, only ${ids}`);
}
