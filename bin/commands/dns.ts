/** `sealpost dns`: one look-up by the resolver that delivery uses, with what it proves and by which chain. */
import { domainToASCII } from 'node:url';
import { createNetworkResolver } from '../../functions/adapters/net/network-resolver.ts';
import type { NetworkSetting } from '../../functions/environment.ts';
import { findChainStatus } from '../../functions/protocol/dane/chain-status.ts';
import { formatName, parseName } from '../../functions/protocol/dns/name.ts';
import { optType, parseType, recordTypes } from '../../functions/protocol/dns/record-type.ts';
import type { Resolution } from '../../functions/resolving/resolution.ts';
import { dnsOptions, dnsUsage, readDnsOptions } from './dns-options.ts';
import { exDataErr, exTempFail } from './exit-status.ts';
import { describeResolution, formatResolution } from './format-resolution.ts';
import { print } from './format-table.ts';
import { type Command, parseArguments, takePositionals, UsageError, withHelp } from './usage.ts';

const usage = `usage: sealpost dns NAME TYPE

Looks TYPE records (MX, A, TLSA, DNSKEY, TYPE65280 …) of NAME up, validates them by DNSSEC from the root's keys down, and
says what they are worth, why, and by which chain of trust.

${dnsUsage}
  --ca FILE                  PEM certificates to trust beside the Mozilla roots, for servers of --doh
  --json                     all of it as JSON

Status: 0 secure or insecure, also where there are no such records; 65 bogus; 75 indeterminate, or no server answered;
64 wrong usage.
`;

/** Time for a name whose whole chain has to be looked up, over slow servers. */
const lookupMs = 30_000;

interface DnsArguments {
  readonly name: string;
  readonly type: number;
  readonly network: NetworkSetting;
  readonly json: boolean;
}

/** Runs the command; resolves to its exit status. */
export const runDns: Command = withHelp(usage, async (args) => {
  const { name, type, network, json } = await readArguments(args);
  const resolver = createNetworkResolver(network);
  const resolution = await resolver.resolve(name, type, Date.now() + lookupMs);
  print([describeResolution(resolution)], { json, text: () => formatResolution(resolution) });
  return exitStatus(resolution);
});

function exitStatus(resolution: Resolution): number {
  const status = findChainStatus(resolution);
  if (status === 'bogus') {
    return exDataErr;
  }
  return resolution.kind === 'failed' || status === 'indeterminate' ? exTempFail : 0;
}

async function readArguments(args: readonly string[]): Promise<DnsArguments> {
  const options = { ...dnsOptions, json: { type: 'boolean' } } as const;
  const { values, positionals } = parseArguments(args, options);
  const [name, type] = takePositionals(positionals, 'NAME', 'TYPE');
  return {
    name: readName(name),
    type: readType(type),
    network: await readDnsOptions(values),
    json: values.json ?? false,
  };
}

/** In lower case; a name in another script becomes A-labels (RFC 5890 §2.3.2.1). */
function readName(text: string): string {
  const isAscii = /^[!-~]*$/.test(text);
  try {
    return formatName(parseName(isAscii ? text : domainToASCII(text))).toLowerCase();
  } catch (error) {
    throw new UsageError(
      `not a domain name: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Types that are no data of a zone's (RFC 6895 §3.1) cannot be validated: OPT, RRSIG, ANY and the like. */
function readType(text: string): number {
  const type = parseType(text);
  const isData = type !== undefined && type > 0 && (type < 128 || type > 255);
  if (!isData || type === optType || type === recordTypes.RRSIG) {
    throw new UsageError(`not a record type that can be looked up: ${JSON.stringify(text)}`);
  }
  return type;
}
