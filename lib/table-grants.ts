/** Grants on a table alone: `grant` of a table with indexes names all of them by a wildcard. */
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { allow } from './grants.ts';
import type { HandlerFunction } from './handler-function.ts';

/** Allows `actions` on the items of a table, and nothing on its indexes. */
export function grantTable(
  grantee: HandlerFunction,
  table: TableV2,
  ...actions: readonly string[]
): void {
  allow(grantee, table.tableArn, ...actions);
}

/** Allows to query these indexes of a table. */
export function grantIndexQuery(
  grantee: HandlerFunction,
  table: TableV2,
  ...indexNames: readonly ('WaitingByAge' | 'WaitingByDue')[]
): void {
  grantee.addToRolePolicy(
    new PolicyStatement({
      actions: ['dynamodb:Query'],
      resources: indexNames.map((name) => `${table.tableArn}/index/${name}`),
    }),
  );
}
