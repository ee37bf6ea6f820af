/** What is asked about the queue from outside, checked: by the HTTP API and by the command line. */
import * as z from 'zod';
import type { TlsDemand } from '../protocol/requiretls/demand.ts';
import { isMailbox } from '../protocol/smtp/mailbox.ts';
import type { Selection } from './act-on-queue.ts';
import { type DeadLetterRequest, deadLettersMax } from './dead-letters.ts';
import type { Deed } from './delivery-actions.ts';
import type { ListRequest } from './list-waiting.ts';
import { domainSchema, reasonSchema } from './operator-text.ts';
import { type WaitingCursor, waitingCursorSchema } from './waiting-cursor.ts';

/** Deliveries of one page: an action takes a few calls each, and an HTTP API waits 30 seconds. */
const pageMax = 200;

/** Said in full where protection is taken away from a message. */
const loweringReasonCharsMin = 12;

const limitSchema = z.coerce.number().pipe(z.int().min(1).max(pageMax)).default(50);

const senderSchema = z.string().refine((text) => text === '' || isMailbox(text), {
  error: 'not a mailbox: use local-part@domain, or an empty text for the null reverse-path',
});

/** `GET /v1/queue`. */
export const listRequestSchema: z.ZodType<ListRequest> = z.strictObject({
  order: z.enum(['age', 'due']).default('age'),
  domain: domainSchema.exactOptional(),
  sender: senderSchema.exactOptional(),
  held: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .exactOptional(),
  limit: limitSchema,
  cursor: waitingCursorSchema.exactOptional(),
});

/** What is asked of the queue; who asks is added by whoever knows. */
export interface QueueRequest {
  readonly selection: Selection;
  readonly deed: Deed;
  readonly reason: string;
  readonly limit: number;
  readonly cursor?: WaitingCursor;
}

interface RawRequest {
  readonly id?: string;
  readonly domain?: string;
  readonly sender?: string;
  readonly all?: true;
  readonly reason?: string;
  readonly bounce: boolean;
  readonly demand?: TlsDemand;
  readonly limit: number;
  readonly cursor?: WaitingCursor;
}

const demandFault = 'one of require, default, optional';

const rawSchema: z.ZodType<RawRequest> = z.strictObject({
  id: z.string().min(1).max(200).exactOptional(),
  domain: domainSchema.exactOptional(),
  sender: senderSchema.exactOptional(),
  all: z.literal(true).exactOptional(),
  reason: reasonSchema.exactOptional(),
  bounce: z.boolean().default(true),
  demand: z.enum(['require', 'default', 'optional'], { error: demandFault }).exactOptional(),
  limit: limitSchema,
  cursor: waitingCursorSchema.exactOptional(),
});

/**
 * `POST /v1/queue/{action}`: exactly one of `id`, `domain`, `sender` and `all`, or `id` with a `domain`; a reason, but for
 * retry and release; `demand` with override, which is for one message.
 */
export function queueRequestSchema(action: Deed['action']): z.ZodType<QueueRequest> {
  return rawSchema.transform((raw, context) => {
    const fail = (field: string, message: string): never => {
      context.addIssue({ code: 'custom', path: [field], message });
      return z.NEVER;
    };
    const selection = selectionOf(raw);
    if (selection === undefined) {
      return fail(
        'id',
        'give exactly one of id (with a domain for that part of it), domain, sender and all',
      );
    }
    const needsReason = action !== 'retry' && action !== 'release';
    if (needsReason && raw.reason === undefined) {
      return fail('reason', 'say why, for whoever finds this later; a ticket number helps');
    }
    const { reason = '', limit, cursor } = raw;
    const common = { selection, reason, limit, ...(cursor !== undefined && { cursor }) };
    if (action !== 'override') {
      const deed: Deed = action === 'cancel' ? { action, bounce: raw.bounce } : { action };
      return { ...common, deed };
    }
    const { demand } = raw;
    if (demand === undefined || selection.kind !== 'message') {
      return demand === undefined
        ? fail('demand', demandFault)
        : fail('id', 'a demand is overridden for one message: give its id');
    }
    if (demand !== 'require' && reason.length < loweringReasonCharsMin) {
      return fail(
        'reason',
        `protection is taken away: say why in ${loweringReasonCharsMin} characters at least`,
      );
    }
    return { ...common, deed: { action, demand } };
  });
}

function selectionOf({ id, domain, sender, all }: RawRequest): Selection | undefined {
  const given: readonly (Selection | undefined)[] = [
    id === undefined ? undefined : { kind: 'message', id, ...(domain !== undefined && { domain }) },
    domain === undefined || id !== undefined ? undefined : { kind: 'domain', domain },
    sender === undefined ? undefined : { kind: 'sender', sender },
    all === undefined ? undefined : { kind: 'all' },
  ];
  const [selection, another] = given.filter((each) => each !== undefined);
  return another === undefined ? selection : undefined;
}

const deadLetterShape = {
  messageIds: z.array(z.string().min(1).max(100)).min(1).max(deadLettersMax).exactOptional(),
  limit: z.coerce.number().pipe(z.int().min(1).max(deadLettersMax)).default(10),
};

/** `POST /v1/dead-letters/redrive`. */
export const redriveRequestSchema: z.ZodType<DeadLetterRequest> = z.strictObject(deadLetterShape);

/** `POST /v1/dead-letters/bounce`. */
export const bounceRequestSchema: z.ZodType<
  DeadLetterRequest & { readonly discardUnreadable: boolean; readonly reason: string }
> = z.strictObject({
  ...deadLetterShape,
  reason: reasonSchema,
  discardUnreadable: z.boolean().default(false),
});
