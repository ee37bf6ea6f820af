/**
 * The intrinsic functions of CloudFormation templates, and the conditions.
 *
 * Pure: what names and attributes stand for is the business of the {@link Scope}.
 */
import { LocalCloudError, type TemplateValue } from './template.ts';

/** What the names in a template stand for. */
export interface Scope {
  /** A resource, a parameter or a pseudo parameter; undefined for `AWS::NoValue`. */
  ref(name: string): TemplateValue | undefined;
  attribute(logicalId: string, name: string): TemplateValue;
  importValue(name: string): TemplateValue;
  condition(name: string): boolean;
  mapping(name: string): TemplateValue;
  /** Availability zones of a region; '' is the stack's own. */
  zones(region: string): readonly string[];
}

type Intrinsic = (argument: TemplateValue, scope: Scope) => TemplateValue | undefined;

const intrinsics: Readonly<Record<string, Intrinsic>> = {
  Ref: (name, scope) => scope.ref(text(name, 'Ref')),
  'Fn::GetAtt': getAttribute,
  'Fn::Join': join,
  'Fn::Sub': substitute,
  'Fn::Select': select,
  'Fn::Split': split,
  'Fn::If': chooseBranch,
  'Fn::ImportValue': (name, scope) => scope.importValue(resolveText(name, scope)),
  'Fn::GetAZs': (region, scope) => scope.zones(resolveText(region, scope)),
  'Fn::FindInMap': findInMap,
  'Fn::Base64': (value, scope) => Buffer.from(resolveText(value, scope)).toString('base64'),
};

/**
 * Resolves a template value to plain data.
 *
 * @returns undefined for `AWS::NoValue`, which takes the property or list element away with it
 * @throws LocalCloudError for an intrinsic function that is unknown or misused
 */
export function resolveValue(value: TemplateValue, scope: Scope): TemplateValue | undefined {
  if (isList(value)) {
    return value.map((item) => resolveValue(item, scope)).filter((item) => item !== undefined);
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  const entries = Object.entries(value);
  const only = entries.length === 1 ? entries[0] : undefined;
  if (only !== undefined) {
    const [name, argument] = only;
    const intrinsic = Object.hasOwn(intrinsics, name) ? intrinsics[name] : undefined;
    if (intrinsic !== undefined) {
      return intrinsic(argument, scope);
    }
    if (name.startsWith('Fn::')) {
      throw new LocalCloudError(`${name} is not among the intrinsic functions known here`);
    }
  }
  return Object.fromEntries(
    entries.flatMap(([key, item]) => {
      const resolved = resolveValue(item, scope);
      return resolved === undefined ? [] : [[key, resolved]];
    }),
  );
}

/**
 * Evaluates a condition: `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not`, or `Condition` with another's name.
 *
 * @throws LocalCloudError for anything else
 */
export function evaluateCondition(condition: TemplateValue, scope: Scope): boolean {
  const [name, argument] = Object.entries(condition ?? {})[0] ?? [];
  if (name === 'Condition' && typeof argument === 'string') {
    return scope.condition(argument);
  }
  if (name === undefined || !isList(argument)) {
    throw new LocalCloudError(`${JSON.stringify(condition)} is not a condition`);
  }
  const holds = (operand: TemplateValue): boolean => evaluateCondition(operand, scope);
  switch (name) {
    case 'Fn::Equals': {
      const [left, right] = argument.map((operand) => resolveValue(operand, scope));
      // CloudFormation compares text: a parameter of type Number equals the literal.
      return String(left) === String(right);
    }
    case 'Fn::And':
      return argument.every(holds);
    case 'Fn::Or':
      return argument.some(holds);
    case 'Fn::Not':
      return !argument.some(holds);
    default:
      throw new LocalCloudError(`${name} is not a condition function`);
  }
}

/**
 * Lists the names in `${…}` of an `Fn::Sub` text, without the literal `${!…}`.
 *
 * @example
 * substitutionNames('${AWS::Region}-${Queue.Arn}-${!kept}'); // ['AWS::Region', 'Queue.Arn']
 */
export function substitutionNames(template: string): readonly string[] {
  return [...template.matchAll(/\$\{([^!}][^}]*)\}/g)].map(([, name]) => (name ?? '').trim());
}

