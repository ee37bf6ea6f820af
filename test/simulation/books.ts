/**
 * The books of a run: who was sent what, what arrived where and over what, and whether it all adds up.
 *
 * Every recipient ends as delivered, bounced, or dropped with a record; what arrives twice was said to be taken, and
 * that was never written down; what is refused is never sent; no content goes over a channel that the oracle forbids.
 */
import { createHash } from 'node:crypto';
import { domainOf } from './addresses.ts';
import type { ControlLedger } from './control-ledger.ts';
import { type Account, type HandedIn, judgeEnd } from './ends.ts';
import type { Item } from './expressions.ts';
import { createPolicyLedger } from './known-policies.ts';
import { authorOf, contentMark, isNeverThere, type MessageSpec, readAddress } from './messages.ts';
import type { Arrival } from './network.ts';
import { createOperatorRequests, type OperatorRequests } from './operator-requests.ts';
import { judgeChannel } from './oracle.ts';
import type { SimulatedProcess } from './process.ts';
import { createRowLedger, type RowDemand } from './rows.ts';
import { createSignatureCheck } from './signing.ts';
import type { SimulatedTable } from './table.ts';
import type { Domain } from './truth.ts';

export interface Books {
  readonly violations: readonly string[];
  readonly requests: OperatorRequests;
  /** Something happened that must not. */
  violate(what: string): void;
  specify(spec: MessageSpec): void;
  /** A record went to the dead letters. */
  deadLettered(body: string, reason: string): void;
  /** An operator asked that a dead letter be given up: it may be, and its sender is told where it can be read. */
  letterGivenUp(body: string): void;
  /** A sender was to be told, and what he sent was gone. */
  bodyLost(id: string): void;
  /** Remembers which record is whose. */
  recorded(body: string, spec: MessageSpec): void;
  /** What the client of a message that came by HTTP heard of it in the end. */
  handedIn(spec: MessageSpec, heard: HandedIn): void;
  arrived(arrival: Arrival): void;
  /** An item of the message table was written. */
  rowWritten(item: Item): void;
  policyWritten(item: Item): void;
  /** When nothing is left to happen; unless the run `isWhole`, those who wait need no end. */
  close(options: { readonly isWhole: boolean }): Promise<Summary>;
}

export interface Summary {
  readonly recipients: number;
  readonly delivered: number;
  readonly bounced: number;
  /** Failed, with nobody to tell or nobody who wants to know, or a notification that could not be delivered. */
  readonly dropped: number;
  /** Of records that nobody can deliver. */
  readonly deadLettered: number;
  /** Never taken in: refused, or handed in by a client that gave up. */
  readonly refused: number;
  /** Copies beyond the first. */
  readonly duplicates: number;
  readonly notifications: number;
  /** From submission to the first copy, of recipients that got one; the shortest first. */
  readonly delaysSeconds: readonly number[];
  /** Stands for everything that became of every recipient. */
  readonly digest: string;
}

interface BookOptions {
  readonly nowMs: () => number;
  readonly domains: ReadonlyMap<string, Domain>;
  readonly messages: SimulatedTable;
  readonly controls: ControlLedger;
  /** When the invocation of a process began. */
  readonly sinceMs: (process: SimulatedProcess) => number;
}

/** Within this time of the last reply, what became of a message is written down. */
const settlingMs = 60_000;

/** Violations beyond these tell nothing new. */
const violationsMax = 50;

