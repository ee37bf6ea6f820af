/** The HTTP API and the functions behind it. It can be made anew: mail and state are in the other stacks. */
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type {
  DeliverySettings,
  NetworkSetting,
  PostReportEnvironment,
  ReportInboxSetting,
  SubmitEnvironment,
} from '../functions/environment.ts';
import type { DeliveryStack, DeliveryStackProps } from './delivery-stack.ts';
import { allow, grantContents, grantReports, grantSecrets } from './grants.ts';
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
  /** Whose TLS reports `POST /tlsrpt` takes; absent: it is not served. */
  readonly postedReports?: ReportInboxSetting;
}

/** In `event.routeKey` (functions/handlers/submit.ts). */
const submitRoutes = ['POST /v1/messages', 'GET /v1/messages/{id}', 'POST /v1/uploads'] as const;

/** API Gateway waits 30 seconds. */
const timeout = Duration.seconds(29);

export class ApiStack extends Stack {
  /** `https://…`, without a path. */
  readonly apiEndpoint: string;

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
    if (props.postedReports !== undefined) {
      const post = createPostReportFunction(this, props.state, props.postedReports);
      http.addOpenRoute({ handler: post, route: 'POST /tlsrpt', requestsPerSecondMax: 2 });
    }
    this.apiEndpoint = http.endpoint;
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
  allow(submit, queues.deliveryQueue.queueArn, 'sqs:SendMessage');
  grantSecrets(
    submit,
    delivery.dkimKeys.map(({ secretArn }) => secretArn),
  );
  grantContents(
    submit,
    state,
    // Nothing else that the bucket holds: what others sent is not to be had by submitting it again.
    ['uploads/*', 's3:GetObject'],
    // Presigned: whoever has the URL puts with the function's rights.
    ['uploads/*', 's3:PutObject'],
    ['content/*', 's3:PutObject'],
  );
  return submit;
}

/** What strangers may call: it can put reports into the bucket, and can do nothing else. */
function createPostReportFunction(
  scope: Construct,
  state: StateStack,
  setting: ReportInboxSetting,
): HandlerFunction {
  const environment: PostReportEnvironment = {
    SEALPOST_REPORT_BUCKET: state.reportBucket.bucketName,
    SEALPOST_REPORT_INBOX: setting,
  };
  const post = new HandlerFunction(scope, 'PostReport', {
    handler: 'post-report',
    description: 'Takes TLS reports in over HTTPS',
    environment,
    timeout,
    memoryMb: 512,
  });
  grantReports(post, state, 'received/https/*', 's3:PutObject');
  return post;
}
