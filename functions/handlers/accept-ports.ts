/** What accepting a message reaches for on AWS; the same wherever one comes in. */
import { secretsManagerClient } from '../adapters/aws/aws-clients.ts';
import { createDkimKeys } from '../adapters/aws/dkim-keys.ts';
import type { ContentStore, MessageStore } from '../delivery/ports.ts';
import type { DeliverySettings } from '../environment.ts';
import type { AcceptPorts, ReadControls, SignContent } from '../submission/ports.ts';
import { createSignContent } from '../submission/sign-content.ts';

export interface AcceptParts {
  readonly readControls: ReadControls;
  readonly contents: ContentStore;
  readonly messages: Pick<MessageStore, 'shareContent'>;
  readonly now: () => number;
}

/** Keep the ports for the life of the process: the keys are cached in them. */
export function createAcceptPorts(settings: DeliverySettings, parts: AcceptParts): AcceptPorts {
  const { readControls, contents, messages, now } = parts;
  return {
    now,
    readControls,
    signContent: createSigner(settings, now),
    contents,
    shareContent: messages.shareContent,
  };
}

/** Without a key nothing is asked of Secrets Manager, nor is its client made. */
function createSigner({ dkimKeys: keys }: DeliverySettings, now: () => number): SignContent {
  return keys.length === 0
    ? async () => []
    : createSignContent(createDkimKeys({ client: secretsManagerClient(), keys, now }));
}