export function createBooks(options: BookOptions): Books {
  const { nowMs } = options;
  const specs = new Map<number, MessageSpec>();
  const accounts = new Map<string, Account>();
  const bodies = new Map<string, MessageSpec>();
  const deadLettered = new Set<number>();
  const givenUp = new Set<number>();
  const heardOf = new Map<number, HandedIn>();
  /** Ids of rows whose body never was in the bucket: of dead letters that an operator took up, and did not end. */
  const neverThere = new Set<string>();
  const policies = createPolicyLedger(nowMs);
  const signatures = createSignatureCheck((what) => violate(what));
  const violations: string[] = [];
  let duplicates = 0;
  let notifications = 0;

  const violate = (what: string): void => {
    if (violations.length < violationsMax) {
      violations.push(`${new Date(nowMs()).toISOString()} ${what}`);
    }
  };
  const requests = createOperatorRequests((what) => violate(what));
  const rows = createRowLedger({
    requests,
    messages: options.messages,
    specOf: (number) => specs.get(number),
    demandsOf: options.controls.demandsOf,
    violate,
  });

  const judge = (arrival: Arrival, address: string, asked: readonly RowDemand[]): void => {
    const domain = options.domains.get(domainOf(address));
    if (domain === undefined) {
      violate(`content for ${address} reached ${arrival.host.name}, and its domain does not exist`);
      return;
    }
    const sinceMs = options.sinceMs(arrival.process);
    const complaints = asked.map((each) =>
      judgeChannel({
        domain,
        ...each,
        exceptions: options.controls.exceptionsOf(domain.name),
        isInDoubt: arrival.process.failedAtMs.some((ms) => ms >= sinceMs - settlingMs),
        channel: {
          host: arrival.host,
          openedAtMs: arrival.openedAtMs,
          encrypted: arrival.encrypted,
          requireTls: / REQUIRETLS(?: |$)/.test(arrival.part.mail),
        },
        known: policies.of(domain.name),
        sinceMs,
        nowMs: nowMs(),
      }),
    );
    if (complaints.every((complaint) => complaint !== undefined)) {
      violate(
        `forbidden channel to ${arrival.host.name} (${arrival.encrypted ? 'TLS' : 'clear'}) for ${address}, ${asked.map(({ demand }) => demand).join(' or ')}: ${complaints[0]}`,
      );
    }
  };

  const receive = (arrival: Arrival, address: string): void => {
    const account = accounts.get(address);
    const { taken, process } = arrival;
    if (account === undefined || taken === undefined) {
      if (account === undefined) {
        violate(`${address} is nobody's recipient`);
      }
      return;
    }
    const { spec, receptions } = account;
    if (!taken.content.includes(`${contentMark}${spec.number}.`)) {
      violate(`${address} got content that is not message ${spec.number}'s`);
    }
    signatures.arrived(taken.content, {
      number: spec.number,
      from: authorOf(spec),
      isSigned: spec.isSigned,
    });
    const state = rows.stateOf(address);
    if (state !== 'pending') {
      violate(`${address} was sent a message when its row said ${state}`);
    }
    if (rows.isClaimedThoughHeld(address)) {
      violate(`${address} was sent a message that is held`);
    }
    const unexcused = receptions.find(
      (earlier) =>
        earlier.reply.isHeard &&
        !earlier.process.isDead &&
        !earlier.process.failedWrites.has(rows.keyOf(address)?.id ?? '') &&
        // What goes before the row is written may fail, too: the next attempt, or a notification.
        !earlier.process.failedAtMs.some(
          (ms) => ms >= earlier.atMs && ms < earlier.atMs + settlingMs,
        ),
    );
    if (unexcused !== undefined) {
      violate(`${address} was sent a second copy, and nothing had gone wrong with the first`);
    }
    duplicates += receptions.length > 0 ? 1 : 0;
    receptions.push({ process, reply: taken.reply, atMs: nowMs() });
  };

  const receiveNotice = (arrival: Arrival, spec: MessageSpec): void => {
    const { content } = arrival.part;
    const reports = readReports(content);
    const concerned =
      arrival.taken === undefined
        ? spec.recipients.map(({ address }) => address)
        : reports.map(({ address }) => address);
    judge(arrival, spec.mailFrom, [
      ...demandsOfNotice(content, concerned.map(rows.demandsEver)),
      ...rows.noticesOverridden(spec),
    ]);
    if (arrival.taken === undefined) {
      return;
    }
    notifications += 1;
    signatures.arrived(content, { number: spec.number, isSigned: false });
    for (const { address, action } of reports) {
      const account = accounts.get(address);
      if (account !== undefined && action === 'failed') {
        account.isBounced = true;
        if (account.spec.number !== spec.number) {
          violate(`${spec.mailFrom} was told of ${address}, which is not its own`);
        }
      }
    }
  };

  return {
    violations,
    requests,
    violate,
    specify: (spec) => {
      specs.set(spec.number, spec);
      for (const recipient of spec.recipients) {
        accounts.set(recipient.address, { spec, recipient, receptions: [], isBounced: false });
      }
    },
    recorded: (body, spec) => {
      if (spec.poison !== undefined) {
        bodies.set(withoutIdentity(body), spec);
      }
    },
    deadLettered: (body, reason) => {
      const spec = bodies.get(withoutIdentity(body));
      if (spec === undefined) {
        violate(`a good record went to the dead letters: ${reason}: ${body.slice(0, 200)}`);
        return;
      }
      deadLettered.add(spec.number);
    },
    letterGivenUp: (body) => {
      const spec = bodies.get(withoutIdentity(body));
      if (spec === undefined) {
        violate(`a good record was given up: ${body.slice(0, 200)}`);
        return;
      }
      givenUp.add(spec.number);
    },
    bodyLost: (id) => {
      if (!neverThere.has(id)) {
        violate(`the body of ${id} was gone when its sender was to be told`);
      }
    },
    handedIn: (spec, heard) => {
      heardOf.set(spec.number, heard);
    },
    arrived: (arrival) => {
      for (const address of arrival.part.recipients) {
        const read = readAddress(address);
        const spec = read && specs.get(read.number);
        if (read === undefined || spec === undefined) {
          violate(`content for ${address}, whom nobody wrote to`);
        } else if (read.isSender) {
          receiveNotice(arrival, spec);
        } else {
          judge(arrival, address, demandsOf(spec, rows.demandOf(address)));
          receive(arrival, address);
        }
      }
    },
    rowWritten: (item) => {
      if (isNeverThere(item['content']?.S ?? '')) {
        neverThere.add(item['id']?.S ?? '');
      }
      rows.written(item);
      requests.written(item);
    },
    policyWritten: policies.written,
    close: async ({ isWhole }) => {
      await signatures.finish();
      const counts = { delivered: 0, bounced: 0, dropped: 0, deadLettered: 0, refused: 0 };
      const delays: number[] = [];
      const lines: string[] = [];
      for (const [address, account] of accounts) {
        const end = judgeEnd(account, {
          state: rows.stateOf(address),
          isDeadLettered: deadLettered.has(account.spec.number),
          isGivenUp: givenUp.has(account.spec.number),
          heard: heardOf.get(account.spec.number),
          noticeStates: rows.noticeStates(account.spec),
          cancelled: rows.cancelledOf(address),
        });
        if (end in counts) {
          counts[end as keyof typeof counts] += 1;
        } else if (isWhole) {
          violate(`${address} of message ${account.spec.number}: ${end}`);
        }
        const [first] = account.receptions;
        if (first !== undefined) {
          delays.push((first.atMs - account.spec.atMs) / 1_000);
        }
        lines.push(`${address} ${end} ${account.receptions.map(({ atMs }) => atMs).join()}`);
      }
      delays.sort((a, b) => a - b);
      return {
        recipients: accounts.size,
        ...counts,
        duplicates,
        notifications,
        delaysSeconds: delays,
        digest: createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16),
      };
    },
  };
}

