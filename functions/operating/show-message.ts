/** Shows a message: as it was submitted, and each of its deliveries with recipients, attempts and actions. */
import type { WholeMessage } from '../submission/whole-message.ts';
import type { MessageControl, StoredMessage } from './ports.ts';

export interface ShownMessage {
  readonly id: string;
  /** Absent for a part, and where the message was not kept as a whole. */
  readonly whole?: WholeMessage;
  /** What is kept of each part, under the part's id; those of which nothing is are left out. */
  readonly parts: readonly StoredMessage[];
  /** Parts of the whole beyond those that are shown. */
  readonly omittedParts: number;
}

/** Each may have a row of 400 KB; Lambda answers with 6 MB. */
const shownPartsMax = 50;

/**
 * Everything that is kept of a message, whole or part, strongly consistent; undefined where nothing is.
 *
 * @throws {TransportSecurityError} `store-unavailable`, `store-damaged`
 */
export async function showMessage(
  id: string,
  control: Pick<MessageControl, 'readMessage'>,
): Promise<ShownMessage | undefined> {
  const stored = await control.readMessage(id);
  if (stored === undefined) {
    return undefined;
  }
  const { whole } = stored;
  const own = withoutOtherNames(stored);
  const ids = (whole?.parts ?? []).map((part) => part.id).filter((part) => part !== id);
  const others = await Promise.all(
    ids.slice(0, shownPartsMax).map((part) => control.readMessage(part)),
  );
  return {
    id,
    ...(whole !== undefined && { whole }),
    parts: [
      ...(own.deliveries.length + own.advance.length > 0 ? [own] : []),
      ...others.filter((part) => part !== undefined),
    ],
    omittedParts: Math.max(0, ids.length - shownPartsMax),
  };
}

/** What was asked of it before it was known to be split is noted under its parts as well, and under its own id means nothing. */
function withoutOtherNames(stored: StoredMessage): StoredMessage {
  const { id, whole, advance } = stored;
  return {
    ...stored,
    advance: advance.filter(
      ({ domain }) =>
        whole === undefined || whole.parts.some((part) => part.id === id && part.domain === domain),
    ),
  };
}
