/**
 * Expressions of DynamoDB: conditions, filters, key conditions and updates, over top-level attributes.
 *
 * An expression is compiled once and used for ever; what it does not know it throws at, so that a simulation never takes
 * for met what it cannot read.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

export type Item = Readonly<Record<string, AttributeValue>>;

/** What an expression is about. */
export interface Subject {
  readonly item: Item;
  readonly names: Readonly<Record<string, string>>;
  readonly values: Item;
}

export type Condition = (subject: Subject) => boolean;
type Operand = (subject: Subject) => AttributeValue | undefined;
/** Writes into `target` what it reads from the subject. */
type Change = (subject: Subject, target: Record<string, AttributeValue>) => void;

const conditions = new Map<string, Condition>();
const updates = new Map<string, Change>();

export function compileCondition(expression: string): Condition {
  return remember(conditions, expression, (cursor) => parseOr(cursor));
}

export function compileUpdate(expression: string): Change {
  return remember(updates, expression, (cursor) => parseUpdate(cursor));
}

function remember<T>(known: Map<string, T>, expression: string, parse: (cursor: Cursor) => T): T {
  let compiled = known.get(expression);
  if (compiled === undefined) {
    const cursor = createCursor(expression);
    compiled = parse(cursor);
    cursor.end();
    known.set(expression, compiled);
  }
  return compiled;
}

interface Cursor {
  peek(): string;
  take(): string;
  /** Takes a token if it is the one, whatever its case. */
  accept(token: string): boolean;
  expect(token: string): void;
  end(): void;
}

