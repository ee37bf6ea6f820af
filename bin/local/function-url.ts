/**
 * Function URLs (`AWS::Lambda::Url`): a function called over HTTP, payload format 2.0.
 */
import { z } from 'zod';
import type { LocalFunction } from './lambda-pool.ts';
import {
  fromResult,
  type HttpAnswer,
  type HttpRequest,
  isSigned,
  jsonAnswer,
  toEvent,
} from './payload.ts';
import { readProperties } from './properties.ts';
import type { DeployedResource } from './resource.ts';
import { accountId, functionName } from './resource-types.ts';

/** A function URL as the template declares it. */
export interface FunctionUrlSettings {
  readonly functionName: string;
  /** Whether only signed requests are let through. */
  readonly needsSignature: boolean;
}

const urlSchema = z.looseObject({
  TargetFunctionArn: z.string(),
  AuthType: z.enum(['AWS_IAM', 'NONE']),
  InvokeMode: z.literal('BUFFERED', 'response streaming is not implemented here').optional(),
});

/**
 * Reads the settings of an `AWS::Lambda::Url`.
 *
 * @throws LocalCloudError for one that streams
 */
export function functionUrlSettings(resource: DeployedResource): FunctionUrlSettings {
  const data = readProperties(resource, urlSchema);
  const { TargetFunctionArn, AuthType } = data;
  return { functionName: functionName(TargetFunctionArn), needsSignature: AuthType === 'AWS_IAM' };
}

/** Answers a request to a function URL. */
export async function answerFunctionUrl(
  settings: FunctionUrlSettings,
  target: LocalFunction,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const signed = settings.needsSignature && isSigned(request);
  if (settings.needsSignature && !signed) {
    return jsonAnswer(403, '{"Message":"Forbidden"}');
  }
  const domainName = request.headers['host'] ?? '';
  const event = toEvent(request, {
    apiId: domainName.split('.')[0] ?? '',
    domainName,
    routeKey: '$default',
    stage: '$default',
    isSigned: signed,
    accountId: signed ? accountId : 'anonymous',
  });
  const invocation = await target.invoke(event);
  const answer = invocation.ok ? fromResult(invocation.result) : undefined;
  return answer ?? jsonAnswer(502, 'Internal Server Error');
}
