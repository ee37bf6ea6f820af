/**
 * The stacks of an assembly with every name in them given a meaning on this machine.
 */
import { evaluateCondition, resolveValue, type Scope } from './intrinsics.ts';
import { collectReferences } from './references.ts';
import type { DeployedResource, Deployment, Places } from './resource.ts';
import { accountId, describeResource } from './resource-types.ts';
import {
  LocalCloudError,
  type ResourceDeclaration,
  type Stack,
  type TemplateValue,
} from './template.ts';

interface StackContext {
  readonly stack: Stack;
  readonly scope: Scope;
  readonly resources: ReadonlyMap<string, DeployedResource>;
}

/** Gives every name in the stacks its meaning; creates nothing. */
export function openDeployment(stacks: readonly Stack[], places: Places): Deployment {
  const contexts: StackContext[] = [];
  for (const stack of stacks) {
    contexts.push(openStack(stack, places, (name) => resolveImport(name, contexts)));
  }
  const contextOf = (stack: Stack): StackContext => {
    const found = contexts.find((context) => context.stack === stack);
    if (found === undefined) {
      throw new RangeError(`${stack.name} is not a stack of this deployment`);
    }
    return found;
  };
  return {
    resources: contexts.flatMap(({ resources }) => [...resources.values()]),
    outputs: (stack) => resolveOutputs(contextOf(stack)),
    referencesOf: ({ stack, declaration }) => [
      ...referencesOf(declaration.Properties ?? null, contextOf(stack), contexts),
      ...dependsOn(declaration, contextOf(stack)),
    ],
  };
}

function openStack(
  stack: Stack,
  places: Places,
  importValue: (name: string) => TemplateValue,
): StackContext {
  const resources = new Map<string, DeployedResource>();
  const scope = stackScope(stack, resources, importValue);
  for (const [logicalId, declaration] of Object.entries(stack.template.Resources)) {
    if (declaration.Condition === undefined || scope.condition(declaration.Condition)) {
      resources.set(logicalId, openResource({ stack, logicalId, declaration, scope, places }));
    }
  }
  return { stack, scope, resources };
}

function openResource(given: {
  readonly stack: Stack;
  readonly logicalId: string;
  readonly declaration: ResourceDeclaration;
  readonly scope: Scope;
  readonly places: Places;
}): DeployedResource {
  const { stack, logicalId, declaration, scope, places } = given;
  const key = `${stack.name}/${logicalId}`;
  const declared = declaration.Properties ?? {};
  const property = (name: string): TemplateValue | undefined => {
    const value = Object.hasOwn(declared, name) ? declared[name] : undefined;
    return value === undefined ? undefined : named(key, () => resolveValue(value, scope));
  };
  const resource: DeployedResource = {
    stack,
    logicalId,
    declaration,
    type: declaration.Type,
    key,
    property,
    properties: () =>
      Object.fromEntries(
        Object.keys(declared).flatMap((name) => {
          const value = property(name);
          return value === undefined ? [] : [[name, value]];
        }),
      ),
    identity: () => describeResource(resource, places),
  };
  return resource;
}

/** Puts the resource's key before what is found wrong with it. */
function named<T>(key: string, resolve: () => T): T {
  try {
    return resolve();
  } catch (error) {
    if (error instanceof LocalCloudError) {
      throw new LocalCloudError(`${key}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

function stackScope(
  stack: Stack,
  resources: ReadonlyMap<string, DeployedResource>,
  importValue: (name: string) => TemplateValue,
): Scope {
  const { Parameters = {}, Conditions = {}, Mappings = {} } = stack.template;
  const pseudo = pseudoParameters(stack);
  const resourceOf = (logicalId: string): DeployedResource => {
    const resource = resources.get(logicalId);
    if (resource === undefined) {
      throw new LocalCloudError(`${stack.name} has no ${logicalId}`);
    }
    return resource;
  };
  const scope: Scope = {
    ref: (name) => {
      if (name === 'AWS::NoValue') {
        return undefined;
      }
      return pseudo[name] ?? Parameters[name]?.Default ?? resourceOf(name).identity().ref;
    },
    attribute: (logicalId, name) => {
      const value = resourceOf(logicalId).identity().attribute(name);
      if (value === undefined) {
        throw new LocalCloudError(`${stack.name}/${logicalId} has no attribute ${name} here`);
      }
      return value;
    },
    importValue,
    condition: (name) => evaluateCondition(declared(Conditions, name, stack), scope),
    mapping: (name) => declared(Mappings, name, stack),
    zones: (region) =>
      ['a', 'b', 'c'].map((zone) => `${region === '' ? stack.region : region}${zone}`),
  };
  return scope;
}

function declared(
  declarations: Readonly<Record<string, TemplateValue>>,
  name: string,
  stack: Stack,
): TemplateValue {
  const value = Object.hasOwn(declarations, name) ? declarations[name] : undefined;
  if (value === undefined) {
    throw new LocalCloudError(`${stack.name} declares no ${name}`);
  }
  return value;
}

function pseudoParameters({ name, region }: Stack): Readonly<Record<string, TemplateValue>> {
  return {
    'AWS::AccountId': accountId,
    'AWS::Region': region,
    'AWS::Partition': 'aws',
    'AWS::URLSuffix': 'amazonaws.com',
    'AWS::StackName': name,
    'AWS::StackId': `arn:aws:cloudformation:${region}:${accountId}:stack/${name}/local`,
    'AWS::NotificationARNs': [],
  };
}

function resolveImport(name: string, contexts: readonly StackContext[]): TemplateValue {
  const { context, value } = findExport(name, contexts);
  const resolved = resolveValue(value, context.scope);
  if (resolved === undefined) {
    throw new LocalCloudError(`the export ${name} of ${context.stack.name} has no value`);
  }
  return resolved;
}

function findExport(
  name: string,
  contexts: readonly StackContext[],
): { readonly context: StackContext; readonly value: TemplateValue } {
  for (const context of contexts) {
    for (const output of Object.values(context.stack.template.Outputs ?? {})) {
      if (output.Export !== undefined && resolveValue(output.Export.Name, context.scope) === name) {
        return { context, value: output.Value };
      }
    }
  }
  throw new LocalCloudError(`no stack exports ${name}`);
}

function resolveOutputs({ stack, scope }: StackContext): Readonly<Record<string, TemplateValue>> {
  return Object.fromEntries(
    Object.entries(stack.template.Outputs ?? {}).flatMap(([name, { Value, Condition }]) => {
      try {
        const met = Condition === undefined || scope.condition(Condition);
        const value = met ? resolveValue(Value, scope) : undefined;
        return value === undefined ? [] : [[name, value]];
      } catch (error) {
        // An output may tell of a resource that exists on AWS only; nothing here depends on it.
        if (error instanceof LocalCloudError) {
          return [];
        }
        throw error;
      }
    }),
  );
}

function dependsOn(
  { DependsOn = [] }: ResourceDeclaration,
  { resources }: StackContext,
): readonly DeployedResource[] {
  return [DependsOn].flat().flatMap((logicalId) => resources.get(logicalId) ?? []);
}

function referencesOf(
  value: TemplateValue,
  { resources, scope }: StackContext,
  contexts: readonly StackContext[],
): readonly DeployedResource[] {
  const { logicalIds, imports } = collectReferences(value, scope);
  return [
    ...logicalIds.flatMap((logicalId) => resources.get(logicalId) ?? []),
    ...imports.flatMap((name) => {
      const exported = findExport(name, contexts);
      return referencesOf(exported.value, exported.context, contexts);
    }),
  ];
}
