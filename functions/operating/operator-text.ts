/** What operators write down beside their decisions, so that whoever comes later understands them. */
import * as z from 'zod';
import { parseDomainName } from '../protocol/domain-name.ts';
import { TransportSecurityError } from '../protocol/errors.ts';

/** No controls, no line ends, nothing that would rearrange a terminal. */
const printable = /^[^\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]*$/u;

/** Why something was decided: one line of printable text. */
export const reasonSchema: z.ZodType<string, string> = z
  .string()
  .trim()
  .min(1, { error: 'say why, for whoever finds this later; a ticket number helps' })
  .max(500, { error: 'longer than 500 characters: shorten it' })
  .regex(printable, { error: 'not one line of printable text' });

/** Who decided it: a name, an address or an ARN. */
export const authorSchema: z.ZodType<string, string> = z
  .string()
  .trim()
  .min(1, { error: 'say who decides this' })
  .max(300, { error: 'longer than 300 characters: shorten it' })
  .regex(printable, { error: 'not one line of printable text' });

/** A domain name in any form, which becomes lower-case A-labels. */
export const domainSchema: z.ZodType<string, string> = z.string().transform((text, context) => {
  try {
    return parseDomainName(text);
  } catch (error) {
    if (!(error instanceof TransportSecurityError)) {
      throw error;
    }
    context.addIssue({
      code: 'custom',
      message: 'not a domain name: use a form like "example.net"',
    });
    return z.NEVER;
  }
});
