/** Alarms on what TLS reports of others tell: a new type of failure, too many failures, and nobody telling anything. */
import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

interface ReportAlarmProps {
  /** The function that writes the metric: its `service`. */
  readonly service: 'receive-report' | 'check-reports';
  readonly metric: string;
  readonly description: string;
  /**
   * `event`: each one alarms, and the alarm ends by itself. `state`: the alarm lasts until the metric is written as zero, a
   * day later or more.
   */
  readonly kind: 'event' | 'state';
}

const alarms: readonly ReportAlarmProps[] = [
  {
    service: 'receive-report',
    metric: 'ReportedFailuresNew',
    description: 'Sessions with our hosts fail in a way that was not reported for 13 months',
    kind: 'event',
  },
  {
    service: 'check-reports',
    metric: 'ReportedFailuresAboveShare',
    description: 'On a day more sessions with our hosts failed than failurePercentMax allows',
    kind: 'event',
  },
  {
    service: 'check-reports',
    metric: 'ReportersSilent',
    description: 'Somebody who reports usually has stopped',
    kind: 'state',
  },
  {
    service: 'check-reports',
    metric: 'ReportedDomainsSilent',
    description:
      'Nobody reports about a domain any more: record, mailbox or receipt rule may be at fault',
    kind: 'state',
  },
];

/** Adds the alarms. Without a topic they are seen in CloudWatch, and nobody is told. */
export function addReportAlarms(scope: Construct, topicArn: string | undefined): void {
  const actions =
    topicArn === undefined ? [] : [new SnsAction(Topic.fromTopicArn(scope, 'Topic', topicArn))];
  for (const { service, metric, description, kind } of alarms) {
    const alarm = new Alarm(scope, metric, {
      alarmDescription: `Sealpost: ${description}.`,
      metric: new Metric({
        namespace: 'Sealpost',
        metricName: metric,
        dimensionsMap: { service },
        statistic: 'Sum',
        period: Duration.minutes(5),
      }),
      threshold: 0,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: kind === 'event' ? TreatMissingData.NOT_BREACHING : TreatMissingData.IGNORE,
    });
    alarm.addAlarmAction(...actions);
  }
}
