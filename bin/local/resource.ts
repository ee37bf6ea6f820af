/**
 * Resources of the templates, with every name in them given a meaning on this machine.
 */
import type { ResourceDeclaration, Stack, TemplateValue } from './template.ts';

/** Where the parts of the local cloud listen. */
export interface Places {
  readonly sqsEndpoint: string;
  /** `host:port` of a function URL or an HTTP API, by the resource's key. */
  authority(key: string): string;
}

/** What a resource is called from outside. */
export interface Identity {
  readonly ref: string;
  /** undefined for an attribute that it has not, or not here. */
  attribute(name: string): string | undefined;
}

/** A resource whose condition holds. */
export interface DeployedResource {
  readonly stack: Stack;
  readonly logicalId: string;
  readonly type: string;
  /** `STACK/LOGICAL-ID`, unique in the assembly. */
  readonly key: string;
  readonly declaration: ResourceDeclaration;
  /** One property, resolved; throws LocalCloudError for what has no meaning here. */
  property(name: string): TemplateValue | undefined;
  /** All of them. */
  properties(): Readonly<Record<string, TemplateValue>>;
  identity(): Identity;
}

/** All stacks, ready to be created. */
export interface Deployment {
  readonly resources: readonly DeployedResource[];
  /** A stack's outputs that can be resolved here; those that name unknown resources are left out. */
  outputs(stack: Stack): Readonly<Record<string, TemplateValue>>;
  /** What a resource's declaration refers to, across stacks; the parts of unmet conditions apart. */
  referencesOf(resource: DeployedResource): readonly DeployedResource[];
}
