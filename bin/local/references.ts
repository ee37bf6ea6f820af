/**
 * What a value of a template refers to.
 */
import {
  attributePath,
  isList,
  resolveValue,
  type Scope,
  substitutionNames,
} from './intrinsics.ts';
import type { TemplateValue } from './template.ts';

/** Names in a template value: of the same template, and of other stacks' exports. */
export interface References {
  /** Parameters and pseudo parameters are among them; who looks them up finds no resource. */
  readonly logicalIds: readonly string[];
  readonly imports: readonly string[];
}

const none: References = { logicalIds: [], imports: [] };

/** Collects the names that a value refers to; of `Fn::If` only the branch that is taken. */
export function collectReferences(value: TemplateValue, scope: Scope): References {
  if (value === null || typeof value !== 'object') {
    return none;
  }
  if (isList(value)) {
    return union(value.map((item) => collectReferences(item, scope)));
  }
  return union(Object.entries(value).map(([key, item]) => referencesOfEntry(key, item, scope)));
}

function referencesOfEntry(key: string, argument: TemplateValue, scope: Scope): References {
  switch (key) {
    case 'Ref':
      return { logicalIds: [String(argument)], imports: [] };
    case 'Fn::GetAtt':
      return { logicalIds: [attributePath(argument)[0]], imports: [] };
    case 'Fn::ImportValue':
      return { logicalIds: [], imports: [String(resolveValue(argument, scope))] };
    case 'Fn::Sub': {
      const [template, variables = null] = isList(argument) ? argument : [argument];
      const names = substitutionNames(String(template)).map((name) => name.replace(/\..*$/s, ''));
      return union([{ logicalIds: names, imports: [] }, collectReferences(variables, scope)]);
    }
    case 'Fn::If': {
      const [condition, yes = null, no = null] = isList(argument) ? argument : [];
      return collectReferences(scope.condition(String(condition)) ? yes : no, scope);
    }
    default:
      return collectReferences(argument, scope);
  }
}

function union(parts: readonly References[]): References {
  return {
    logicalIds: parts.flatMap(({ logicalIds }) => logicalIds),
    imports: parts.flatMap(({ imports }) => imports),
  };
}