function createCursor(expression: string): Cursor {
  const tokens = expression.match(/[#:]?\w+|<=|>=|<>|[=<>(),+-]|\S/g) ?? [];
  let at = 0;
  const fail = (): never => {
    throw new TypeError(`expression not understood at token ${at}: ${expression}`);
  };
  const accept = (token: string): boolean => {
    if (tokens[at]?.toUpperCase() !== token.toUpperCase()) {
      return false;
    }
    at += 1;
    return true;
  };
  return {
    peek: () => tokens[at] ?? '',
    take: () => tokens[at++] ?? fail(),
    accept,
    expect: (token) => {
      if (!accept(token)) {
        fail();
      }
    },
    end: () => {
      if (at < tokens.length) {
        fail();
      }
    },
  };
}

function parseOr(cursor: Cursor): Condition {
  let left = parseAnd(cursor);
  while (cursor.accept('OR')) {
    const before = left;
    const right = parseAnd(cursor);
    left = (subject) => before(subject) || right(subject);
  }
  return left;
}

function parseAnd(cursor: Cursor): Condition {
  let left = parseNot(cursor);
  while (cursor.accept('AND')) {
    const before = left;
    const right = parseNot(cursor);
    left = (subject) => before(subject) && right(subject);
  }
  return left;
}

function parseNot(cursor: Cursor): Condition {
  if (cursor.accept('NOT')) {
    const inner = parseNot(cursor);
    return (subject) => !inner(subject);
  }
  if (cursor.accept('(')) {
    const inner = parseOr(cursor);
    cursor.expect(')');
    return inner;
  }
  return parseFunction(cursor) ?? parseComparison(cursor);
}

function parseFunction(cursor: Cursor): Condition | undefined {
  const name = cursor.peek().toLowerCase();
  if (!/^(attribute_exists|attribute_not_exists|begins_with|contains)$/.test(name)) {
    return undefined;
  }
  cursor.take();
  cursor.expect('(');
  const first = parseOperand(cursor);
  if (name === 'attribute_exists' || name === 'attribute_not_exists') {
    cursor.expect(')');
    return (subject) => (first(subject) !== undefined) === (name === 'attribute_exists');
  }
  cursor.expect(',');
  const second = parseOperand(cursor);
  cursor.expect(')');
  return name === 'begins_with'
    ? (subject) => first(subject)?.S?.startsWith(second(subject)?.S ?? '\0') === true
    : (subject) => holds(first(subject), second(subject)?.S ?? '\0');
}

function holds(value: AttributeValue | undefined, text: string): boolean {
  return value?.SS?.includes(text) ?? value?.S?.includes(text) ?? false;
}

function parseComparison(cursor: Cursor): Condition {
  const left = parseOperand(cursor);
  if (cursor.accept('BETWEEN')) {
    const least = parseOperand(cursor);
    cursor.expect('AND');
    const most = parseOperand(cursor);
    return (subject) =>
      compare(left(subject), least(subject), (order) => order >= 0) &&
      compare(left(subject), most(subject), (order) => order <= 0);
  }
  if (cursor.accept('IN')) {
    cursor.expect('(');
    const options = [parseOperand(cursor)];
    while (cursor.accept(',')) {
      options.push(parseOperand(cursor));
    }
    cursor.expect(')');
    return (subject) =>
      options.some((option) => compare(left(subject), option(subject), (order) => order === 0));
  }
  const operator = cursor.take();
  const right = parseOperand(cursor);
  const test = comparisons[operator];
  if (test === undefined) {
    throw new TypeError(`no comparison: ${operator}`);
  }
  return operator === '<>'
    ? (subject) => !compare(left(subject), right(subject), (order) => order === 0)
    : (subject) => compare(left(subject), right(subject), test);
}

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function parseOperand(cursor: Cursor): Operand {
  const token = cursor.take();
  if (token.startsWith('#')) {
    return ({ item, names }) => item[names[token] ?? unknown(token)];
  }
  if (token.startsWith(':')) {
    return ({ values }) => values[token] ?? unknown(token);
  }
  if (token.toLowerCase() === 'size' && cursor.accept('(')) {
    const inner = parseOperand(cursor);
    cursor.expect(')');
    return (subject) => sizeOf(inner(subject));
  }
  return ({ item }) => item[token];
}

function sizeOf(value: AttributeValue | undefined): AttributeValue | undefined {
  const size = value?.S?.length ?? value?.SS?.length ?? value?.L?.length;
  return size === undefined ? undefined : { N: String(size) };
}

function unknown(token: string): never {
  throw new TypeError(`${token} is not defined`);
}

/** Values of different types, and absent ones, compare to nothing. */
function compare(
  a: AttributeValue | undefined,
  b: AttributeValue | undefined,
  test: (order: number) => boolean,
): boolean {
  if (a?.S !== undefined && b?.S !== undefined) {
    return test(a.S < b.S ? -1 : Number(a.S > b.S));
  }
  if (a?.N !== undefined && b?.N !== undefined) {
    return test(Number(a.N) - Number(b.N));
  }
  return a?.BOOL !== undefined && b?.BOOL !== undefined && test(Number(a.BOOL) - Number(b.BOOL));
}

function parseUpdate(cursor: Cursor): Change {
  const changes: Change[] = [];
  while (cursor.peek() !== '') {
    const clause = cursor.take().toUpperCase();
    const parse = clauses[clause];
    if (parse === undefined) {
      throw new TypeError(`no clause of an update: ${clause}`);
    }
    do {
      changes.push(parse(cursor));
    } while (cursor.accept(','));
  }
  return (subject, target) => {
    for (const change of changes) {
      change(subject, target);
    }
  };
}

type Name = (subject: Subject) => string;

function parseName(cursor: Cursor): Name {
  const token = cursor.take();
  return token.startsWith('#') ? ({ names }) => names[token] ?? unknown(token) : () => token;
}

const clauses: Readonly<Record<string, (cursor: Cursor) => Change>> = {
  SET: (cursor) => {
    const name = parseName(cursor);
    cursor.expect('=');
    const value = parseSum(cursor);
    return (subject, target) => {
      target[name(subject)] = value(subject) ?? unknown('a value to set');
    };
  },
  REMOVE: (cursor) => {
    const name = parseName(cursor);
    return (subject, target) => {
      delete target[name(subject)];
    };
  },
  ADD: (cursor) => {
    const name = parseName(cursor);
    const value = parseOperand(cursor);
    return (subject, target) => {
      const key = name(subject);
      const before = subject.item[key];
      const added = value(subject);
      target[key] =
        added?.SS === undefined
          ? sum(before ?? { N: '0' }, added, 1)
          : { SS: [...new Set([...(before?.SS ?? []), ...added.SS])] };
    };
  },
  DELETE: (cursor) => {
    const name = parseName(cursor);
    const value = parseOperand(cursor);
    return (subject, target) => {
      const key = name(subject);
      const taken = value(subject);
      const type = taken?.NS === undefined ? 'SS' : 'NS';
      const away = new Set(taken?.[type] ?? unknown('a set to take away'));
      const left = (subject.item[key]?.[type] ?? []).filter((element) => !away.has(element));
      if (left.length > 0) {
        target[key] = type === 'NS' ? { NS: left } : { SS: left };
      } else {
        // DynamoDB has no empty sets.
        delete target[key];
      }
    };
  },
};

function parseSum(cursor: Cursor): Operand {
  let left = parseTerm(cursor);
  for (;;) {
    const sign = cursor.accept('+') ? 1 : cursor.accept('-') ? -1 : 0;
    if (sign === 0) {
      return left;
    }
    const before = left;
    const right = parseTerm(cursor);
    left = (subject) => sum(before(subject), right(subject), sign);
  }
}

function parseTerm(cursor: Cursor): Operand {
  if (cursor.peek().toLowerCase() !== 'if_not_exists') {
    return parseOperand(cursor);
  }
  cursor.take();
  cursor.expect('(');
  const wanted = parseOperand(cursor);
  cursor.expect(',');
  const otherwise = parseOperand(cursor);
  cursor.expect(')');
  return (subject) => wanted(subject) ?? otherwise(subject);
}

function sum(
  a: AttributeValue | undefined,
  b: AttributeValue | undefined,
  sign: number,
): AttributeValue {
  if (a?.N === undefined || b?.N === undefined) {
    throw new TypeError('only numbers can be added');
  }
  return { N: String(Number(a.N) + sign * Number(b.N)) };
}
