/** Grants of one action or a few on one thing. Those on tables: table-grants.ts. */
import { Stack, Validations } from 'aws-cdk-lib';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { HandlerFunction } from './handler-function.ts';
import type { StateStack } from './state-stack.ts';

/** Allows `actions` on a resource. */
export function allow(
  grantee: HandlerFunction,
  resource: string,
  ...actions: readonly string[]
): void {
  grantee.addToRolePolicy(new PolicyStatement({ actions: [...actions], resources: [resource] }));
}

/** Allows to read secrets, each once however often it is named. */
export function grantSecrets(grantee: HandlerFunction, secretArns: Iterable<string>): void {
  for (const secretArn of new Set(secretArns)) {
    allow(grantee, secretArn, 'secretsmanager:GetSecretValue');
  }
}

/** Actions on the objects of the message bucket whose keys match a pattern. */
export type ContentGrant = readonly [keys: string, ...actions: readonly string[]];

/** Allows them, and to see which objects there are. */
export function grantContents(
  grantee: HandlerFunction,
  state: StateStack,
  ...grants: readonly ContentGrant[]
): void {
  const bucketArn = state.exportValue(state.messageBucket.bucketArn) as string;
  for (const [keys, ...actions] of grants) {
    allow(grantee, `${bucketArn}/${keys}`, ...actions);
  }
  // Without it S3 answers "access denied" for an object that is not there, which would look like a fault of ours.
  allow(grantee, bucketArn, 's3:ListBucket');
  acknowledgePatterns(
    grantee,
    bucketArn,
    grants.map(([keys]) => keys),
  );
}

/** Allows actions on the objects of the report bucket whose keys match a pattern. */
export function grantReports(
  grantee: HandlerFunction,
  state: StateStack,
  ...[keys, ...actions]: ContentGrant
): void {
  const bucketArn = state.exportValue(state.reportBucket.bucketArn) as string;
  allow(grantee, `${bucketArn}/${keys}`, ...actions);
  acknowledgePatterns(grantee, bucketArn, [keys]);
}

/** For cdk-nag. */
function acknowledgePatterns(
  grantee: HandlerFunction,
  bucketArn: string,
  patterns: readonly string[],
): void {
  const exportName = Stack.of(grantee).resolve(bucketArn)['Fn::ImportValue'];
  for (const keys of new Set(patterns)) {
    Validations.of(grantee.role as IRole).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${exportName}/${keys}]`,
      reason: 'A grant on objects takes a pattern: keys are made per message or report.',
    });
  }
}
