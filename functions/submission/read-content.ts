/** Content as it was handed in, read in the one way that whoever decides by its header has to share. */
import { TransportSecurityError } from '../protocol/errors.ts';
import { type MessageParts, parseMessage } from '../protocol/message/message-parts.ts';
import { canonicalizeContent } from '../protocol/smtp/content.ts';
import { contentBytesMax } from './limits.ts';

/**
 * Takes content apart, with every line end made CRLF: what is signed is then what goes over the wire.
 *
 * @throws {TransportSecurityError} `content-invalid` for a header that no message may have
 */
export function takeContentApart(content: Uint8Array): MessageParts {
  return parseMessage(canonicalizeContent(content).octets);
}

/**
 * The same for content that is to be sent.
 *
 * @throws {TransportSecurityError} `content-invalid`, also for a body that no message may have
 */
export function readContent(content: Uint8Array): MessageParts {
  const { octets } = canonicalizeContent(content);
  if (octets.length > contentBytesMax) {
    // It would be kept, and could not be read again.
    throw new TransportSecurityError(
      'content-invalid',
      `content: ${octets.length} octets with CRLF at its line ends, a message has at most ${contentBytesMax}`,
    );
  }
  const message = parseMessage(octets);
  // RFC 5322 §4: NUL is obsolete and must not be generated; hosts on the way cut lines at it, or the message.
  const at = message.body.indexOf(0);
  if (at >= 0) {
    throw new TransportSecurityError(
      'content-invalid',
      `content: octet ${at} of the body is NUL (RFC 5322 §4). Encode that part in base64`,
    );
  }
  return message;
}
