/**
 * The local cloud: what `cdk synth` wrote, running on this machine.
 *
 * Driven by the templates and nothing else, so that what runs here is what deploys. Everything listens on
 * loopback; the functions are processes that end with this one.
 */
import type { NetworkSetting } from '../../functions/environment.ts';
import { type Closers, createClosers } from './closers.ts';
import { checkFunctionDependencies } from './dependencies.ts';
import { openDeployment } from './deployment.ts';
import { type Doors, hasDoor, takeDoors } from './doors.ts';
import { type Edge, type EdgePlace, startEdge } from './edge.ts';
import { edgeSettings } from './edge-settings.ts';
import {
  type EventSource,
  type EventSourceParts,
  eventSourceSettings,
  startEventSource,
} from './event-source.ts';
import type { LocalEvent, ReportEvent } from './events.ts';
import { answerFunctionUrl, functionUrlSettings } from './function-url.ts';
import { createFunctions, type LocalFunctions } from './functions.ts';
import { answerHttpApi, httpApiSettings } from './http-routes.ts';
import type { Invocation } from './lambda-pool.ts';
import { pickByLogicalId } from './logical-id.ts';
import { createObjectEvents } from './object-events.ts';
import { type ReceiptRule, type ReceivedMail, receiptRules, receiveMail } from './receipt-rules.ts';
import type { DeployedResource, Deployment } from './resource.ts';
import { hasCounterpart } from './resource-types.ts';
import { runSchedule, type ScheduleSettings, scheduleSettings, startClock } from './schedules.ts';
import { type Endpoints, type Services, startServices } from './services.ts';
import type { SesMessage } from './ses.ts';
import { LocalCloudError, readAssembly, type Stack, type TemplateValue } from './template.ts';

/** What to run, and where it differs from AWS. */
export interface LocalCloudOptions {
  /** What `cdk synth` wrote: `cdk.out`. */
  readonly assembly: string;
  /** Takes the place of `SEALPOST_NETWORK` in functions that have it. */
  readonly network?: NetworkSetting;
  /** The region of stacks that are bound to none; default eu-west-1. */
  readonly region?: string;
  /** Serves the CloudFront distributions; absent: they are not served. */
  readonly edge?: EdgePlace;
  /** Name or ARN -> secret string, for secrets that no template declares. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Whether schedules run by the clock or only when asked to; default `clock`. */
  readonly schedules?: 'clock' | 'onDemand';
  /** Is told what happens, as it happens. */
  readonly onEvent?: (event: LocalEvent) => void;
}

/** The local cloud while it runs. */
export interface LocalCloud {
  readonly endpoints: Endpoints;
  /** What to put into the environment of an AWS SDK or command line to reach it. */
  readonly variables: Readonly<Record<string, string>>;
  readonly stacks: readonly RunningStack[];
  readonly ses: { readonly messages: readonly SesMessage[] };
  readonly edge: Edge | undefined;
  /** The last 10,000 events. */
  readonly events: readonly LocalEvent[];
  /**
   * The physical name, queue URL or ARN of a resource (what `Ref` gives).
   *
   * @param logicalId - without the eight characters that the CDK appends
   * @throws RangeError if there is none or more than one
   */
  physicalId(logicalId: string): string;
  /** The local address of a function URL or HTTP API, with a slash at its end; `logicalId` as above. */
  url(logicalId: string): string;
  /** Invokes a function with an event; `logicalId` as above. A failure of the function is a value. */
  invoke(logicalId: string, event: unknown): Promise<Invocation>;
  /** Runs a schedule now, and gives what each of its functions gave; `logicalId` as above. */
  runSchedule(logicalId: string): Promise<readonly Invocation[]>;
  /**
   * Does what SES does with a mail that comes for a mailbox: puts it, byte for byte, where the receipt rule says.
   *
   * @throws RangeError if no receipt rule takes the mailbox
   */
  receiveMail(mailbox: string, raw: Uint8Array): Promise<ReceivedMail>;
  /** Kills the functions, closes all ports. */
  stop(): Promise<void>;
}

