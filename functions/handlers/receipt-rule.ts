/**
 * The custom resource that puts our receipt rule into the active rule set of SES: CloudFormation can make rules, but
 * neither find out which set is active nor activate one.
 */
import * as z from 'zod';
import { createReceiptRules, createSesCaller } from '../adapters/aws/receipt-rules.ts';
import { createRequestSigner } from '../adapters/aws/sign-request.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import { installRule, type ReceiptRules, withdrawRule } from '../reporting/receipt-rule.ts';
import { type Instruments, instrumentHandler, type LambdaHandler } from './middleware.ts';

const eventSchema = z.object({
  RequestType: z.enum(['Create', 'Update', 'Delete']),
  ResponseURL: z.url({ protocol: /^https$/ }),
  StackId: z.string(),
  RequestId: z.string(),
  LogicalResourceId: z.string(),
  PhysicalResourceId: z.string().optional(),
  ResourceProperties: z.object({
    name: z.string(),
    mailbox: z.string(),
    bucket: z.string(),
    prefix: z.string(),
  }),
});

type CustomResourceEvent = z.infer<typeof eventSchema>;

export interface ReceiptRuleParts {
  readonly rules: ReceiptRules;
  /** Answers CloudFormation, which waits an hour for it. */
  readonly answer: (url: string, body: string) => Promise<void>;
}

/** Binds the handler to its parts. */
export function receiptRuleHandler(
  { rules, answer }: ReceiptRuleParts,
  { logger }: Pick<Instruments, 'logger'>,
): LambdaHandler<unknown, void> {
  return async (value) => {
    const event = eventSchema.parse(value);
    const { StackId, RequestId, LogicalResourceId, ResponseURL } = event;
    const common = { StackId, RequestId, LogicalResourceId };
    let body: object;
    try {
      const PhysicalResourceId = await obey(event, rules);
      body = { ...common, Status: 'SUCCESS', PhysicalResourceId };
    } catch (error) {
      logger.error('The receipt rule could not be put in force', { error });
      const PhysicalResourceId = event.PhysicalResourceId ?? 'none/none';
      const Reason = error instanceof Error ? error.message : String(error);
      body = { ...common, Status: 'FAILED', PhysicalResourceId, Reason };
    }
    await answer(ResponseURL, JSON.stringify(body));
  };
}

/** `set/rule`: where another set is active by now, CloudFormation takes the rule out of the old one by this name. */
async function obey(event: CustomResourceEvent, rules: ReceiptRules): Promise<string> {
  const { RequestType: type, PhysicalResourceId: id = '', ResourceProperties: rule } = event;
  if (type !== 'Delete') {
    return `${await installRule(rules, rule)}/${rule.name}`;
  }
  const at = id.lastIndexOf('/');
  const set = id.slice(0, Math.max(0, at));
  // One that was never made is not to be taken away.
  if (set !== '' && set !== 'none') {
    await withdrawRule(rules, set, id.slice(at + 1));
  }
  return id;
}

export const handler: LambdaHandler<unknown, void> = instrumentHandler(
  'receipt-rule',
  (instruments) => {
    // Lambda sets it.
    const region = process.env['AWS_REGION'] ?? '';
    const sign = createRequestSigner('ses');
    const rules = createReceiptRules(createSesCaller({ region, sign }));
    const answer = async (url: string, body: string): Promise<void> => {
      const { ok, status } = await fetch(url, {
        method: 'PUT',
        // The URL is signed for a request without a type.
        headers: { 'content-type': '' },
        body,
      });
      if (!ok) {
        throw new TransportSecurityError('store-unavailable', `CloudFormation answers ${status}`);
      }
    };
    return receiptRuleHandler({ rules, answer }, instruments);
  },
);
