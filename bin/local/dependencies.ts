/**
 * The check that functions depend on nothing that the local cloud does not know.
 */
import type { DeployedResource, Deployment } from './resource.ts';
import { isKnownType } from './resource-types.ts';
import { LocalCloudError } from './template.ts';

/**
 * Checks that nothing a function depends on is of an unknown type: run without it, the function would
 * behave in another way than it does on AWS.
 *
 * @throws LocalCloudError that names the function, the resource and its type
 */
export function checkFunctionDependencies(deployment: Deployment): void {
  for (const resource of deployment.resources) {
    if (resource.type === 'AWS::Lambda::Function') {
      checkDependencies(resource, resource, { deployment, seen: new Set() });
    }
  }
}

function checkDependencies(
  resource: DeployedResource,
  dependent: DeployedResource,
  walk: { readonly deployment: Deployment; readonly seen: Set<string> },
): void {
  if (walk.seen.has(resource.key)) {
    return;
  }
  walk.seen.add(resource.key);
  if (!isKnownType(resource.type)) {
    throw new LocalCloudError(
      `${dependent.key} depends on ${resource.key} of type ${resource.type}, which the local cloud does not know`,
    );
  }
  for (const next of walk.deployment.referencesOf(resource)) {
    checkDependencies(next, dependent, walk);
  }
}
