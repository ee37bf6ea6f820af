/** What became of a message: its state, what was tried and why it came to that, by the id of the whole or of a part. */
import type { DeliveryRow } from '../delivery/stored-delivery.ts';
import type { WhyRecord } from '../delivery/why.ts';
import type { MessageControl, QueueAction, StoredMessage } from '../operating/ports.ts';
import { type ShownMessage, showMessage } from '../operating/show-message.ts';
import type { WholePart } from './whole-message.ts';

/** Deliveries in one answer as JSON, octets: Lambda answers with 6 MB. The others are named, to be asked for by their own id. */
const shownBytesMax = 4_000_000;

export interface ShowSubmissionOptions {
  readonly control: Pick<MessageControl, 'readMessage'>;
  /** Only messages that this principal submitted; absent: any. */
  readonly owner?: string;
}

/** One delivery as it stands. */
export interface DeliveryView {
  readonly id: string;
  readonly domain: string;
  /**
   * `queued`: accepted, and not yet tried; `held`: no attempt begins until it is released; `cancelled`: given up by an
   * operator before it was tried, which remains to be carried out.
   */
  readonly state: 'queued' | 'held' | 'cancelled' | DeliveryRow['state'];
  readonly demand: string;
  readonly demandReason: string;
  readonly attempt: number;
  readonly recipients: readonly {
    readonly address: string;
    readonly state: string;
    readonly status?: string;
    readonly diagnostic?: string;
  }[];
  readonly nextAttemptAt?: string;
  readonly settledAt?: string;
  /** Of each attempt on record, oldest first. */
  readonly why: readonly WhyRecord[];
  readonly actions: readonly Omit<QueueAction, 'id' | 'domain'>[];
}

/** A message with its deliveries. */
export interface SubmissionView {
  readonly id: string;
  /** Of the whole, where `id` is that of a part. */
  readonly wholeId?: string;
  readonly mailFrom?: string;
  readonly submittedAt?: string;
  readonly expiresAt?: string;
  readonly bytes?: number;
  readonly deliveries: readonly DeliveryView[];
  /** Parts that are not shown here for want of room. */
  readonly further?: readonly { readonly id: string; readonly domain: string }[];
}

/**
 * Undefined where nothing is known of such a message, or where it is not the owner's.
 *
 * @throws {TransportSecurityError} `store-unavailable`, `store-damaged`
 */
export async function showSubmission(
  id: string,
  { control, owner }: ShowSubmissionOptions,
): Promise<SubmissionView | undefined> {
  const shown = await showMessage(id, control);
  if (shown === undefined || !isSubmitted(shown)) {
    return undefined;
  }
  const wholeId = shown.parts[0]?.deliveries[0]?.envelope.prepared.wholeId;
  const whole =
    shown.whole ??
    (wholeId === undefined || owner === undefined
      ? undefined
      : (await control.readMessage(wholeId))?.whole);
  if (owner !== undefined && whole?.by !== owner) {
    return undefined;
  }
  return describe(shown, wholeId);
}

/** What operators noted of an id is theirs: there may never be such a message. */
function isSubmitted({ whole, parts }: ShownMessage): boolean {
  return whole !== undefined || parts.some(({ deliveries }) => deliveries.length > 0);
}

function describe({ id, whole, parts }: ShownMessage, wholeId?: string): SubmissionView {
  const rows = parts.flatMap((stored) => stored.deliveries.map((row) => describeRow(row, stored)));
  const envelope = whole ?? parts[0]?.deliveries[0]?.envelope;
  const listed =
    whole === undefined
      ? rows
      : whole.parts.map((part) => findRow(part, rows) ?? describeUnbegun(part, parts));
  const deliveries = withinBytes(listed);
  const further = listed.slice(deliveries.length);
  return {
    id,
    ...(wholeId !== undefined && wholeId !== id && { wholeId }),
    ...(envelope !== undefined && {
      mailFrom: envelope.mailFrom,
      submittedAt: envelope.submittedAt,
      expiresAt: envelope.expiresAt,
    }),
    ...(whole !== undefined && { bytes: whole.bytes }),
    deliveries,
    ...(further.length > 0 && {
      further: further.map((delivery) => ({ id: delivery.id, domain: delivery.domain })),
    }),
  };
}

function findRow(part: WholePart, rows: readonly DeliveryView[]): DeliveryView | undefined {
  return rows.find(({ id, domain }) => id === part.id && domain === part.domain);
}

/** As many as fit, one at least. */
function withinBytes(deliveries: readonly DeliveryView[]): readonly DeliveryView[] {
  let bytes = 0;
  const end = deliveries.findIndex((delivery, index) => {
    bytes += Buffer.byteLength(JSON.stringify(delivery));
    return index > 0 && bytes > shownBytesMax;
  });
  return end < 0 ? deliveries : deliveries.slice(0, end);
}

/** A part that has no row yet, with what is asked of it in advance: its record is in the queue. */
function describeUnbegun(part: WholePart, kept: readonly StoredMessage[]): DeliveryView {
  const { id, domain, recipients } = part;
  const stored = kept.find((each) => each.id === id);
  const note = stored?.advance.find((each) => each.domain === domain);
  const { demand, demandReason } = note?.demand ?? part;
  return {
    id,
    domain,
    state: stopOf(note) ?? 'queued',
    demand,
    demandReason,
    attempt: 0,
    recipients: recipients.map((address) => ({ address, state: 'pending' })),
    why: [],
    actions: actionsOn(domain, stored?.actions),
  };
}

function stopOf(
  delivery: Pick<DeliveryRow, 'held' | 'cancelled'> | undefined,
): 'held' | 'cancelled' | undefined {
  if (delivery?.cancelled !== undefined) {
    return 'cancelled';
  }
  return delivery?.held === undefined ? undefined : 'held';
}

function actionsOn(domain: string, actions: readonly QueueAction[] = []): DeliveryView['actions'] {
  return actions
    .filter((action) => action.domain === domain)
    .map(({ id: _id, domain: _domain, ...action }) => action);
}

function describeRow(row: DeliveryRow, { attempts, actions }: StoredMessage): DeliveryView {
  const { id, domain, attempt, recipients, nextDueAtMs, settledAtMs, why } = row;
  const earlier = attempts.filter((one) => one.domain === domain && one.attempt !== why?.attempt);
  return {
    id,
    domain,
    state: row.state === 'finished' ? row.state : (stopOf(row) ?? row.state),
    demand: row.demand.demand,
    demandReason: row.demand.demandReason,
    attempt,
    recipients: recipients.map(({ address, state, status, diagnostic }) => ({
      address,
      state,
      ...(status !== undefined && { status }),
      ...(diagnostic !== undefined && { diagnostic }),
    })),
    ...(nextDueAtMs !== undefined && { nextAttemptAt: new Date(nextDueAtMs).toISOString() }),
    ...(settledAtMs !== undefined && { settledAt: new Date(settledAtMs).toISOString() }),
    why: [...earlier, ...(why === undefined ? [] : [why])],
    actions: actionsOn(domain, actions),
  };
}
