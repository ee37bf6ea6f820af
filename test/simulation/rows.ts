/** The rows of deliveries, as the books see them: whose they are, what they say, and what they may demand. */
import { domainOf } from './addresses.ts';
import type { Item } from './expressions.ts';
import { type MessageSpec, readAddress } from './messages.ts';
import { isInAdvance, type OperatorRequests, readRow } from './operator-requests.ts';
import type { SimulatedTable } from './table.ts';
import type { Demand } from './truth.ts';

/** What a row demands of its channels. */
export interface RowDemand {
  readonly demand: Demand;
  readonly explicit: boolean;
}

interface RowKey {
  readonly id: string;
  readonly part: string;
}

export interface RowLedger {
  /** An item of the message table was written. */
  written(item: Item): void;
  /** The row of a recipient, once there is one. */
  keyOf(address: string): RowKey | undefined;
  stateOf(address: string): string | undefined;
  /** How an operator ended it for him, if one did (see `OperatorRequests`). */
  cancelledOf(address: string): ReturnType<OperatorRequests['readCancelled']>;
  /** Whether what goes out now was begun while an operator held it. */
  isClaimedThoughHeld(address: string): boolean;
  /** What holds for a recipient now; undefined while there is no row. */
  demandOf(address: string): RowDemand | undefined;
  /** What has held for him ever, as accepted first. */
  demandsEver(address: string): readonly RowDemand[];
  /** What an operator has made notifications of a message demand. */
  noticesOverridden(spec: MessageSpec): readonly RowDemand[];
  /** The states of what the sender of a message was told. */
  noticeStates(spec: MessageSpec): readonly (string | undefined)[];
}

interface RowLedgerOptions {
  readonly messages: SimulatedTable;
  readonly specOf: (number: number) => MessageSpec | undefined;
  /** What a message may demand at a domain whose row is first written now. */
  readonly demandsOf: (spec: MessageSpec, domain: string) => ReadonlySet<Demand>;
  readonly requests: OperatorRequests;
  readonly violate: (what: string) => void;
}

export function createRowLedger(options: RowLedgerOptions): RowLedger {
  const { messages, violate } = options;
  /** By the address of each recipient. */
  const rows = new Map<string, RowKey>();
  /** What each row has demanded, as JSON, by its key; the last holds. */
  const demands = new Map<string, readonly string[]>();
  /** Rows of notifications, by the number of the message. */
  const notices = new Map<number, RowKey[]>();

  const itemOf = (address: string): Item | undefined => {
    const key = rows.get(address);
    return key && messages.find(key.id, key.part);
  };
  const stateIn = (key: RowKey | undefined, address: string): string | undefined => {
    const row = key && messages.find(key.id, key.part);
    return recipientsOf(row).find((each) => each.address === address)?.state;
  };
  const readDemands = ({ id, part }: RowKey): readonly RowDemand[] =>
    (demands.get(`${id} ${part}`) ?? []).map((each) => JSON.parse(each) as RowDemand);
  const demandsEver = (address: string): readonly RowDemand[] => {
    const key = rows.get(address);
    return key === undefined ? [] : readDemands(key);
  };
  const assign = (address: string, key: RowKey, demand: RowDemand): void => {
    const read = readAddress(address);
    if (read?.isSender === true) {
      notices.set(read.number, [...(notices.get(read.number) ?? []), key]);
      return;
    }
    if (rows.has(address)) {
      violate(`${address} has two rows`);
    }
    rows.set(address, key);
    const spec = read && options.specOf(read.number);
    if (spec !== undefined) {
      checkDemand(address, spec, demand);
    }
  };
  const checkDemand = (address: string, spec: MessageSpec, row: RowDemand): void => {
    const allowed = options.demandsOf(spec, domainOf(address));
    // Of what cannot be read nobody knows what it asked for: then the most is.
    const isUnreadable = spec.poison !== undefined && row.demand === 'require';
    if (!allowed.has(row.demand) && !isUnreadable) {
      violate(
        `the row of ${address} says ${row.demand}, and ${[...allowed].join(' or ')} is asked`,
      );
    }
    if (row.explicit !== spec.explicit) {
      violate(`the row of ${address} says explicit: ${row.explicit}`);
    }
  };

  const checkOverride = (item: Item, { demand, explicit }: RowDemand): void => {
    if (!options.requests.isOverridden(readRow(item), demand)) {
      violate(`${item['id']?.S} demands ${demand} now, by nobody's word`);
    }
    if (explicit !== (demand === 'require')) {
      violate(`${item['id']?.S} demands ${demand} now, explicit: ${explicit}`);
    }
  };

  return {
    written: (item) => {
      const id = item['id']?.S ?? '';
      const part = item['part']?.S ?? '';
      if (!part.startsWith('delivery#') || isInAdvance(item)) {
        return;
      }
      const demand = item['demand']?.S ?? '';
      const known = demands.get(`${id} ${part}`) ?? [];
      if (known.at(-1) === demand) {
        return;
      }
      const accepted = known.length > 0 ? undefined : acceptedDemandOf(item);
      const before = accepted === undefined || accepted === demand ? known : [accepted];
      demands.set(`${id} ${part}`, [...before, demand]);
      if (before.length > 0) {
        checkOverride(item, JSON.parse(demand) as RowDemand);
      }
      for (const { address } of accepted === undefined ? [] : recipientsOf(item)) {
        assign(address, { id, part }, JSON.parse(accepted ?? '') as RowDemand);
      }
    },
    keyOf: (address) => rows.get(address),
    stateOf: (address) => stateIn(rows.get(address), address),
    cancelledOf: (address) => {
      const item = itemOf(address);
      const found = recipientsOf(item).find((each) => each.address === address);
      return item && options.requests.readCancelled(readRow(item), found?.diagnostic ?? '');
    },
    isClaimedThoughHeld: (address) => {
      const item = itemOf(address);
      return item !== undefined && options.requests.isClaimedThoughHeld(readRow(item));
    },
    demandOf: (address) => demandsEver(address).at(-1),
    demandsEver,
    noticesOverridden: ({ number }) =>
      (notices.get(number) ?? []).flatMap((key) => readDemands(key).slice(1)),
    noticeStates: ({ number, mailFrom }) =>
      (notices.get(number) ?? []).map((key) => stateIn(key, mailFrom)),
  };
}

/** As a row says it, which may have been overridden before it was made. */
function acceptedDemandOf(row: Item): string {
  const { prepared } = JSON.parse(row['envelope']?.S ?? '{}') as {
    prepared: RowDemand & { demandReason: string };
  };
  const { demand, demandReason, explicit } = prepared;
  return JSON.stringify({ demand, demandReason, explicit });
}

function recipientsOf(
  row: Item | undefined,
): readonly { readonly address: string; readonly state: string; readonly diagnostic?: string }[] {
  return JSON.parse(row?.['recipients']?.S ?? '[]');
}
