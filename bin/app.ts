/**
 * The CDK app: reads the config and adds the stacks. `npx cdk synth` runs it, `-c config=PATH` names another config.
 *
 * Synthesis fails on any finding of CloudFormation's validator (cdk.json) or of cdk-nag; what is acknowledged carries
 * its reason where the resource is made. Of the flags that CDK recommends cdk.json changes one: references between
 * stacks are exports, so that CloudFormation keeps the state stack from losing a table that is in use.
 */
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { addSealpostStacks } from '../lib/sealpost-stacks.ts';
import { ConfigError, loadConfig } from './config/load.ts';
import { toStacksProps } from './config/stacks-props.ts';

try {
  const app = new App();
  const { config, warnings } = loadConfig(app.node.tryGetContext('config'), Date.now());
  for (const warning of warnings) {
    Validations.of(app).addWarning('sealpost:config', warning);
  }
  addSealpostStacks(app, toStacksProps(config));
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
} catch (error) {
  if (!(error instanceof ConfigError)) {
    throw error;
  }
  console.error(`sealpost: ${error.message}`);
  process.exitCode = 1;
}
