/**
 * The scenario table: everything that mail may meet on its way, each with a domain of its own, so that all of them live in
 * one world. `npm start` shows those of the tour; tests run all.
 */
import type { Scenario } from './scenario.ts';
import { drawMessage } from './scenario-outline.ts';
import { cachedPolicyScenarios } from './scenarios/cached-policies.ts';
import { daneScenarios } from './scenarios/dane.ts';
import { dnssecScenarios } from './scenarios/dnssec.ts';
import { mtaStsScenarios } from './scenarios/mta-sts.ts';
import { requireTlsScenarios } from './scenarios/requiretls.ts';
import { routeScenarios } from './scenarios/routes.ts';
import { transactionScenarios } from './scenarios/transactions.ts';

/** All scenarios. */
export const scenarios: readonly Scenario[] = [
  ...mtaStsScenarios,
  ...cachedPolicyScenarios,
  ...requireTlsScenarios,
  ...daneScenarios,
  ...dnssecScenarios,
  ...transactionScenarios,
  ...routeScenarios,
];

/** Those that `npm start` shows; each ends within a second or so. */
export const tourScenarios: readonly Scenario[] = scenarios.filter(({ tour }) => tour);

/**
 * Mail to a domain of our own, whose policy our own policy host serves: it must be found and applied as any stranger
 * would. The caller reserves `mta-sts.<domain>` in the world for it.
 */
export function ownPolicyScenario(own: {
  readonly domain: string;
  /** Host names that the policy lists; each becomes an MX host. */
  readonly mx: readonly string[];
  /** The text of the record at `_mta-sts.<domain>`. */
  readonly record: string;
}): Scenario {
  const { domain, mx, record } = own;
  const name = 'own-policy';
  const address = `user@${domain}`;
  const [first = domain, ...others] = mx;
  return {
    name,
    title: `our own policy host, asked as a sender would for ${domain}: served and applied`,
    tour: true,
    world: {
      zones: [
        {
          origin: domain,
          records: [
            ...mx.map((exchange, index) => ({
              name: domain,
              type: 'MX' as const,
              preference: 10 * (index + 1),
              exchange,
            })),
            { name: `_mta-sts.${domain}`, type: 'TXT', data: record },
          ],
        },
        ...mx
          .filter((host) => !host.endsWith(`.${domain}`))
          .map((host) => ({ origin: host, records: [] })),
      ],
      mxHosts: mx.map((host) => ({ name: host, behaviour: {} })),
      policyHosts: [],
    },
    prelude: [],
    messages: [drawMessage(name, { to: [address] })],
    expected: {
      recipients: [{ address, outcome: 'delivered', status: '2.0.0' }],
      codes: [],
      resultTypes: [],
      mx: [
        { host: first, messages: 1, channel: 'tls', serverName: first, connections: 1 },
        ...others.map((host) => ({ host, messages: 0 })),
      ],
    },
  };
}
