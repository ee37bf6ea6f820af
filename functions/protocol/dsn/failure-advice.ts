/**
 * What a failure means to the person who wrote the message, and what that person can do about it.
 */
import type { FailureCode } from '../errors.ts';

/** Failures that look the same to a sender. */
type FailureFamily =
  | 'dns'
  | 'dnssec'
  | 'takes-no-mail'
  | 'no-domain'
  | 'no-host'
  | 'policy-unreadable'
  | 'policy-host'
  | 'unreachable'
  | 'no-tls'
  | 'certificate'
  | 'dane'
  | 'mx-not-authenticated'
  | 'requiretls'
  | 'requiretls-disabled'
  | 'relay-login'
  | 'refused'
  | 'put-off'
  | 'too-large'
  | 'not-ascii'
  | 'in-doubt'
  | 'expired'
  | 'unusable'
  | 'lost'
  | 'address'
  | 'loop'
  | 'cancelled'
  | 'ours';

/** Plain words for a sender; each is one paragraph. */
export interface FailureAdvice {
  /** What happened, and which demand was not met. */
  readonly what: string;
  /** What the sender can do. */
  readonly remedy: string;
}

const familyOf: Readonly<Record<FailureCode, FailureFamily>> = {
  'dns-malformed': 'dns',
  'dns-timeout': 'dns',
  'dns-server-failure': 'dns',
  'dns-bogus': 'dnssec',
  'null-mx': 'takes-no-mail',
  'domain-not-found': 'no-domain',
  'no-mail-host': 'no-host',
  'address-private': 'no-host',
  'sts-policy-fetch-error': 'policy-unreadable',
  'sts-policy-invalid': 'policy-unreadable',
  'sts-webpki-invalid': 'policy-unreadable',
  'sts-policy-unknown': 'policy-unreadable',
  'sts-mx-mismatch': 'policy-host',
  'connect-failed': 'unreachable',
  'connection-lost': 'unreachable',
  'smtp-timeout': 'unreachable',
  'reply-malformed': 'unreachable',
  'greeting-refused': 'unreachable',
  'ehlo-refused': 'unreachable',
  'backing-off': 'unreachable',
  'time-too-short': 'unreachable',
  'starttls-not-offered': 'no-tls',
  'starttls-refused': 'no-tls',
  'starttls-deferred': 'no-tls',
  'starttls-injection': 'no-tls',
  'tls-handshake-failed': 'no-tls',
  'certificate-host-mismatch': 'certificate',
  'certificate-expired': 'certificate',
  'certificate-not-yet-valid': 'certificate',
  'certificate-not-trusted': 'certificate',
  'certificate-malformed': 'certificate',
  'tlsa-invalid': 'dane',
  'dane-mismatch': 'dane',
  'dane-required': 'dane',
  'mx-not-authenticated': 'mx-not-authenticated',
  'requiretls-not-offered': 'requiretls',
  'requiretls-disabled': 'requiretls-disabled',
  'authentication-failed': 'relay-login',
  rejected: 'refused',
  'deferred-by-peer': 'put-off',
  'size-exceeded': 'too-large',
  'eightbitmime-not-offered': 'not-ascii',
  'smtputf8-not-offered': 'not-ascii',
  'in-doubt': 'in-doubt',
  expired: 'expired',
  'queue-message-invalid': 'unusable',
  'id-reused': 'unusable',
  'content-missing': 'lost',
  'content-invalid': 'unusable',
  'address-invalid': 'address',
  'mail-loop': 'loop',
  'tlsrpt-invalid': 'ours',
  cancelled: 'cancelled',
  'settings-invalid': 'ours',
  'store-unavailable': 'ours',
  'store-damaged': 'ours',
};

const askRecipientsPostmaster =
  "Reach the recipient in another way for now; the people who run the recipient's mail can mend it, and this notification tells them what to look at.";

