/** What the operator of the queue has asked for, and so what may become of which row. */
import {
  decodeWholeMessage,
  wholeMessagePart,
} from '../../functions/adapters/aws/whole-messages.ts';
import type { Selection } from '../../functions/operating/act-on-queue.ts';
import type { Deed } from '../../functions/operating/delivery-actions.ts';
import { deriveId } from '../../functions/submission/prepare.ts';
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
  /** A record was put into the queue whose sender gave its message an id. */
  sent(id: string, domains: readonly string[]): void;
  /** One of the rows that are not finished. */
  pickRow(chance: Chance): OpenRow | undefined;
  /** The next message that comes in, or a part of it, when it does: most likely nobody has begun with it. */
  nextOne(): Promise<Selection>;
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
  const waiting: ((next: Selection) => void)[] = [];
  /** By the id of a part: what only its whole says while it has no row. */
  const wholeIds = new Map<string, string>();
  const noteHold = (row: OpenRow, key: string, item: Item): void => {
    const isHeld = item['held'] !== undefined;
    const isFinished = isFinishedRow(item);
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
      if (part === wholeMessagePart) {
        const id = item['id']?.S ?? '';
        for (const each of decodeWholeMessage(item, id, 'messages').parts) {
          wholeIds.set(each.id, id);
        }
        waiting.shift()?.({ kind: 'message', id });
      }
      if (!part.startsWith('delivery#')) {
        return;
      }
      const read = readRow(item);
      const wholeId = read.wholeId ?? wholeIds.get(read.id);
      const row = { ...read, ...(wholeId !== undefined && { wholeId }) };
      const key = keyOf(row);
      noteHold(row, key, item);
      if (isInAdvance(item)) {
        return;
      }
      if (!isFinishedRow(item)) {
        open.set(key, row);
      } else {
        open.delete(key);
        tokens.delete(key);
        claimedThoughHeld.delete(key);
      }
    },
    sent: (id, domains) => {
      for (const domain of domains) {
        wholeIds.set(deriveId(id, domain), id);
        waiting.shift()?.({ kind: 'message', id, domain });
      }
    },
    nextOne: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
      }),
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

/** Nothing but what operators asked before anybody has begun with the delivery. */
export function isInAdvance(item: Item): boolean {
  return item['advance'] !== undefined;
}

function isFinishedRow(item: Item): boolean {
  return item['removeAtSeconds'] !== undefined && !isInAdvance(item);
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
      return (
        (selection.id === id || selection.id === wholeId) &&
        (selection.domain === undefined || selection.domain === domain)
      );
    case 'domain':
      return selection.domain === domain;
    case 'sender':
      return selection.sender === mailFrom;
  }
}
