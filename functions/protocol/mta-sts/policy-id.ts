/**
 * The `id` under which a policy is announced.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.1 RFC 8461 §3.1}
 */
import { createHash } from 'node:crypto';
import { formatPolicy, type StsPolicy } from './policy.ts';

/**
 * Derives the id from the policy's content: 32 hexadecimal digits, the first half of the SHA-256 of its text.
 *
 * RFC 8461 §3.1: an id stands for one instance of a policy. Derived from what is served it changes exactly when that
 * does; nobody has to remember to count it up, and a deployment that changes nothing announces nothing.
 */
export function policyId(policy: StsPolicy): string {
  return createHash('sha256').update(formatPolicy(policy)).digest('hex').slice(0, 32);
}
