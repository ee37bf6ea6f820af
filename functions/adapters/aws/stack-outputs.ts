/** The outputs of a deployed CloudFormation stack, for whoever operates it from outside. */
import {
  type CloudFormationClient,
  CloudFormationServiceException,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { storeUnavailable } from './store-failure.ts';

/**
 * Output name -> value; undefined where there is no stack of this name in the client's account and region.
 *
 * @throws {TransportSecurityError} `store-unavailable`, also where the credentials do not allow the question.
 */
export async function readStackOutputs(
  client: CloudFormationClient,
  stackName: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    const { Stacks: [stack] = [] } = await client.send(
      new DescribeStacksCommand({ StackName: stackName }),
    );
    return Object.fromEntries(
      (stack?.Outputs ?? []).map(({ OutputKey: name, OutputValue: value }) => [name, value ?? '']),
    );
  } catch (error) {
    if (isNotFound(error)) {
      return undefined;
    }
    throw storeUnavailable(`DescribeStacks of ${stackName}`, error);
  }
}

/** CloudFormation has no error of its own for a stack that does not exist: only the message tells. */
function isNotFound(error: unknown): boolean {
  return (
    error instanceof CloudFormationServiceException &&
    error.name === 'ValidationError' &&
    error.message.includes('does not exist')
  );
}
