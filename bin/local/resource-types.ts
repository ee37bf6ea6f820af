/**
 * What `Ref` and `Fn::GetAtt` of each resource type give on this machine, and which types have no counterpart here.
 *
 * All values are functions of the template and the local ports, so every reference can be resolved before
 * anything is created.
 */
import { createHash } from 'node:crypto';
import type { DeployedResource, Identity, Places } from './resource.ts';
import { LocalCloudError } from './template.ts';

/** The one account of the local cloud; the queue emulator knows no other. */
export const accountId = '000000000000';

type Describe = (resource: DeployedResource, places: Places) => Identity;

/** The types that the local cloud creates, runs or serves. */
const described: Readonly<Record<string, Describe>> = {
  'AWS::DynamoDB::Table': describeTable,
  'AWS::DynamoDB::GlobalTable': describeTable,
  'AWS::SQS::Queue': describeQueue,
  'AWS::S3::Bucket': describeBucket,
  'AWS::SecretsManager::Secret': describeSecret,
  'AWS::Lambda::Function': describeFunction,
  'AWS::Lambda::Version': (resource) => qualifiedFunction(resource, '1'),
  'AWS::Lambda::Alias': (resource) =>
    qualifiedFunction(resource, String(resource.property('Name'))),
  'AWS::Lambda::Url': describeFunctionUrl,
  'AWS::Lambda::EventSourceMapping': describePlain,
  'AWS::ApiGatewayV2::Api': describeApi,
  'AWS::ApiGatewayV2::Integration': describePlain,
  'AWS::ApiGatewayV2::Route': describePlain,
  'AWS::ApiGatewayV2::Stage': (resource) => identity(String(resource.property('StageName')), {}),
  'AWS::Scheduler::Schedule': (resource) =>
    describeSchedule(resource, 'scheduler', 'schedule/default'),
  'AWS::Events::Rule': (resource) => describeSchedule(resource, 'events', 'rule'),
  'AWS::CloudFront::Distribution': describeDistribution,
  'AWS::CloudFront::Function': describeEdgeFunction,
  'AWS::CloudFront::CachePolicy': describePlain,
  'AWS::CloudFront::OriginRequestPolicy': describePlain,
  'AWS::CloudFront::ResponseHeadersPolicy': describePlain,
  'AWS::CloudFront::OriginAccessControl': describePlain,
  'Custom::ReceiptRule': describePlain,
  'AWS::SSM::Parameter': (resource) =>
    identity(physicalName(resource, 'Name', 1011), {
      Value: String(resource.property('Value')),
    }),
};

/**
 * Types that only matter on AWS: permissions, networks, names, keys, logs, alarms, how SES sends. A function may depend
 * on them; here they are nothing but stable names.
 */
const withoutCounterpart: readonly RegExp[] = [
  /^AWS::(IAM|EC2|Logs|KMS|CertificateManager|Route53|CloudWatch|CDK|WAFv2|SES)::/,
  /^AWS::Lambda::(Permission|EventInvokeConfig)$/,
  /^AWS::(S3::BucketPolicy|SQS::QueuePolicy|Scheduler::ScheduleGroup)$/,
];

/** Reports whether resources of a type exist here as something that is created, run or served. */
export function hasCounterpart(type: string): boolean {
  return Object.hasOwn(described, type);
}

/** Reports whether the local cloud knows what to make of a resource type. */
export function isKnownType(type: string): boolean {
  return hasCounterpart(type) || withoutCounterpart.some((known) => known.test(type));
}

/**
 * Gives the names of a resource.
 *
 * @throws LocalCloudError for a type that the local cloud does not know
 */
export function describeResource(resource: DeployedResource, places: Places): Identity {
  if (!isKnownType(resource.type)) {
    throw new LocalCloudError(
      `${resource.key} is of type ${resource.type}, which the local cloud does not know`,
    );
  }
  const describe = Object.hasOwn(described, resource.type) ? described[resource.type] : undefined;
  return (describe ?? describePlain)(resource, places);
}

/**
 * The name that the template gives, or else one made of stack and logical id, as CloudFormation does; the
 * suffix is a hash in place of a random one, so that it is the same at each start.
 */
export function physicalName(
  resource: DeployedResource,
  property: string,
  lengthMax: number,
): string {
  const given = resource.property(property);
  if (typeof given === 'string') {
    return given;
  }
  return generatedName(resource, lengthMax);
}

