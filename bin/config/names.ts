/** Domain names in the config: written as people write them, kept as lower-case A-labels (RFC 5891 §4.4). */
import { z } from 'zod';
import { parseDomainName } from '../../functions/protocol/domain-name.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';

/**
 * A domain name of two labels or more as lower-case A-labels; `undefined` when `text` is none.
 *
 * @example
 * toALabels('Bücher.example'); // 'xn--bcher-kva.example'
 */
export function toALabels(text: string): string | undefined {
  try {
    const name = parseDomainName(text);
    return name.includes('.') ? name : undefined;
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}

/** Reports whether `domain` is `zone` or lies beneath it. Both are lower-case A-labels. */
export function isWithin(domain: string, zone: string): boolean {
  return domain === zone || domain.endsWith(`.${zone}`);
}

/** A domain name; IDNs become A-labels. */
export const domainName: z.ZodType<string, string> = z
  .string()
  .transform((text, context) => toALabels(text) ?? refuse(text, context));

/** An `mx` pattern of a policy: a host name, or `*.` and one (RFC 8461 §3.2). */
export const mxPattern: z.ZodType<string, string> = z.string().transform((text, context) => {
  const wildcard = text.startsWith('*.') ? '*.' : '';
  const host = toALabels(text.slice(wildcard.length));
  return host === undefined ? refuse(text, context) : wildcard + host;
});

function refuse(text: string, context: z.RefinementCtx): never {
  context.addIssue({
    code: 'custom',
    // RFC 8461 §4.1: the wildcard is the left-most label, and whole.
    message: text.includes('*')
      ? 'a wildcard stands for the whole left-most label of an mx pattern and nowhere else. Use a form like "*.example.com".'
      : 'not a domain name. Use two labels or more of letters, digits and hyphens, like "mail.example.com".',
  });
  return z.NEVER;
}
