/**
 * A DynamoDB table: keys, conditions, queries, and indexes that lag behind.
 *
 * Items go in and out by reference. Nobody may change one; those who write make new ones.
 */
import {
  ConditionalCheckFailedException,
  type DeleteItemCommandInput,
  type GetItemCommandInput,
  type PutItemCommandInput,
  type QueryCommandInput,
  type ScanCommandInput,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import type { Chance } from './chance.ts';
import type { VirtualClock } from './clock.ts';
import { compileCondition, compileUpdate, type Item } from './expressions.ts';

interface Keys {
  readonly partition: string;
  readonly sort?: string;
}

export interface TableShape extends Keys {
  readonly indexes?: Readonly<Record<string, Keys>>;
  /** Sort keys of items that nobody ever reads again: they are not kept. */
  readonly isForgotten?: (sort: string) => boolean;
  /** What is kept of an item; default all of it. For attributes that nobody reads again. */
  readonly keep?: (item: Item) => Item;
}

export interface SimulatedTable {
  get(input: GetItemCommandInput): { readonly Item?: Item };
  put(input: PutItemCommandInput): object;
  update(input: UpdateItemCommandInput): { readonly Attributes?: Item };
  delete(input: DeleteItemCommandInput): { readonly Attributes?: Item };
  query(input: QueryCommandInput): Page;
  scan(input: ScanCommandInput): Page;
  /** What is in it, for whoever keeps the books. */
  items(): Iterable<Item>;
  find(partition: string, sort?: string): Item | undefined;
  partitionKeys(): Iterable<string>;
  itemsOf(partition: string): Item[];
  /** Called with each item written. */
  observe(observer: (item: Item) => void): void;
}

interface Page {
  readonly Items: Item[];
  readonly Count: number;
  readonly LastEvaluatedKey?: Item;
}

interface Partition {
  readonly items: Map<string, Item>;
  /** Sort keys in order; undefined after a change. */
  order: string[] | undefined;
}

/** DynamoDB ends a page after 1 MB; this is fewer items than that. */
const pageItemsMax = 500;

/** How long an index takes to follow, at the most. */
const indexLagMsMax = 4_000;

export function createTable(
  shape: TableShape,
  { clock, chance }: { readonly clock: VirtualClock; readonly chance: Chance },
): SimulatedTable {
  const partitions = new Map<string, Partition>();
  const indexes = Object.entries(shape.indexes ?? {}).map(([name, keys]) => ({
    name,
    keys,
    partitions: new Map<string, Partition>(),
    /** Where each item stands in the index. */
    places: new Map<string, readonly [string, string]>(),
  }));
  let observer: (item: Item) => void = () => {};

  const sortOf = (item: Item): string =>
    shape.sort === undefined ? '' : keyText(item, shape.sort);
  const find = (partition: string, sort = ''): Item | undefined =>
    partitions.get(partition)?.items.get(sort);
  const follow = (index: (typeof indexes)[number], partition: string, sort: string): void => {
    const id = `${partition}\0${sort}`;
    const place = index.places.get(id);
    if (place !== undefined) {
      remove(index.partitions, ...place);
      index.places.delete(id);
    }
    const item = find(partition, sort);
    if (isIn(item, index.keys)) {
      const next = [keyText(item, index.keys.partition), orderIn(item, index.keys, shape)] as const;
      insert(index.partitions, ...next, item);
      index.places.set(id, next);
    }
  };
  const write = (partition: string, sort: string, given: Item | undefined): void => {
    const item = given && (shape.keep?.(given) ?? given);
    const before = find(partition, sort);
    if (item === undefined) {
      remove(partitions, partition, sort);
    } else {
      insert(partitions, partition, sort, item);
      observer(item);
    }
    for (const index of indexes) {
      const { partition: attribute } = index.keys;
      if (before?.[attribute] !== undefined || item?.[attribute] !== undefined) {
        clock.at(clock.now() + chance.below(indexLagMsMax), () => follow(index, partition, sort));
      }
    }
  };

  return {
    get: ({ Key: key = {} }) => {
      const item = find(keyText(key, shape.partition), sortOf(key));
      return item === undefined ? {} : { Item: item };
    },
    put: (input) => {
      const item = input.Item ?? {};
      const partition = keyText(item, shape.partition);
      const sort = sortOf(item);
      check(input, find(partition, sort));
      if (shape.isForgotten?.(sort) !== true) {
        write(partition, sort, { ...item });
      }
      return {};
    },
    update: (input) => {
      const key = input.Key ?? {};
      const partition = keyText(key, shape.partition);
      const sort = sortOf(key);
      const before = find(partition, sort);
      check(input, before);
      const after = { ...(before ?? key) };
      compileUpdate(input.UpdateExpression ?? '')(subjectOf(input, before ?? {}), after);
      write(partition, sort, after);
      return input.ReturnValues === 'ALL_NEW'
        ? { Attributes: after }
        : input.ReturnValues === 'ALL_OLD' && before !== undefined
          ? { Attributes: before }
          : {};
    },
    delete: (input) => {
      const key = input.Key ?? {};
      const partition = keyText(key, shape.partition);
      const sort = sortOf(key);
      const before = find(partition, sort);
      check(input, before);
      if (before !== undefined) {
        write(partition, sort, undefined);
      }
      return before === undefined ? {} : { Attributes: before };
    },
    query: (input) => {
      const index = indexes.find(({ name }) => name === input.IndexName);
      if ((index === undefined) !== (input.IndexName === undefined)) {
        throw new TypeError(`no index ${input.IndexName}`);
      }
      const keys = index?.keys ?? shape;
      const partition = partitionAskedFor(input, keys.partition);
      const found = (index?.partitions ?? partitions).get(partition);
      return readPage(found, input, {
        keyOf: (item) => ({ ...pickKeys(item, shape), ...(index && pickKeys(item, index.keys)) }),
        orderOf: (key) => (index === undefined ? sortOf(key) : orderIn(key, index.keys, shape)),
      });
    },
    scan: (input) => {
      const items = [...partitions.values()].flatMap((partition) => [...partition.items.values()]);
      const Items = items.filter((item) => passes(input.FilterExpression, input, item));
      return { Items, Count: Items.length };
    },
    *items() {
      for (const { items } of partitions.values()) {
        yield* items.values();
      }
    },
    find,
    partitionKeys: () => partitions.keys(),
    itemsOf: (partition) => [...(partitions.get(partition)?.items.values() ?? [])],
    observe: (next) => {
      observer = next;
    },
  };
}

function insert(
  partitions: Map<string, Partition>,
  partition: string,
  sort: string,
  item: Item,
): void {
  let found = partitions.get(partition);
  if (found === undefined) {
    found = { items: new Map(), order: undefined };
    partitions.set(partition, found);
  }
  if (!found.items.has(sort)) {
    found.order = undefined;
  }
  found.items.set(sort, item);
}

function remove(partitions: Map<string, Partition>, partition: string, sort: string): void {
  const found = partitions.get(partition);
  if (found?.items.delete(sort) === true) {
    // Removed keys are skipped when the order is read, so that emptying a partition in order costs little.
    if (found.items.size === 0) {
      partitions.delete(partition);
    }
  }
}

interface Expressed {
  readonly ExpressionAttributeNames?: Record<string, string> | undefined;
  readonly ExpressionAttributeValues?: Item | undefined;
}

function subjectOf(
  input: Expressed,
  item: Item,
): Parameters<ReturnType<typeof compileCondition>>[0] {
  return {
    item,
    names: input.ExpressionAttributeNames ?? {},
    values: input.ExpressionAttributeValues ?? {},
  };
}

function passes(expression: string | undefined, input: Expressed, item: Item): boolean {
  return expression === undefined || compileCondition(expression)(subjectOf(input, item));
}

function check(
  input: Expressed & {
    readonly ConditionExpression?: string | undefined;
    readonly ReturnValuesOnConditionCheckFailure?: string | undefined;
  },
  item: Item | undefined,
): void {
  if (!passes(input.ConditionExpression, input, item ?? {})) {
    throw new ConditionalCheckFailedException({
      message: 'The conditional request failed',
      $metadata: {},
      ...(input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' &&
        item !== undefined && { Item: item }),
    });
  }
}

/** The value that the key condition wants the partition key to have. */
function partitionAskedFor(input: QueryCommandInput, attribute: string): string {
  const expression = input.KeyConditionExpression ?? '';
  for (const [name, value] of equalitiesOf(expression)) {
    if ((input.ExpressionAttributeNames?.[name] ?? name) === attribute) {
      return input.ExpressionAttributeValues?.[value]?.S ?? '';
    }
  }
  throw new TypeError(`a query names its partition: ${expression}`);
}

const equalities = new Map<string, readonly (readonly [name: string, value: string])[]>();

/** The comparisons `name = :value` of an expression; read once, as there are few. */
function equalitiesOf(expression: string): readonly (readonly [name: string, value: string])[] {
  const known = equalities.get(expression);
  if (known !== undefined) {
    return known;
  }
  const found = [...expression.matchAll(/(#?\w+)\s*=\s*(:\w+)/g)].map(
    ([, name = '', value = '']) => [name, value] as const,
  );
  equalities.set(expression, found);
  return found;
}

function readPage(
  partition: Partition | undefined,
  input: QueryCommandInput,
  {
    keyOf,
    orderOf,
  }: { readonly keyOf: (item: Item) => Item; readonly orderOf: (key: Item) => string },
): Page {
  if (partition === undefined) {
    return { Items: [], Count: 0 };
  }
  partition.order ??= [...partition.items.keys()].sort();
  const isBackward = input.ScanIndexForward === false;
  const order = isBackward ? partition.order.toReversed() : partition.order;
  const limit = Math.min(input.Limit ?? pageItemsMax, pageItemsMax);
  const start = input.ExclusiveStartKey && orderOf(input.ExclusiveStartKey);
  const items: Item[] = [];
  let last: Item | undefined;
  let read = 0;
  for (const sort of order) {
    const item = partition.items.get(sort);
    const isPassed = start !== undefined && (isBackward ? sort >= start : sort <= start);
    if (item === undefined || isPassed || !passes(input.KeyConditionExpression, input, item)) {
      continue;
    }
    if (read === limit) {
      return { Items: items, Count: items.length, ...(last && { LastEvaluatedKey: keyOf(last) }) };
    }
    read += 1;
    last = item;
    if (passes(input.FilterExpression, input, item)) {
      items.push(item);
    }
  }
  return { Items: items, Count: items.length };
}

function pickKeys(item: Item, { partition, sort }: Keys): Item {
  const names = sort === undefined ? [partition] : [partition, sort];
  return Object.fromEntries(names.flatMap((name) => (item[name] ? [[name, item[name]]] : [])));
}

function keyText(item: Item, name: string): string {
  const value = item[name]?.S;
  if (value === undefined || value === '') {
    throw new TypeError(`key attribute ${name} is missing`);
  }
  return value;
}

/** An index leaves out what lacks one of its keys. */
function isIn(item: Item | undefined, { partition, sort }: Keys): item is Item {
  return item?.[partition] !== undefined && (sort === undefined || item[sort] !== undefined);
}

/** The place of an item in its partition of an index: by the index's sort key, then by the table's own keys. */
function orderIn(item: Item, { sort }: Keys, table: Keys): string {
  const own = table.sort === undefined ? '' : keyText(item, table.sort);
  const order = sort === undefined ? '' : orderText(item[sort]);
  return `${order}\0${keyText(item, table.partition)}\0${own}`;
}

/** Numbers in an order that texts have too. */
function orderText(value: Item[string] | undefined): string {
  return value?.N === undefined ? (value?.S ?? '') : value.N.padStart(20, '0');
}