/** The value below which that share of a list lies, which is sorted. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? 0;
}

/** RFC 8689 §4.2.1, §5: with an empty return-path there is nobody to send a message back to, so it may go on without. */
function demandsOf({ mailFrom }: MessageSpec, asked: RowDemand | undefined): readonly RowDemand[] {
  const demands = asked === undefined ? [] : [asked];
  return asked?.demand === 'require' && mailFrom === ''
    ? [asked, { demand: 'default', explicit: false }]
    : demands;
}

/**
 * RFC 8689 §5: what a notification quotes is protected as the message was; where nothing is quoted, nothing has to be.
 */
function demandsOfNotice(
  content: string,
  told: readonly (readonly RowDemand[])[],
): readonly RowDemand[] {
  const isRedacted = !content.includes(contentMark);
  return told.flatMap((ever) => {
    // By the stricter of what its message was accepted with and what an operator has made of that at some time.
    const [accepted] = ever;
    return ever.flatMap(({ demand, explicit }): readonly RowDemand[] => {
      const strict = [accepted?.demand, demand];
      if (!strict.includes('require')) {
        return [{ demand: strict.includes('default') ? 'default' : 'optional', explicit }];
      }
      // It asks by itself, whoever asked for its message.
      const full = { demand: 'require', explicit: true } as const;
      return isRedacted ? [full, { demand: 'default', explicit: false }] : [full];
    });
  });
}

/** What a notification says of each recipient (RFC 3464 §2.3). */
function readReports(content: string): readonly { address: string; action: string }[] {
  return content.split('\r\n\r\n').flatMap((block) => {
    const address = /^Final-Recipient: *(?:rfc822|utf-8); *(\S+)/im.exec(block)?.[1];
    const action = /^Action: *(\w+)/im.exec(block)?.[1]?.toLowerCase();
    return address === undefined || action === undefined ? [] : [{ address, action }];
  });
}

/** A record as its sender wrote it: a letter says by which id and times its message is known as well. */
function withoutIdentity(body: string): string {
  try {
    const { mailFrom, rcptTo, content } = JSON.parse(body);
    return JSON.stringify([mailFrom, rcptTo, content]);
  } catch {
    // Poison that is not JSON goes to the dead letters as it is.
    return body;
  }
}
