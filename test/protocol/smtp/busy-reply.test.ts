import { expect, test } from 'vitest';
import { asksForFewerConnections } from '../../../functions/protocol/smtp/busy-reply.ts';

test.each([
  [421, 'Service not available, closing transmission channel', true, 'RFC 5321 §4.2.3'],
  [421, 'mx.test Error: too many connections from 192.0.2.1', true, 'postfix anvil'],
  [450, 'Too many concurrent SMTP connections; please try again later.', true, 'at RCPT'],
  [451, 'too many sessions from your host', true, 'sessions'],
  [452, 'Connection rate limit exceeded.', true, 'sendmail'],
  [450, 'connections limit reached', true, 'a limit'],
  [452, 'Too many recipients', false, 'recipients, not connections'],
  [450, 'Mailbox busy', false, 'a mailbox'],
  [451, 'Local error in processing', false, 'anything else'],
  [554, 'Too many connections', false, 'for good: fewer would not help'],
  [250, 'connection limit is 10', false, 'no refusal'],
])('%i %s: %s (%s)', (code, text, expected) => {
  expect(asksForFewerConnections({ code, lines: [text] })).toBe(expected);
});
