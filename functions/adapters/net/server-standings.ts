/** Which of several servers is asked first, by how they have behaved lately. */

/** How long a server is asked last after a first failure; doubles with each further one. */
const restMs = 5_000;
const restMsMax = 300_000;

/**
 * The order of servers. It changes with failures that concern the connection to a server, and none of them is ever left
 * out: whoever owns a domain can have a server be slow to answer for it.
 */
export interface ServerStandings<S> {
  /** Those in good standing as they were given, then those that rest, then `last`. */
  order(nowMs: number, last: ReadonlySet<S>): readonly S[];
  succeeded(server: S): void;
  /** `askedAtMs`: when the exchange began that failed. */
  failed(server: S, times: { readonly askedAtMs: number; readonly nowMs: number }): void;
}

interface Standing {
  failures: number;
  failedAtMs: number;
  restsUntilMs: number;
}

export function createServerStandings<S>(servers: readonly S[]): ServerStandings<S> {
  const standings = new Map<S, Standing>();
  return {
    order(nowMs, last) {
      const rank = (server: S): number => {
        const rests = (standings.get(server)?.restsUntilMs ?? nowMs) > nowMs;
        return (last.has(server) ? 2 : 0) + (rests ? 1 : 0);
      };
      return servers.toSorted((a, b) => rank(a) - rank(b));
    },
    succeeded(server) {
      standings.delete(server);
    },
    failed(server, { askedAtMs, nowMs }) {
      const known = standings.get(server);
      // Exchanges that ran side by side fail for one cause, which counts once.
      if (known !== undefined && askedAtMs < known.failedAtMs) {
        return;
      }
      const failures = (known?.failures ?? 0) + 1;
      standings.set(server, {
        failures,
        failedAtMs: nowMs,
        restsUntilMs: nowMs + Math.min(restMs * 2 ** (failures - 1), restMsMax),
      });
    },
  };
}
