/** A function's environment: from the types that the function reads it by to the strings that Lambda takes. */
import { Token } from 'aws-cdk-lib';

/** Lambda measures all variables of a function together, as one JSON object. */
const environmentBytesMax = 4_096;

/** Room for a value that CloudFormation will fill in: a generated table name, a queue URL. */
const unresolvedValue = '-'.repeat(160);

/** Encodes an environment (functions/environment.ts): strings as they are, anything else as JSON. */
export function encodeEnvironment(environment: object): Record<string, string> {
  const variables = Object.entries(environment).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return Object.fromEntries(variables);
}

/** Says what is wrong where Lambda would refuse an environment for its size: the deployment is too late to learn it. */
export function explainOversize(variables: Readonly<Record<string, string>>): string | undefined {
  const bytes = sizeBytes(variables);
  if (bytes <= environmentBytesMax) {
    return undefined;
  }
  const sizes = Object.entries(variables)
    .map(([name, value]) => ({ name, bytes: sizeBytes({ [name]: value }) }))
    .sort((a, b) => b.bytes - a.bytes);
  const [largest] = sizes;
  return `the environment takes ${bytes} bytes and Lambda allows ${environmentBytesMax}. ${largest?.name} takes ${largest?.bytes} of them: shorten what the config puts there.`;
}

function sizeBytes(variables: Readonly<Record<string, string>>): number {
  const known = Object.entries(variables).map(([name, value]) => [
    name,
    Token.isUnresolved(value) ? unresolvedValue : value,
  ]);
  return Buffer.byteLength(JSON.stringify(Object.fromEntries(known)));
}
