/** What the operator of the queue has asked for, and so what may become of which row. */
import type { Selection } from '../../functions/operating/act-on-queue.ts';
import type { Deed } from '../../functions/operating/delivery-actions.ts';
import type { Chance } from './chance.ts';
import type { Item } from './expressions.ts';
import type { Demand } from './truth.ts';

/** A row that is not finished. */
export interface OpenRow {
  readonly id: string;
  readonly domain: string;
  readonly wholeId?: string;
  readonly mailFrom: string;
}

interface Request {
  readonly selection: Selection;
  readonly deed: Deed;
  /** Everything that was to be done is done, and noted. */
  isDone: boolean;
}

export interface OperatorRequests {
  begin(selection: Selection, deed: Deed): { readonly reason: string; readonly end: () => void };
  /** An item of the message table was written. */
  written(item: Item): void;
  /** One of the rows that are not finished. */
  pickRow(chance: Chance): OpenRow | undefined;
  isAnyHeld(): boolean;
  /** Whether a demand was asked for in the place of another one. */
  isOverridden(row: OpenRow, demand: Demand): boolean;
  /**
   * How a recipient was cancelled, by what his row says of him: undefined where he was not, and a text where nobody has
   * asked for that, or nothing of it was noted.
   */
  readCancelled(
    row: OpenRow,
    diagnostic: string,
  ): { readonly isSilent: boolean } | string | undefined;
  /** Whether the row was claimed for an attempt while it was held. */
  isClaimedThoughHeld(row: OpenRow): boolean;
}

const cancelled = /cancelled by the operator of the sending system: request (\d+)/;

export function createOperatorRequests(violate: (what: string) => void): OperatorRequests {
  const requests: Request[] = [];
  const open = new Map<string, OpenRow>();
  /** Rows of which an operator's deed is noted, with the deed. */
  const noted = new Set<string>();
  const held = new Set<string>();
  const tokens = new Map<string, string | undefined>();
  const claimedThoughHeld = new Set<string>();

  const noteHold = (row: OpenRow, key: string, item: Item): void => {
    const isHeld = item['held'] !== undefined;
    const isFinished = item['removeAtSeconds'] !== undefined;
    if (isHeld !== held.has(key) && !isFinished) {
      const action = isHeld ? 'hold' : 'release';
      if (
        !requests.some(({ selection, deed }) => deed.action === action && selects(selection, row))
      ) {
        violate(`${key}: ${action}, by nobody's word`);
      }
    }
    const token = item['token']?.S;
    if (token !== tokens.get(key)) {
      tokens.set(key, token);
      // Cancelling may claim what is held; an attempt may not.
      if (isHeld && held.has(key) && token !== undefined) {
        claimedThoughHeld.add(key);
      } else {
        claimedThoughHeld.delete(key);
      }
    }
    if (isHeld) {
      held.add(key);
    } else {
      held.delete(key);
    }
  };

  return {
    begin: (selection, deed) => {
      const request = { selection, deed, isDone: false };
      requests.push(request);
      return {
        reason: `request ${requests.length - 1}`,
        end: () => {
          request.isDone = true;
        },
      };
    },
    written: (item) => {
      const part = item['part']?.S ?? '';
      if (part.startsWith('action#')) {
        const { domain, action } = JSON.parse(item['action']?.S ?? '{}');
        noted.add(`${item['id']?.S} ${domain} ${action}`);
      }
      if (!part.startsWith('delivery#')) {
        return;
      }
      const row = readRow(item);
      const key = keyOf(row);
      noteHold(row, key, item);
      if (item['removeAtSeconds'] === undefined) {
        open.set(key, row);
      } else {
        open.delete(key);
        tokens.delete(key);
        claimedThoughHeld.delete(key);
      }
    },
    pickRow: (chance) => (open.size === 0 ? undefined : chance.pick([...open.values()])),
    isAnyHeld: () => held.size > 0,
    isOverridden: (row, demand) =>
      requests.some(
        ({ selection, deed }) =>
          deed.action === 'override' && deed.demand === demand && selects(selection, row),
      ),
    readCancelled: (row, diagnostic) => {
      const [, number] = cancelled.exec(diagnostic) ?? [];
      if (number === undefined) {
        return undefined;
      }
      const request = requests[Number(number)];
      if (request?.deed.action !== 'cancel' || !selects(request.selection, row)) {
        return `cancelled by request ${number}, which asked for something else`;
      }
      if (request.isDone && !noted.has(`${row.id} ${row.domain} cancel`)) {
        return `cancelled by request ${number}, and that is not noted`;
      }
      return { isSilent: !request.deed.bounce };
    },
    isClaimedThoughHeld: (row) => claimedThoughHeld.has(keyOf(row)),
  };
}

function keyOf({ id, domain }: OpenRow): string {
  return `${id} ${domain}`;
}

/** The parts of a row that say which requests are about it. */
export function readRow(item: Item): OpenRow {
  const { prepared, mailFrom } = JSON.parse(item['envelope']?.S ?? '{}') as {
    prepared?: { wholeId?: string };
    mailFrom?: string;
  };
  return {
    id: item['id']?.S ?? '',
    domain: item['part']?.S?.slice('delivery#'.length) ?? '',
    ...(prepared?.wholeId !== undefined && { wholeId: prepared.wholeId }),
    mailFrom: mailFrom ?? '',
  };
}

function selects(selection: Selection, { id, wholeId, domain, mailFrom }: OpenRow): boolean {
  switch (selection.kind) {
    case 'all':
      return true;
    case 'message':
      return selection.id === id || selection.id === wholeId;
    case 'domain':
      return selection.domain === domain;
    case 'sender':
      return selection.sender === mailFrom;
  }
}