/** Splits the argument of `Fn::GetAtt`, `[id, name]` or `id.name`, where the name may hold dots itself. */
export function attributePath(argument: TemplateValue): readonly [string, string] {
  const [logicalId, name] = isList(argument)
    ? argument
    : text(argument, 'Fn::GetAtt').split(/\.(.*)/s, 2);
  return [text(logicalId, 'Fn::GetAtt'), text(name, 'Fn::GetAtt')];
}

/** Reports whether a template value is a list; narrows read-only arrays, which `Array.isArray` does not. */
export function isList(value: TemplateValue | undefined): value is readonly TemplateValue[] {
  return Array.isArray(value);
}

function getAttribute(argument: TemplateValue, scope: Scope): TemplateValue {
  const [logicalId, name] = attributePath(argument);
  return scope.attribute(logicalId, name);
}

function join(argument: TemplateValue, scope: Scope): TemplateValue {
  const [separator, items] = pair(argument, 'Fn::Join');
  const resolved = resolveValue(items, scope);
  if (!isList(resolved)) {
    throw new LocalCloudError('Fn::Join needs a list');
  }
  return resolved.map((item) => text(item, 'Fn::Join')).join(text(separator, 'Fn::Join'));
}

function substitute(argument: TemplateValue, scope: Scope): TemplateValue {
  const [template, given] = isList(argument) ? pair(argument, 'Fn::Sub') : [argument, {}];
  const variables = Object.entries(given ?? {});
  return text(template, 'Fn::Sub').replace(/\$\{([^}]*)\}/g, (_whole, inner: string) => {
    if (inner.startsWith('!')) {
      return `\${${inner.slice(1)}}`;
    }
    const name = inner.trim();
    const variable = variables.find(([key]) => key === name)?.[1];
    if (variable !== undefined) {
      return resolveText(variable, scope);
    }
    return name.includes('.')
      ? text(scope.attribute(...attributePath(name)), 'Fn::Sub')
      : text(scope.ref(name), 'Fn::Sub');
  });
}

function select(argument: TemplateValue, scope: Scope): TemplateValue {
  const [position, items] = pair(argument, 'Fn::Select');
  const list = resolveValue(items, scope);
  const index = Number(resolveValue(position, scope));
  const item = isList(list) ? list[index] : undefined;
  if (item === undefined) {
    throw new LocalCloudError(`Fn::Select finds no element ${index} in ${JSON.stringify(list)}`);
  }
  return item;
}

function split(argument: TemplateValue, scope: Scope): TemplateValue {
  const [separator, source] = pair(argument, 'Fn::Split');
  return resolveText(source, scope).split(text(separator, 'Fn::Split'));
}

function chooseBranch(argument: TemplateValue, scope: Scope): TemplateValue | undefined {
  if (!isList(argument) || argument.length !== 3) {
    throw new LocalCloudError('Fn::If needs a condition and two values');
  }
  const [condition, yes = null, no = null] = argument;
  return resolveValue(scope.condition(text(condition, 'Fn::If')) ? yes : no, scope);
}

function findInMap(argument: TemplateValue, scope: Scope): TemplateValue {
  const keys = isList(argument) ? argument.map((key) => resolveText(key, scope)) : [];
  const [map = '', ...path] = keys;
  const found = path.reduce<TemplateValue | undefined>(
    (value, key) => Object.entries(value ?? {}).find(([name]) => name === key)?.[1],
    scope.mapping(map),
  );
  if (path.length !== 2 || found === undefined) {
    throw new LocalCloudError(`Fn::FindInMap finds nothing at ${keys.join('.')}`);
  }
  return found;
}

function pair(argument: TemplateValue, intrinsic: string): readonly [TemplateValue, TemplateValue] {
  if (!isList(argument) || argument.length !== 2) {
    throw new LocalCloudError(`${intrinsic} needs two arguments`);
  }
  return [argument[0] ?? null, argument[1] ?? null];
}

function resolveText(value: TemplateValue, scope: Scope): string {
  return text(resolveValue(value, scope), 'an intrinsic function');
}

function text(value: TemplateValue | undefined, user: string): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  throw new LocalCloudError(`${user} needs a text, not ${JSON.stringify(value)}`);
}