function generatedName(resource: DeployedResource, lengthMax: number): string {
  const suffix = createHash('sha256').update(resource.key).digest('hex').slice(0, 8);
  const stem = `${resource.stack.name}-${resource.logicalId}`;
  return `${stem.slice(0, lengthMax - suffix.length - 1)}-${suffix}`;
}

/** An Amazon resource name in the local account, in the region of the resource's stack. */
export function arnOf(resource: DeployedResource, service: string, rest: string): string {
  return `arn:aws:${service}:${resource.stack.region}:${accountId}:${rest}`;
}

function describeTable(resource: DeployedResource): Identity {
  const name = physicalName(resource, 'TableName', 255);
  return identity(name, { Arn: arnOf(resource, 'dynamodb', `table/${name}`) });
}

function describeQueue(resource: DeployedResource, { sqsEndpoint }: Places): Identity {
  const name = physicalName(resource, 'QueueName', 80);
  const url = `${sqsEndpoint}/${accountId}/${name}`;
  return identity(url, { Arn: arnOf(resource, 'sqs', name), QueueName: name, QueueUrl: url });
}

function describeBucket(resource: DeployedResource): Identity {
  const name = physicalName(resource, 'BucketName', 63).toLowerCase();
  return identity(name, { Arn: `arn:aws:s3:::${name}` });
}

function describeSecret(resource: DeployedResource): Identity {
  const name = physicalName(resource, 'Name', 500);
  // AWS appends six characters of its own to the name.
  const arn = arnOf(resource, 'secretsmanager', `secret:${name}-000000`);
  return identity(arn, { Id: arn });
}

function describeFunction(resource: DeployedResource): Identity {
  const name = physicalName(resource, 'FunctionName', 64);
  return identity(name, { Arn: arnOf(resource, 'lambda', `function:${name}`) });
}

function qualifiedFunction(resource: DeployedResource, qualifier: string): Identity {
  const name = functionName(String(resource.property('FunctionName')));
  const arn = arnOf(resource, 'lambda', `function:${name}:${qualifier}`);
  return identity(arn, { FunctionArn: arn, AliasArn: arn, Version: qualifier });
}

/**
 * Takes the name of a function out of the name itself, an ARN with or without a qualifier, or the
 * invocation path that API Gateway writes.
 */
export function functionName(reference: string): string {
  return /:function:([^:/]+)/.exec(reference)?.[1] ?? reference;
}

function describeFunctionUrl(resource: DeployedResource, places: Places): Identity {
  const arn = String(resource.property('TargetFunctionArn'));
  return identity(arn, {
    FunctionArn: arn,
    FunctionUrl: `http://${places.authority(resource.key)}/`,
  });
}

function describeApi(resource: DeployedResource, places: Places): Identity {
  const ref = generatedName(resource, 128);
  return identity(ref, { ApiId: ref, ApiEndpoint: `http://${places.authority(resource.key)}` });
}

function describeSchedule(resource: DeployedResource, service: string, kind: string): Identity {
  const name = physicalName(resource, 'Name', 64);
  return identity(name, { Arn: arnOf(resource, service, `${kind}/${name}`) });
}

function describeDistribution(resource: DeployedResource): Identity {
  const ref = generatedName(resource, 128);
  return identity(ref, { Id: ref, DomainName: `${ref.toLowerCase()}.cloudfront.net` });
}

function describeEdgeFunction(resource: DeployedResource): Identity {
  const arn = `arn:aws:cloudfront::${accountId}:function/${physicalName(resource, 'Name', 64)}`;
  return identity(arn, { FunctionARN: arn });
}

/** A stable name, and for every attribute a stable text. */
function describePlain(resource: DeployedResource): Identity {
  const ref = generatedName(resource, 128);
  const service = resource.type.split('::')[1]?.toLowerCase() ?? '';
  const arn = arnOf(resource, service, ref);
  const { attribute } = identity(ref, { Id: ref, Arn: arn });
  return { ref, attribute: (name) => attribute(name) ?? `${ref}.${name}` };
}

function identity(ref: string, attributes: Readonly<Record<string, string>>): Identity {
  return {
    ref,
    attribute: (name) => (Object.hasOwn(attributes, name) ? attributes[name] : undefined),
  };
}
