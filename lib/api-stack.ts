/** The HTTP API and the functions behind it. It can be made anew: mail and state are in the other stacks. */
import { Duration, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type {
  DeliverySettings,
  NetworkSetting,
  SubmitEnvironment,
} from '../functions/environment.ts';
import type { DeliveryStack, DeliveryStackProps } from './delivery-stack.ts';
import { HandlerFunction } from './handler-function.ts';
import { HttpInterface, type HttpInterfaceProps } from './http-interface.ts';
import { createOperateFunction, operateRoutes } from './operating-api.ts';
import { collectRoutes, createCollectFunction } from './result-collector.ts';
import type { StateStack } from './state-stack.ts';
import { grantTable } from './table-grants.ts';

/** What is called over HTTP, and by whom. */
export interface ApiStackProps extends StackProps {
  readonly state: StateStack;
  readonly queues: Pick<DeliveryStack, 'deliveryQueue' | 'deadLetterQueue'>;
  readonly delivery: DeliverySettings;
  readonly network: NetworkSetting;
  readonly api: HttpInterfaceProps;
  /** Absent: no TLS report is sent, and no result taken in. */
  readonly recording?: DeliveryStackProps['recording'];
}

/** In `event.routeKey` (functions/handlers/submit.ts). */
const submitRoutes = ['POST /v1/messages', 'GET /v1/messages/{id}', 'POST /v1/uploads'] as const;

/** API Gateway waits 30 seconds. */
const timeout = Duration.seconds(29);

export class ApiStack extends Stack {
  constructor(scope: Construct, id: string, props: ApiStackProps) {
    super(scope, id, props);
    const http = new HttpInterface(this, 'Http', props.api);
    const submit = createSubmitFunction(this, props);
    http.addRoutes({ handler: submit, routes: submitRoutes, scope: 'submit' });
    const operate = createOperateFunction(this, props);
    http.addRoutes({ handler: operate, routes: operateRoutes, scope: 'operate' });
    if (props.recording !== undefined) {
      const collect = createCollectFunction(this, props);
      http.addRoutes({ handler: collect, routes: collectRoutes, scope: 'submit' });
    }
  }
}

/** Outside the VPC: it calls AWS only. */
function createSubmitFunction(scope: Construct, props: ApiStackProps): HandlerFunction {
  const { state, queues, delivery } = props;
  const environment: SubmitEnvironment = {
    SEALPOST_DELIVERY: delivery,
    SEALPOST_MESSAGE_TABLE: state.messageTable.tableName,
    SEALPOST_CONTROL_TABLE: state.controlTable.tableName,
    SEALPOST_MESSAGE_BUCKET: state.messageBucket.bucketName,
    SEALPOST_DELIVERY_QUEUE_URL: queues.deliveryQueue.queueUrl,
  };
  const submit = new HandlerFunction(scope, 'Submit', {
    handler: 'submit',
    description: 'Takes messages in over HTTP, and tells what became of them',
    environment,
    timeout,
    // An upload of 40 MiB is in memory several times: as read, with its header completed, and as JSON.
    memoryMb: 1_024,
  });
  grantTable(
    submit,
    state.messageTable,
    'dynamodb:GetItem',
    'dynamodb:PutItem',
    'dynamodb:Query',
    'dynamodb:UpdateItem',
  );
  grantTable(submit, state.controlTable, 'dynamodb:Query');
  allow(submit, 'sqs:SendMessage', queues.deliveryQueue.queueArn);
  for (const secretArn of new Set(delivery.dkimKeys.map((key) => key.secretArn))) {
    allow(submit, 'secretsmanager:GetSecretValue', secretArn);
  }
  grantContents(submit, state);
  return submit;
}

/** Reads uploads and nothing else that the bucket holds: what others sent is not to be had by submitting it again. */
function grantContents(submit: HandlerFunction, state: StateStack): void {
  const bucketArn = state.exportValue(state.messageBucket.bucketArn) as string;
  allow(submit, 's3:GetObject', `${bucketArn}/uploads/*`);
  // Presigned: whoever has the URL puts with the function's rights.
  allow(submit, 's3:PutObject', `${bucketArn}/uploads/*`);
  allow(submit, 's3:PutObject', `${bucketArn}/content/*`);
  // Without it S3 answers "access denied" for an upload that is not there, which would look like a fault of ours.
  allow(submit, 's3:ListBucket', bucketArn);
  const exportName = Stack.of(submit).resolve(bucketArn)['Fn::ImportValue'];
  for (const keys of ['uploads/*', 'content/*']) {
    Validations.of(submit.role as IRole).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${exportName}/${keys}]`,
      reason: 'A grant on objects takes a pattern: keys are made per message.',
    });
  }
}

function allow(submit: HandlerFunction, action: string, resource: string): void {
  submit.addToRolePolicy(new PolicyStatement({ actions: [action], resources: [resource] }));
}