/** A stack while it runs. */
export interface RunningStack {
  readonly name: string;
  readonly region: string;
  /** Outputs that can be resolved here. */
  readonly outputs: Readonly<Record<string, TemplateValue>>;
  /** Logical id -> what `Ref` gives, for what is created, run or served here. */
  readonly physicalIds: Readonly<Record<string, string>>;
}

const eventsMax = 10_000;

/**
 * Starts the stacks of a cloud assembly.
 *
 * @throws LocalCloudError that names the stack and resource that cannot be had here; nothing is left running
 */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const events: LocalEvent[] = [];
  const report = (event: LocalEvent): void => {
    events.push(event);
    if (events.length > eventsMax) {
      events.shift();
    }
    options.onEvent?.(event);
  };
  const closers = createClosers();
  try {
    const parts = await startParts(options, report, closers);
    return { ...describeCloud(parts), events, stop: closers.closeAll };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

/** What runs as soon as the resources exist. */
interface StartedParts {
  readonly stacks: readonly Stack[];
  readonly deployment: Deployment;
  readonly services: Services;
  readonly doors: Doors;
  readonly functions: LocalFunctions;
  readonly report: ReportEvent;
}

/** All that runs, and what it was made from. */
interface Parts extends StartedParts {
  readonly schedules: readonly ScheduleSettings[];
  readonly receiptRules: readonly ReceiptRule[];
  readonly edge: Edge | undefined;
}

async function startParts(
  options: LocalCloudOptions,
  report: ReportEvent,
  closers: Closers,
): Promise<Parts> {
  const stacks = readAssembly(options.assembly, options.region ?? 'eu-west-1');
  const services = await startServices(options.secrets ?? {}, closers);
  const doors = await takeDoors(stacks, report);
  closers.add(doors.close);
  const deployment = openDeployment(stacks, {
    sqsEndpoint: services.endpoints.sqs,
    authority: doors.authority,
  });
  checkFunctionDependencies(deployment);
  await services.createResources(deployment);
  services.onObjectCreated(createObjectEvents(deployment, { services, report }));
  const functions = await createFunctions(
    deployment,
    { endpoints: services.variables, network: options.network },
    report,
  );
  const sources: EventSource[] = [];
  // Closed from the last to the first: nothing new is received, what is under way is killed and seen to its end.
  closers.add(async () => void (await Promise.all(sources.map(({ ended }) => ended))));
  closers.add(functions.stop);
  closers.add(() => {
    for (const source of sources) {
      source.halt();
    }
  });
  const given: StartedParts = {
    stacks,
    deployment,
    services,
    doors,
    functions,
    report,
  };
  openDoors(given);
  sources.push(...startEventSources(given));
  const schedules = startSchedules(given, options.schedules ?? 'clock', closers);
  const edge =
    options.edge === undefined ? undefined : await openEdge(given, options.edge, closers);
  return { ...given, schedules, receiptRules: receiptRules(deployment), edge };
}

function ofType(deployment: Deployment, type: string): readonly DeployedResource[] {
  return deployment.resources.filter((resource) => resource.type === type);
}

function openDoors({ deployment, doors, functions }: StartedParts): void {
  for (const resource of ofType(deployment, 'AWS::Lambda::Url')) {
    const settings = functionUrlSettings(resource);
    const target = functions.named(settings.functionName);
    doors.open(resource.key, async (request) => answerFunctionUrl(settings, target, request));
  }
  for (const resource of ofType(deployment, 'AWS::ApiGatewayV2::Api')) {
    const settings = httpApiSettings(resource, deployment);
    for (const route of settings.routes) {
      // Throws now for a function that no template declares, rather than at the first request.
      functions.named(route.functionName);
    }
    doors.open(resource.key, async (request) => answerHttpApi(settings, functions.named, request));
  }
}

function startEventSources({
  deployment,
  functions,
  services,
  report,
}: StartedParts): readonly EventSource[] {
  const queues = ofType(deployment, 'AWS::SQS::Queue');
  const mappings = ofType(deployment, 'AWS::Lambda::EventSourceMapping').flatMap((resource) => {
    const settings = eventSourceSettings(resource);
    if (settings === undefined) {
      return [];
    }
    const queue = queues.find(
      (candidate) => candidate.identity().attribute('Arn') === settings.queueArn,
    );
    if (queue === undefined) {
      throw new LocalCloudError(`${resource.key}: no template declares ${settings.queueArn}`);
    }
    const parts: EventSourceParts = {
      client: services.sqs(queue.stack.region),
      queueUrl: queue.identity().ref,
      region: queue.stack.region,
      target: functions.named(settings.functionName),
      report,
    };
    return { settings, parts };
  });
  // None polls before all are known to be good.
  return mappings.map(({ settings, parts }) => startEventSource(settings, parts));
}

function startSchedules(
  { deployment, functions, report }: StartedParts,
  mode: 'clock' | 'onDemand',
  closers: Closers,
): readonly ScheduleSettings[] {
  const schedules = [
    ...ofType(deployment, 'AWS::Scheduler::Schedule'),
    ...ofType(deployment, 'AWS::Events::Rule'),
  ].flatMap((resource) => scheduleSettings(resource) ?? []);
  for (const target of schedules.flatMap(({ targets }) => targets)) {
    // Throws now for a function that no template declares, rather than when the schedule comes due.
    functions.named(target.functionName);
  }
  if (mode === 'clock') {
    const startedMinute = Math.floor(Date.now() / 60_000);
    const clock = startClock((minute) => {
      for (const schedule of schedules) {
        if (schedule.isEnabled && schedule.isDue(minute, startedMinute)) {
          void runSchedule(schedule, { functionNamed: functions.named, report }, new Date());
        }
      }
    });
    closers.add(clock.stop);
  }
  return schedules;
}

async function openEdge(
  { deployment, doors, report }: StartedParts,
  place: EdgePlace,
  closers: Closers,
): Promise<Edge> {
  const distributions = ofType(deployment, 'AWS::CloudFront::Distribution').map((resource) =>
    edgeSettings(resource, deployment),
  );
  return await startEdge(place, { distributions, callOrigin: doors.call, report }, closers);
}

/** The view that a visitor has of the parts. */
function describeCloud(parts: Parts): Omit<LocalCloud, 'events' | 'stop'> {
  const { deployment, doors, functions, schedules, services, stacks, report } = parts;
  const known = deployment.resources.filter(({ type }) => hasCounterpart(type));
  const invocable = functions.all.map((local) => ({ logicalId: local.settings.logicalId, local }));
  return {
    endpoints: services.endpoints,
    variables: {
      ...services.variables,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    },
    stacks: stacks.map((stack) => ({
      name: stack.name,
      region: stack.region,
      outputs: deployment.outputs(stack),
      physicalIds: Object.fromEntries(
        known
          .filter((resource) => resource.stack === stack)
          .map((resource) => [resource.logicalId, resource.identity().ref]),
      ),
    })),
    ses: services.ses,
    edge: parts.edge,
    physicalId: (logicalId) => pickByLogicalId(known, logicalId, 'resource').identity().ref,
    url: (logicalId) => {
      const withDoor = deployment.resources.filter(({ type }) => hasDoor(type));
      const { key } = pickByLogicalId(withDoor, logicalId, 'function URL or HTTP API');
      return `http://${doors.authority(key)}/`;
    },
    invoke: async (logicalId, event) =>
      await pickByLogicalId(invocable, logicalId, 'function').local.invoke(event),
    runSchedule: async (logicalId) =>
      await runSchedule(
        pickByLogicalId(schedules, logicalId, 'schedule'),
        { functionNamed: functions.named, report },
        new Date(),
      ),
    receiveMail: (mailbox, raw) => receiveMail(parts.receiptRules, services.s3, { mailbox, raw }),
  };
}
