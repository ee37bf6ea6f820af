/** What was met on the way from host to host: for the `why` record, and for the verdict when no host is left. */
import { failures } from '../protocol/errors.ts';
import type { HostFailure, HostFailures } from './conclude.ts';
import type { DaneNote, FailureNote, HostNote, TryNote } from './why.ts';

/** What was met on the way, host by host. */
export interface HostLog {
  /** For the `why` record: with the hosts of the plans before this one. */
  readonly noted: () => readonly HostNote[];
  /** The row of the channel table that held for the last host. */
  readonly row: string;
  /** The time was over before every host was tried. */
  readonly outOfTime: boolean;
  /** A channel was opened that a message may use. */
  readonly hasOpened: boolean;
  /** Of this plan alone. */
  readonly failures: () => HostFailures[];
}

export interface MutableHostLog extends HostLog {
  readonly hosts: MutableHostNote[];
  row: string;
  outOfTime: boolean;
  hasOpened: boolean;
}

/** A connection that was tried; the `why` record has no more of a refusal than its one line. */
export interface Try extends TryNote {
  readonly failure?: HostFailure;
}

/** A host's line while it is tried. */
export interface MutableHostNote extends HostNote {
  readonly tries: Try[];
  skipped?: FailureNote;
  dane?: DaneNote;
}

/** An empty log, filled by {@link openChannels}. `earlier` is what the plans before this one have noted. */
export function createHostLog(earlier: readonly HostNote[] = []): MutableHostLog {
  const hosts: MutableHostNote[] = [];
  return {
    hosts,
    noted: () => [...earlier, ...hosts.map(withoutRefusals)],
    row: 'no host',
    outOfTime: false,
    hasOpened: false,
    failures: () =>
      hosts
        .map(({ host, skipped, tries }) => ({
          host,
          isTried: tries.length > 0,
          failures: [
            ...(skipped === undefined ? [] : [skipped]),
            ...tries.flatMap(({ failure }) => (failure === undefined ? [] : [failure])),
          ],
        }))
        .filter((host) => host.failures.length > 0),
  };
}

function withoutRefusals({ tries, ...note }: MutableHostNote): HostNote {
  return {
    ...note,
    tries: tries.map(({ failure, ...rest }) =>
      failure === undefined ? rest : { ...rest, failure: withResultType(failure) },
    ),
  };
}

/** A failure with the result type that TLS reports give it (RFC 8460 §4.3). */
export function withResultType({ code, reason }: FailureNote): FailureNote {
  const { resultType } = failures[code];
  return { code, reason, ...(resultType === null ? {} : { resultType }) };
}
