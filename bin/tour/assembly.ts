/** Synthesizes the CDK app for the local cloud, and reads from it what the world has to know. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseJsonc } from '../config/jsonc.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The config file that the tour runs on, but for its TLS reports. */
export const tourConfigFile: string = join(root, 'sealpost.config.example.jsonc');

/** The secret that holds the key which signs TLS reports. */
export const tourKeySecretArn =
  'arn:aws:secretsmanager:eu-west-1:111122223333:secret:dkim-tour-AbCdEf';

/** Whose key that is; the record with its public half is at this selector of this domain. */
export const tourKeyOf = { domain: 'example.com', selector: 'tour' } as const;

/** Who is told of TLS reports about which domain of the world, as if it were the installation's own. */
export const tourReportInbox = {
  mailbox: 'reports@tlsrpt.example.com',
  domains: ['enforce-valid.example'],
} as const;

/** The file, with TLS reports switched on, a key to sign them, and a mailbox for those of others. */
function writeTourConfig(path: string): void {
  const config = parseJsonc(readFileSync(tourConfigFile, 'utf8')) as {
    readonly delivery: object;
  };
  const dkimKeys = [{ ...tourKeyOf, secretArn: tourKeySecretArn }];
  writeFileSync(
    path,
    JSON.stringify({
      ...config,
      delivery: { ...config.delivery, dkimKeys },
      reports: { contact: 'tls-reports@example.com' },
      reportInbox: tourReportInbox,
    }),
  );
}

/**
 * Runs `cdk synth` into `directory`, offline and without credentials, as a user would.
 *
 * @throws {Error} with what the CDK printed, where synthesis fails
 */
export async function synthesize(directory: string): Promise<void> {
  const config = join(directory, 'sealpost.config.json');
  writeTourConfig(config);
  const cli = join(
    dirname(createRequire(import.meta.url).resolve('aws-cdk/package.json')),
    'bin/cdk',
  );
  const cdk = spawn(
    process.execPath,
    [cli, 'synth', '--quiet', '--output', directory, '--context', `config=${config}`],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const printed: Buffer[] = [];
  cdk.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
  cdk.stderr.on('data', (chunk: Buffer) => printed.push(chunk));
  const [status] = await once(cdk, 'close');
  if (status !== 0) {
    throw new Error(`cdk synth failed:\n${Buffer.concat(printed).toString()}`);
  }
}

/** The `_mta-sts` TXT record that the stack publishes for a domain with a hosted zone. */
export interface PublishedRecord {
  readonly domain: string;
  readonly record: string;
}

/**
 * The first such record of the policy host's template: what DNS would say once the stack is deployed.
 *
 * @throws {RangeError} where the template has none
 */
export function readPublishedRecord(directory: string): PublishedRecord {
  const file = join(directory, 'SealpostPolicyHost.template.json');
  const template = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly Resources: Readonly<
      Record<string, { readonly Type: string; readonly Properties?: RecordSetProperties }>
    >;
  };
  for (const { Type, Properties } of Object.values(template.Resources)) {
    const text = Properties?.ResourceRecords?.[0];
    if (Type === 'AWS::Route53::RecordSet' && Properties?.Type === 'TXT' && text !== undefined) {
      const domain = /^_mta-sts\.(.+?)\.?$/.exec(Properties.Name ?? '')?.[1];
      if (domain !== undefined) {
        return { domain, record: text.replaceAll('"', '') };
      }
    }
  }
  throw new RangeError(`${file} publishes no _mta-sts record`);
}

interface RecordSetProperties {
  readonly Type?: string;
  readonly Name?: string;
  readonly ResourceRecords?: readonly string[];
}
