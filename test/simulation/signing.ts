/**
 * DKIM in the world: which domains have keys, what is signed already when it comes in, and whether what arrives at a host
 * is signed as it must be. A verifier that is not ours looks at some of it.
 */

import { type DkimKey, signMessage } from '../../functions/protocol/dkim/sign-message.ts';
import { parseMessage } from '../../functions/protocol/message/message-parts.ts';
import type { ReadDkimKeys } from '../../functions/submission/ports.ts';
import { deliverySettings } from '../delivery-settings.ts';
import { ed25519Key, rsaKey, verdicts } from '../protocol/dkim/keys.ts';
import { domainOf } from './addresses.ts';

/** One message of so many is verified. */
const sampled = 25;

/** Of what notifications come from. */
const bounceDomain = domainOf(deliverySettings.bounceFrom);

/** Every third domain has a key; every sixth has two. */
export const readKeys: ReadDkimKeys = async (domain) => keysOf(domain);

function keysOf(domain: string): readonly DkimKey[] {
  const number = domain === bounceDomain ? 0 : Number(/^d(\d+)\.test$/.exec(domain)?.[1] ?? 1);
  return [
    ...(number % 3 === 0 ? [{ domain, selector: 'edward', privateKey: ed25519Key }] : []),
    ...(number % 6 === 0 ? [{ domain, selector: 'ronald', privateKey: rsaKey }] : []),
  ];
}

function ownKey(domain: string): DkimKey {
  return { domain, selector: 'own', privateKey: ed25519Key };
}

/** A message whose sender signs it himself. */
export function signByHand(text: string, domain: string, nowMs: number): string {
  const message = parseMessage(Buffer.from(text, 'latin1'));
  const [signature] = signMessage(message, [ownKey(domain)], { nowMs });
  return `${signature?.raw}${text}`;
}

export interface SignatureCheck {
  /** Content that a host has taken: what it is from, and whether its sender had signed it. */
  arrived(content: string, facts: ArrivedFacts): void;
  /** Verifies the sample. */
  finish(): Promise<void>;
}

interface ArrivedFacts {
  readonly number: number;
  /** Absent: a notification. */
  readonly from?: string;
  readonly isSigned: boolean;
}

export function createSignatureCheck(violate: (what: string) => void): SignatureCheck {
  const sample: { number: number; domain: string; content: string; count: number }[] = [];
  return {
    arrived: (content, { number, from, isSigned }) => {
      const domain = from === undefined ? bounceDomain : domainOf(from);
      const expected = isSigned ? ['own'] : keysOf(domain).map(({ selector }) => selector);
      const header = content.slice(0, content.indexOf('\r\n\r\n') + 2);
      const found = header
        .split(/\r\n(?![ \t])/)
        .filter((field) => /^DKIM-Signature:/i.test(field))
        .map((field) => /\bs=(\w+);/.exec(field)?.[1]);
      if (found.join() !== expected.join()) {
        violate(`message ${number} of ${domain} is signed by [${found}], not by [${expected}]`);
      } else if (number % sampled === 0 && expected.length > 0) {
        sample.push({ number, domain, content, count: expected.length });
      }
    },
    finish: async () => {
      for (const { number, domain, content, count } of sample.splice(0)) {
        const keys = [...keysOf(domain), ownKey(domain)];
        const found = await verdicts(Buffer.from(content, 'latin1'), keys);
        if (found.length !== count || found.some((verdict) => verdict !== 'pass')) {
          violate(`the signatures of message ${number} of ${domain}: ${found.join(', ')}`);
        }
      }
    },
  };
}
