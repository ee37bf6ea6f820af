/**
 * The network the functions live in (functions/environment.ts). Whatever weakens it must be confirmed by name, so
 * that a setting made for a test network does not reach production unnoticed.
 */
import { X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import type { NetworkSetting } from '../../functions/environment.ts';

const port = z.int().min(1).max(65_535);

/** Each setting that needs a word of confirmation, with the value that needs none. */
const confirmable = {
  smtpPort: 25,
  httpsPort: 443,
  extraRoots: undefined,
  allowPrivateAddresses: false,
} as const;

/** A setting that needs confirmation. */
export type Confirmable = keyof typeof confirmable;

const confirmableNames = Object.keys(confirmable) as [Confirmable, ...Confirmable[]];

/** The `network` section as written: settings, and the names of those that are meant. */
export interface NetworkConfig {
  readonly resolvers?: readonly string[] | undefined;
  readonly smtpPort?: number | undefined;
  readonly httpsPort?: number | undefined;
  readonly extraRoots?: string | undefined;
  readonly allowPrivateAddresses?: boolean | undefined;
  readonly confirm: readonly Confirmable[];
}

/** The `network` section. */
export const networkSchema: z.ZodType<NetworkConfig> = z
  .strictObject({
    resolvers: z
      .array(
        z
          .string()
          .refine(isAddressAndPort, {
            error:
              'not an IPv4 address and a port, and the functions have no IPv6. Use a form like "192.0.2.53:53".',
          })
          .describe('An IPv4 address and a port, like "192.0.2.53:53".'),
      )
      .min(1)
      .max(8)
      .optional()
      .describe('DNS servers on the internet, tried in order. Default: those of AWS.'),
    smtpPort: port.optional().describe('Where MX hosts listen. Default: 25.'),
    httpsPort: port.optional().describe('Where policy hosts listen. Default: 443.'),
    extraRoots: z
      .string()
      .refine(isPemBundle, {
        error:
          'not a list of PEM certificates. Use "-----BEGIN CERTIFICATE-----\\n…", one behind the other.',
      })
      .optional()
      .describe('PEM certificates to trust beside the Mozilla roots, for MX and policy hosts.'),
    allowPrivateAddresses: z
      .boolean()
      .optional()
      .describe("Whether a stranger's name may lead to a private address. Default: false."),
    confirm: z
      .array(z.enum(confirmableNames))
      .default([])
      .describe(
        'The names of those settings above that are meant although they weaken the network.',
      ),
  })
  .check((context) => {
    for (const name of confirmableNames) {
      const value = context.value[name];
      const weakens = value !== undefined && value !== confirmable[name];
      const confirmed = context.value.confirm.includes(name);
      if (weakens && !confirmed) {
        context.issues.push({
          code: 'custom',
          path: [name],
          input: value,
          message: `fit for a test network only. Remove it, or confirm it with "confirm": ["${name}"].`,
        });
      }
      if (confirmed && !weakens) {
        context.issues.push({
          code: 'custom',
          path: ['confirm'],
          input: context.value.confirm,
          message: `${name} is not set, and a confirmation in store would let it pass unseen later. Remove "${name}".`,
        });
      }
    }
  });

/** The setting as the functions read it: what is left out stays at its default. */
export function toNetworkSetting(network: NetworkConfig | undefined): NetworkSetting {
  const { confirm: _, ...setting } = network ?? { confirm: [] };
  const given = Object.entries(setting).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

function isAddressAndPort(text: string): boolean {
  const [address = '', digits = '', ...rest] = text.split(':');
  return (
    rest.length === 0 &&
    isIPv4(address) &&
    /^\d{1,5}$/.test(digits) &&
    port.safeParse(Number(digits)).success
  );
}

function isPemBundle(text: string): boolean {
  const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
  const certificates = text.match(block) ?? [];
  return (
    certificates.length > 0 && text.replace(block, '').trim() === '' && certificates.every(isX509)
  );
}

function isX509(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    // Node says nothing that helps the reader more than "not a certificate".
    return false;
  }
}
