/**
 * The network the functions live in (functions/environment.ts). Whatever weakens it must be confirmed by name, so
 * that a setting made for a test network does not reach production unnoticed.
 */
import { X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { parseDnsServer } from '../../functions/adapters/net/dns-servers.ts';
import type { NetworkSetting } from '../../functions/environment.ts';
import { parseTrustAnchors } from '../../functions/protocol/dnssec/anchors.ts';
import { TransportSecurityError } from '../../functions/protocol/errors.ts';
import { toALabels } from './names.ts';

const port = z.int().min(1).max(65_535);

/** Each setting that needs a word of confirmation, with the value that needs none. */
const confirmable = {
  smtpPort: 25,
  httpsPort: 443,
  extraRoots: undefined,
  allowPrivateAddresses: false,
  trustAnchors: undefined,
  negativeTrustAnchors: undefined,
} as const;

/** Why, where it is not that the setting is one for tests. */
const risks: { readonly [name in Confirmable]?: string } = {
  trustAnchors: 'whoever holds these keys can say anything of any name',
  negativeTrustAnchors: 'DNSSEC protects nothing at and below these names',
};

/** A setting that needs confirmation. */
export type Confirmable = keyof typeof confirmable;

const confirmableNames = Object.keys(confirmable) as [Confirmable, ...Confirmable[]];

/** The `network` section as written: settings, and the names of those that are meant. */
export interface NetworkConfig {
  readonly resolvers?: readonly string[] | undefined;
  readonly trustAnchors?: string | undefined;
  readonly negativeTrustAnchors?: readonly string[] | undefined;
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
          .refine(isResolver, {
            error:
              'not a server at IPv4 addresses, and the functions have no IPv6. Use a form like "192.0.2.53:53" or "https://dns.example.com/dns-query@192.0.2.53".',
          })
          .describe(
            'An IPv4 address and a port, like "192.0.2.53:53", or DNS over HTTPS at IPv4 addresses, like "https://dns.example.com/dns-query@192.0.2.53,192.0.2.54".',
          ),
      )
      .min(1)
      .max(8)
      .optional()
      .describe(
        'Recursive DNS servers on the internet that pass DNSSEC records on, tried in order. Default: Cloudflare and Google, over HTTPS.',
      ),
    trustAnchors: z
      .string()
      .refine(isAnchorList, {
        error: 'not a list of DS or DNSKEY records. Use ". IN DS 20326 8 2 E06D44B8…", one a line.',
      })
      .optional()
      .describe(
        "DS or DNSKEY records, one a line, to trust beside the DNS root's keys, or in their place where some are of the root.",
      ),
    negativeTrustAnchors: z
      .array(
        z
          .string()
          .refine((text) => text === '.' || toALabels(text) === text, {
            error:
              'not a domain name in lower-case A-labels. Use a form like "broken.example.com", or "." for all names.',
          })
          .describe('A domain name, like "broken.example.com", or "." for all names.'),
      )
      .min(1)
      .max(50)
      .optional()
      .describe('Names at and below which DNSSEC is not validated (RFC 7646).'),
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
          message: `${risks[name] ?? 'fit for a test network only'}. Remove it, or confirm it with "confirm": ["${name}"].`,
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

/** The port is not left to the reader's knowledge where it is not part of a URL. */
function isResolver(text: string): boolean {
  if (!text.startsWith('https:')) {
    return (
      isIPv4(text.split(':')[0] ?? '') && text.includes(':') && isParsable(parseDnsServer, text)
    );
  }
  const server = isParsable(parseDnsServer, text) ? parseDnsServer(text) : undefined;
  return server?.kind === 'https' && server.addresses.every((address) => isIPv4(address));
}

function isAnchorList(text: string): boolean {
  return isParsable(parseTrustAnchors, text) && parseTrustAnchors(text).length > 0;
}

function isParsable(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return false;
    }
    throw error;
  }
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
