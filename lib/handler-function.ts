/** How every handler in functions/handlers becomes a Lambda function. */
import { join } from 'node:path';
import { type Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { Effect, Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, type RecursiveLoop, Runtime } from 'aws-cdk-lib/aws-lambda';
import {
  type BundlingOptions,
  NodejsFunction,
  OutputFormat,
  SourceMapMode,
} from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { encodeEnvironment, explainOversize } from './environment-variables.ts';

const projectRoot = join(import.meta.dirname, '..');

/** What differs from handler to handler. */
export interface HandlerFunctionProps {
  /** The file in functions/handlers, without `.ts`; it exports `handler`. */
  readonly handler:
    | 'check-reports'
    | 'deliver'
    | 'operate'
    | 'plan-reports'
    | 'policy-host'
    | 'post-report'
    | 'receipt-rule'
    | 'receive-report'
    | 'reconcile'
    | 'collect'
    | 'refresh-policies'
    | 'requeue'
    | 'send-report'
    | 'submit'
    | 'suppress-bounced';
  readonly description: string;
  /** One of the interfaces in functions/environment.ts: all that the function gets to see. */
  readonly environment: object;
  readonly timeout: Duration;
  readonly memoryMb: number;
  /** Where the function's connections start; without it Lambda's own network, which cannot reach port 25. */
  readonly network?: { readonly vpc: IVpc; readonly securityGroups: ISecurityGroup[] };
  readonly recursiveLoop?: RecursiveLoop;
}

/**
 * A handler on Node 24, arm64, as one minified ES module with its SDK, logging to a group of its own.
 *
 * Its role starts with no more than that log group and, in a VPC, its network interfaces; everything else is granted
 * by whoever owns the resource.
 */
export class HandlerFunction extends NodejsFunction {
  constructor(scope: Construct, id: string, props: HandlerFunctionProps) {
    const role = new Role(scope, `${id}Role`, {
      description: `Sealpost function ${props.handler}`,
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    });
    const logGroup = new LogGroup(scope, `${id}Logs`, {
      retention: RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    logGroup.grantWrite(role);
    const environment = encodeEnvironment(props.environment);
    super(scope, id, {
      entry: join(projectRoot, 'functions', 'handlers', `${props.handler}.ts`),
      projectRoot,
      depsLockFilePath: join(projectRoot, 'package-lock.json'),
      handler: 'handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      description: props.description,
      environment,
      timeout: props.timeout,
      memorySize: props.memoryMb,
      role,
      logGroup,
      bundling: bundling(props.handler),
      // The SDK of the bundle keeps its connections alive by itself; a variable for it is not part of the environment.
      awsSdkConnectionReuse: false,
      ...(props.recursiveLoop !== undefined && { recursiveLoop: props.recursiveLoop }),
      ...(props.network !== undefined && {
        vpc: props.network.vpc,
        securityGroups: props.network.securityGroups,
      }),
    });
    const oversize = explainOversize(environment);
    if (oversize !== undefined) {
      Validations.of(this).addError('sealpost:environment-size', oversize);
    }
    if (props.network !== undefined) {
      allowNetworkInterfaces(role);
      denyNetworkInterfaces(this, role);
    }
  }
}

function bundling(handler: HandlerFunctionProps['handler']): BundlingOptions {
  return {
    format: OutputFormat.ESM,
    target: 'node24',
    minify: true,
    // `module` first gives esbuild the ES modules of the SDK, which it can shake.
    mainFields: ['module', 'main'],
    // The SDK as locked and tested, not the one of the runtime's day.
    externalModules: [],
    bundleAwsSDK: true,
    // Some CommonJS packages require node builtins at run time.
    banner:
      "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);",
    sourceMap: true,
    sourceMapMode: SourceMapMode.EXTERNAL,
    commandHooks: {
      beforeBundling: () => [],
      beforeInstall: () => [],
      afterBundling: (_inputDir, outputDir) => keepSourceMapApart(handler, outputDir),
    },
  };
}

/**
 * Moves the source map out of the asset to source-maps/ in the cloud assembly (cdk.out): what runs stays small, and
 * `index.mjs:1:4711` in a logged stack is looked up in the map of the same synthesis, kept with the release.
 */
function keepSourceMapApart(handler: string, outputDir: string): string[] {
  const folder = join(outputDir, '..', 'source-maps');
  const move = [join(outputDir, 'index.mjs.map'), join(folder, `${handler}.mjs.map`)];
  return [`mkdir -p ${quote(folder)}`, `mv ${move.map(quote).join(' ')}`];
}

/** For the shell that runs bundling hooks. */
function quote(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}

const networkInterfaceActions = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
];

/** What Lambda needs to put a function into a VPC, instead of a managed policy that also grants every log group. */
function allowNetworkInterfaces(role: Role): void {
  role.addToPolicy(
    new PolicyStatement({
      effect: Effect.ALLOW,
      actions: networkInterfaceActions,
      resources: ['*'],
    }),
  );
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason:
      'Lambda checks for these network interface actions on all resources before it takes a VPC function.',
  });
}

/** Lambda acts with the function's role, and so could the function's code: there these actions are denied. */
function denyNetworkInterfaces(handler: HandlerFunction, role: Role): void {
  // Not in the role's default policy: the function waits for that one, and this one names the function.
  new Policy(handler, 'DenyNetworkInterfaces', {
    roles: [role],
    statements: [
      new PolicyStatement({
        effect: Effect.DENY,
        actions: networkInterfaceActions,
        resources: ['*'],
        conditions: { ArnEquals: { 'lambda:SourceFunctionArn': handler.functionArn } },
      }),
    ],
  });
}
