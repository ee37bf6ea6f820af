/**
 * Which header fields a DKIM signature covers.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6376.html#section-5.4 RFC 6376 §5.4}
 */

/**
 * Signed where they are there, and signed as absent too: RFC 6376 §5.4.2 and §8.15, so that none can be added which a
 * reader would see instead of, or beside, the one that was signed. Those that tell a reader who writes to whom, about
 * what, and how the body is to be read.
 */
export const oversignedFields: readonly string[] = [
  'From',
  'Sender',
  'Reply-To',
  'Subject',
  'Date',
  'Message-ID',
  'To',
  'Cc',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
];

/**
 * Signed where they are there. RFC 6376 §5.4.1, without those that mailing lists and resending add by right after us.
 * TLS-Required (RFC 8689 §3) too: nobody shall take the sender's wish for his own.
 */
export const signedFields: readonly string[] = [
  ...oversignedFields,
  'Content-ID',
  'Content-Description',
  'In-Reply-To',
  'References',
  'Auto-Submitted',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'TLS-Required',
];
