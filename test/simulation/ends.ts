/** What became of a recipient in the end, and whether that may be. */
import type { MessageSpec, SpecifiedRecipient } from './messages.ts';
import type { FinalReply } from './peer.ts';
import type { SimulatedProcess } from './process.ts';

/** What the client of a message heard in the end. `interrupted`: some of the message may be on its way. */
export type HandedIn = 'accepted' | 'refused' | 'interrupted' | 'unanswered';

/** Without what was received: a run has room for books, not for mail. */
export interface Reception {
  readonly process: SimulatedProcess;
  readonly reply: FinalReply;
  readonly atMs: number;
}

/** What a message's recipient was sent. */
export interface Account {
  readonly spec: MessageSpec;
  readonly recipient: SpecifiedRecipient;
  receptions: Reception[];
  isBounced: boolean;
}

export function judgeEnd(
  { spec, recipient, receptions, isBounced }: Account,
  facts: {
    readonly state: string | undefined;
    readonly isDeadLettered: boolean;
    /** An operator asked that it be given up. */
    readonly isGivenUp: boolean;
    readonly heard: HandedIn | undefined;
    readonly noticeStates: readonly (string | undefined)[];
    /** How an operator ended it, if one did; a text where he may not have. */
    readonly cancelled: { readonly isSilent: boolean } | string | undefined;
  },
): string {
  const { state, isDeadLettered, noticeStates, heard } = facts;
  const isUntouched = state === undefined && receptions.length === 0;
  if (heard === 'refused') {
    return isUntouched ? 'refused' : `sent on although it was refused: its row says ${state}`;
  }
  if ((heard === 'unanswered' || heard === 'interrupted') && isUntouched) {
    return 'refused';
  }
  if (spec.way === 'http' && spec.poison !== undefined) {
    return `poison (${spec.poison}) that was ${heard}`;
  }
  const isTold = facts.isGivenUp && state === 'failed';
  if (spec.poison !== undefined && facts.isGivenUp && isUntouched) {
    return 'deadLettered';
  }
  if (spec.poison !== undefined && !isTold) {
    return isDeadLettered && receptions.length === 0
      ? 'deadLettered'
      : `poison (${spec.poison}) that is not a dead letter: its row says ${state}`;
  }
  if (state === 'delivered') {
    return receptions.length > 0 ? 'delivered' : 'delivered, says the row, and nobody got it';
  }
  if (state !== 'failed') {
    return `not ended: its row says ${state}`;
  }
  if (typeof facts.cancelled === 'string') {
    return facts.cancelled;
  }
  if (isBounced) {
    return 'bounced';
  }
  if (facts.cancelled?.isSilent === true) {
    return 'dropped';
  }
  const wantsToKnow =
    spec.mailFrom !== '' &&
    (recipient.notify === undefined || recipient.notify.includes('FAILURE'));
  if (!wantsToKnow || noticeStates.includes('failed')) {
    return 'dropped';
  }
  return 'failed in silence';
}
