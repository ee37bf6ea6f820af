/**
 * EventBridge rules that wait for objects: an `AWS::Events::Rule` whose pattern is S3's "Object Created" puts the event of
 * each object into its queues.
 *
 * Of other rules that wait only those for bounces of SES are taken, and never come true: mail that is handed to SES here
 * goes no further, so none of it is returned. Any other pattern would be passed over in silence, and is refused.
 *
 * @see {@link https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html}
 */
import { randomUUID } from 'node:crypto';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import type { ReportEvent } from './events.ts';
import { notImplemented, readProperties } from './properties.ts';
import type { DeployedResource, Deployment } from './resource.ts';
import { accountId } from './resource-types.ts';
import type { Services } from './services.ts';
import type { CreatedObject } from './sqs-s3.ts';
import { LocalCloudError } from './template.ts';

/** What reaches S3 and SQS, and is told of faults. */
export interface ObjectEventParts {
  readonly services: Pick<Services, 's3' | 'sqs'>;
  readonly report: ReportEvent;
}

/** A rule at work. */
interface ObjectRule {
  readonly key: string;
  readonly region: string;
  readonly buckets: readonly string[];
  /** One of them begins the key. */
  readonly prefixes: readonly string[];
  readonly queueUrls: readonly string[];
}

/** Strict: what else a pattern may say narrows it. */
const patternSchema = z.strictObject(
  {
    source: z.tuple([z.literal('aws.s3')]),
    'detail-type': z.tuple([z.literal('Object Created')]),
    detail: z.strictObject({
      bucket: z.strictObject({ name: z.array(z.string()).min(1) }),
      object: z
        .strictObject({ key: z.array(z.strictObject({ prefix: z.string() })).min(1) })
        .default({ key: [{ prefix: '' }] }),
    }),
  },
  'of events only those of "Object Created" by bucket and prefix of the key are told here',
);

const ruleSchema = z.looseObject({
  EventPattern: patternSchema,
  EventBusName: z.literal('default', 'there is only the default bus here').optional(),
  State: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  Targets: z
    .array(
      z.looseObject({
        Arn: z
          .string()
          .regex(/^arn:aws:sqs:.*(?<!\.fifo)$/, 'only standard queues are told of objects here'),
        Input: notImplemented('inputs of events'),
        InputTransformer: notImplemented('input transformers'),
        InputPath: notImplemented('input paths'),
      }),
    )
    .default([]),
});

const bounceSchema = z.looseObject({
  source: z.tuple([z.literal('aws.ses')]),
  'detail-type': z.tuple([z.literal('Email Bounced')]),
});

/**
 * Makes what obeys the rules of a deployment; it is to be told of each object once that is there, and never rejects.
 *
 * @throws LocalCloudError for a rule that waits for anything else, a queue that no template declares, or a bucket that does
 * not tell EventBridge of its objects
 */
export function createObjectEvents(
  deployment: Deployment,
  parts: ObjectEventParts,
): (created: CreatedObject) => Promise<void> {
  const rules = deployment.resources.flatMap((resource) => readRule(resource, deployment) ?? []);
  return async (created) => {
    const obeyed = rules.filter(
      ({ buckets, prefixes }) =>
        buckets.includes(created.bucket) &&
        prefixes.some((prefix) => created.key.startsWith(prefix)),
    );
    await Promise.all(obeyed.map((rule) => obey(rule, created, parts)));
  };
}

/** Undefined for a rule that is switched off or has no pattern, and for one whose event does not happen here. */
function readRule(resource: DeployedResource, deployment: Deployment): ObjectRule | undefined {
  const isRule = resource.type === 'AWS::Events::Rule';
  const pattern = isRule ? resource.property('EventPattern') : undefined;
  if (pattern === undefined || bounceSchema.safeParse(pattern).success) {
    return undefined;
  }
  const { EventPattern, State, Targets } = readProperties(resource, ruleSchema);
  const { bucket, object } = EventPattern.detail;
  for (const name of bucket.name) {
    checkBucket(resource, name, deployment);
  }
  const rule: ObjectRule = {
    key: resource.key,
    region: resource.stack.region,
    buckets: bucket.name,
    prefixes: object.key.map(({ prefix }) => prefix),
    queueUrls: Targets.map(({ Arn }) => queueUrlOf(resource, Arn, deployment)),
  };
  return State === 'ENABLED' ? rule : undefined;
}

const bucketSchema = z.looseObject({
  NotificationConfiguration: z
    .looseObject({
      EventBridgeConfiguration: z.looseObject({
        EventBridgeEnabled: z.union([z.boolean(), z.stringbool()]).default(true),
      }),
    })
    .optional(),
});

/** A bucket says nothing unless it is told to, and nothing beyond its region. */
function checkBucket({ key, stack }: DeployedResource, name: string, deployment: Deployment): void {
  const found = deployment.resources.find(
    (resource) =>
      resource.type === 'AWS::S3::Bucket' &&
      resource.stack.region === stack.region &&
      resource.identity().ref === name,
  );
  if (found === undefined) {
    throw new LocalCloudError(`${key}: no template declares the bucket ${name} in ${stack.region}`);
  }
  const { NotificationConfiguration: told } = readProperties(found, bucketSchema);
  if (told?.EventBridgeConfiguration.EventBridgeEnabled !== true) {
    throw new LocalCloudError(`${key}: ${found.key} does not tell EventBridge of its objects`);
  }
}

function queueUrlOf({ key }: DeployedResource, arn: string, { resources }: Deployment): string {
  const queue = resources.find(
    (resource) =>
      resource.type === 'AWS::SQS::Queue' && resource.identity().attribute('Arn') === arn,
  );
  if (queue === undefined) {
    throw new LocalCloudError(`${key}: no template declares ${arn}`);
  }
  return queue.identity().ref;
}

async function obey(
  { key, region, queueUrls }: ObjectRule,
  created: CreatedObject,
  { services, report }: ObjectEventParts,
): Promise<void> {
  try {
    const { ContentLength: size, ETag: etag = '' } = await services.s3.send(
      new HeadObjectCommand({ Bucket: created.bucket, Key: created.key }),
    );
    const object = { key: created.key, size, etag: etag.replaceAll('"', '') };
    const body = JSON.stringify(eventOf(created, object, region));
    for (const QueueUrl of queueUrls) {
      await services.sqs(region).send(new SendMessageCommand({ QueueUrl, MessageBody: body }));
    }
  } catch (error) {
    report({ kind: 'fault', where: key, message: String(error) });
  }
}

/** The event as EventBridge forms it; the key is written as it is, where S3's own notifications encode it. */
function eventOf(
  { bucket, reason, requestId, sourceAddress, createdAtMs }: CreatedObject,
  object: Readonly<Record<string, unknown>>,
  region: string,
): unknown {
  const sequencer = createdAtMs.toString(16).toUpperCase().padStart(16, '0');
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'Object Created',
    source: 'aws.s3',
    account: accountId,
    time: new Date(createdAtMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    region,
    resources: [`arn:aws:s3:::${bucket}`],
    detail: {
      version: '0',
      bucket: { name: bucket },
      object: { ...object, sequencer },
      'request-id': requestId,
      requester: accountId,
      'source-ip-address': sourceAddress,
      reason,
    },
  };
}
