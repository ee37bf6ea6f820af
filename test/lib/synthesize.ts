/** Stacks for tests: the shipped example's, or with parts of it replaced, without bundling. */
import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { exampleConfigPath, readConfig } from '../../bin/config/load.ts';
import { toStacksProps } from '../../bin/config/stacks-props.ts';
import { addSealpostStacks, type SealpostStacksProps } from '../../lib/sealpost-stacks.ts';

const { context } = JSON.parse(readFileSync('cdk.json', 'utf8')) as {
  readonly context: Readonly<Record<string, unknown>>;
};

export interface AppOptions {
  /** Parts of the example to replace. */
  readonly replace?: Partial<SealpostStacksProps>;
  /** Whether CloudFormation's validator runs; it takes seconds. Default: no. */
  readonly validate?: boolean;
  /** Names of stacks whose functions esbuild bundles. Default: none. */
  readonly bundle?: readonly string[];
}

/** The example as the stacks see it. */
export function exampleProps(): SealpostStacksProps {
  const text = readFileSync(exampleConfigPath, 'utf8');
  return toStacksProps(readConfig(text, exampleConfigPath, 0).config);
}

/** The app with the flags of cdk.json, before synthesis. */
export function createApp(options: AppOptions = {}): App {
  const app = new App({
    context: { ...context, 'aws:cdk:bundling-stacks': options.bundle ?? [] },
    builtinCloudFormationValidation: options.validate ?? false,
    analyticsReporting: false,
  });
  addSealpostStacks(app, { ...exampleProps(), ...options.replace });
  return app;
}

export interface Templates {
  readonly state: Template;
  readonly delivery: Template;
  readonly policyHost: Template;
}

/** Synthesizes once. */
export function synthesizeTemplates(options: AppOptions = {}): Templates {
  const assembly = createApp(options).synth();
  const template = (name: string): Template =>
    Template.fromJSON(assembly.getStackByName(name).template);
  return {
    state: template('SealpostState'),
    delivery: template('SealpostDelivery'),
    policyHost: template('SealpostPolicyHost'),
  };
}

/** Every statement of the policies attached to the role of the function that `handler` names in its description. */
export function statementsOf(template: Template, roleDescription: string): readonly Statement[] {
  const [roleId] = Object.keys(
    template.findResources('AWS::IAM::Role', { Properties: { Description: roleDescription } }),
  );
  const policies = Object.values(template.findResources('AWS::IAM::Policy')).filter(
    ({ Properties }) => Properties.Roles.some(({ Ref }: { Ref: string }) => Ref === roleId),
  );
  return policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[]);
}

export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** The actions that a role may do on resources whose rendering contains `resource`. */
export function allowedActions(
  statements: readonly Statement[],
  resource: string,
): readonly string[] {
  return statements
    .filter(
      ({ Effect, Resource }) => Effect === 'Allow' && JSON.stringify(Resource).includes(resource),
    )
    .flatMap(({ Action }) => Action)
    .sort();
}
