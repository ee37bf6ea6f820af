/** Signs mail on its way in, with every DKIM key of the domains that its From field names. */

import { signMessage } from '../protocol/dkim/sign-message.ts';
import { signatureDomains } from '../protocol/dkim/signature-domains.ts';
import { parseDomainName } from '../protocol/domain-name.ts';
import { TransportSecurityError } from '../protocol/errors.ts';
import { addressDomains } from '../protocol/message/mailbox-list.ts';
import { fieldsNamed, unfoldValue } from '../protocol/message/message-parts.ts';
import type { ReadDkimKeys, SignContent } from './ports.ts';

/** Makes the signer. A domain that has signed already keeps its signature as the only one of its own. */
export function createSignContent(readKeys: ReadDkimKeys): SignContent {
  return async (message, nowMs) => {
    const signed = signatureDomains(message.fields);
    const domains = fieldsNamed(message.fields, 'From')
      .flatMap((from) => addressDomains(unfoldValue(from)).map(toALabels))
      .filter((domain) => domain !== undefined && !signed.has(domain));
    const keys = await Promise.all(
      [...new Set(domains)].map((domain) => readKeys(domain as string)),
    );
    return keys.flat().length === 0 ? [] : signMessage(message, keys.flat(), { nowMs });
  };
}

/** Undefined for what is no domain name: it has no key. */
function toALabels(latin1: string): string | undefined {
  try {
    return parseDomainName(Buffer.from(latin1, 'latin1').toString('utf8'));
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}