const adviceOf: Readonly<Record<FailureFamily, FailureAdvice>> = {
  dns: {
    what: "The recipient's domain could not be looked up: its name servers gave no usable answer.",
    remedy: `Check the spelling of the domain. If it is right, send the message again later. ${askRecipientsPostmaster}`,
  },
  dnssec: {
    what: "The recipient's domain signs what it says in DNS, and the answers did not match their signatures. They may be forged, so no mail is sent by them.",
    remedy: askRecipientsPostmaster,
  },
  'takes-no-mail': {
    what: "The recipient's domain says that it takes no mail at all.",
    remedy: 'Ask the recipient for another address.',
  },
  'no-domain': {
    what: "The recipient's domain does not exist.",
    remedy: 'Check the spelling of the address, and send the message again to the right one.',
  },
  'no-host': {
    what: "No mail server of the recipient's domain has an address that mail could be sent to.",
    remedy: `Check the spelling of the address. ${askRecipientsPostmaster}`,
  },
  'policy-unreadable': {
    what: "The recipient's domain announces a policy for the protection of its mail (MTA-STS), which could not be read. What it demands is not known, so the message was held back.",
    remedy: askRecipientsPostmaster,
  },
  'policy-host': {
    what: "The recipient's domain has a policy (MTA-STS) that names its mail servers, and the servers that were found are not among them. Somebody may be trying to divert its mail, so the message was not handed over.",
    remedy: askRecipientsPostmaster,
  },
  unreachable: {
    what: "No mail server of the recipient's domain could be reached, or none of them held a conversation to its end.",
    remedy: `Send the message again later. ${askRecipientsPostmaster}`,
  },
  'no-tls': {
    what: "Encryption (TLS) is demanded on the way to the recipient, and the recipient's mail server did not set it up. The message was not sent in the clear.",
    remedy: askRecipientsPostmaster,
  },
  certificate: {
    what: "The recipient's mail server has to prove by its certificate that it is the right one, and it did not. It may be somebody else's, so the message was not handed over.",
    remedy: askRecipientsPostmaster,
  },
  dane: {
    what: "The recipient's domain publishes in DNS which certificates its mail servers have (DANE), or is to be reached in no other way, and the server that was found did not show such a certificate. It may be somebody else's, so the message was not handed over.",
    remedy: askRecipientsPostmaster,
  },
  'mx-not-authenticated': {
    what: "The message has to be protected on its whole way (REQUIRETLS), and nothing vouches for the names of the recipient's mail servers: the domain has neither DNSSEC nor an enforced MTA-STS policy.",
    remedy:
      'If the message may travel without that demand, send it again without it. Otherwise use another way.',
  },
  requiretls: {
    what: "The message has to be protected on its whole way (REQUIRETLS), and the recipient's mail server does not promise to keep to it.",
    remedy:
      'If the message may travel without that demand, send it again without it. Otherwise use another way.',
  },
  'requiretls-disabled': {
    what: 'The message has to be protected on its whole way (REQUIRETLS), which this mail system has been told not to use for the recipient.',
    remedy:
      'If the message may travel without that demand, send it again without it. Otherwise ask those who run your mail.',
  },
  'relay-login': {
    what: 'The relay through which this mail system sends did not accept its user name and password.',
    remedy: 'Tell those who run your mail, and send the message again once it is mended.',
  },
  refused: {
    what: "The recipient's mail server refused the message.",
    remedy:
      'What the server said is the best hint: check the address, change what it objects to, or ask the recipient in another way.',
  },
  'put-off': {
    what: "The recipient's mail server put the message off each time.",
    remedy: `What the server said is the best hint. Send the message again later. ${askRecipientsPostmaster}`,
  },
  'too-large': {
    what: "The message is larger than the recipient's mail server takes.",
    remedy: 'Send a smaller message, or a link to what is large in it.',
  },
  'not-ascii': {
    what: "An address, a header field or the text of the message has characters beyond ASCII in a form that the recipient's mail server does not take.",
    remedy:
      'Send the message in another encoding (your mail program may call it MIME, base64 or quoted-printable), or ask the recipient for an address without such characters.',
  },
  'in-doubt': {
    what: "The message was sent as a whole, and the recipient's mail server never said whether it had taken it. It may have arrived.",
    remedy: 'Ask the recipient before you send it again.',
  },
  expired: {
    what: 'The message could not be handed over in all the time that it is tried for.',
    remedy: 'Send the message again if it is still of use.',
  },
  lost: {
    what: 'The content of the message was lost while the message waited to be sent.',
    remedy: 'Send the message again, and tell those who run your mail.',
  },
  unusable: {
    what: 'The message could not be sent as it was handed in: its content or its envelope was not usable.',
    remedy: 'Send the message again; if that fails too, tell those who run your mail.',
  },
  address: {
    what: 'The address is not one that mail can be sent to.',
    remedy: 'Check the spelling of the address, and send the message again to the right one.',
  },
  loop: {
    what: 'The message has passed through so many mail servers that it must be going round in circles.',
    remedy: 'Tell those who run your mail: somewhere two systems forward mail to each other.',
  },
  cancelled: {
    what: 'Those who run this mail system cancelled the message before it was handed over.',
    remedy: 'Ask those who run your mail before you send it again.',
  },
  ours: {
    what: 'This mail system could not do its work, for a reason of its own.',
    remedy: 'Tell those who run your mail, and send the message again.',
  },
};

/** The words for a failure. */
export function adviseOn(code: FailureCode): FailureAdvice {
  return adviceOf[familyOf[code]];
}
