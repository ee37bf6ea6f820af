/**
 * The MTA-STS policy: where it is served, its text and its meaning.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.2 RFC 8461 §3.2}
 */
import { parseDomainName } from '../domain-name.ts';
import { TransportSecurityError } from '../errors.ts';
import { trimWsp } from '../white-space.ts';

/** A parsed policy. `mx` patterns are lower-case A-labels, `*.` at most in front. */
export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  readonly mx: readonly string[];
  /** 0 to 31557600. */
  readonly maxAgeSeconds: number;
}

/** RFC 8461 §3.2: a Julian year. */
export const maxAgeSecondsMax = 31_557_600;

/** RFC 8461 §3.3 suggests 64 kilobytes as the most that a sender takes. */
export const policySizeBytesMax = 65_536;

/** RFC 8461 §3.3 suggests a minute as the most that a sender waits for one; less is no fair trial. */
export const policyFetchTimeMs = 60_000;

/** Where a policy host serves its policy. */
export const policyPath = '/.well-known/mta-sts.txt';

const modes: readonly string[] = ['enforce', 'testing', 'none'] satisfies StsPolicy['mode'][];
const fieldName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;
// Every control but tab and the ends of lines; a CR that ends no line; DEL.
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const strayControl = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/;

/** The name of the HTTPS server of a policy domain. */
export function policyHostName(domain: string): string {
  return `mta-sts.${domain}`;
}

/**
 * Parses the body of a policy file. Lines end in LF or CRLF; of a field other than `mx` the first counts; unknown fields
 * are ignored, values and all.
 *
 * @throws {TransportSecurityError} `sts-policy-invalid`
 */
export function parsePolicy(text: string): StsPolicy {
  if (text.length > policySizeBytesMax) {
    throw invalid(`it is over ${policySizeBytesMax} characters long`);
  }
  if (strayControl.test(text)) {
    throw invalid('it contains control characters');
  }
  const fields = new Map<string, string>();
  const mx: string[] = [];
  for (const [name, value] of readFields(text)) {
    if (name === 'mx') {
      mx.push(parseMxPattern(value));
    } else if (!fields.has(name)) {
      fields.set(name, value);
    }
  }
  if (fields.get('version') !== 'STSv1') {
    throw invalid('its version is not STSv1');
  }
  const mode = parseMode(fields.get('mode'));
  const maxAgeSeconds = parseMaxAge(fields.get('max_age'));
  // RFC 8461 §3.2: "required at least once, except when mode is none".
  if (mx.length === 0 && mode !== 'none') {
    throw invalid(`it has no mx, which mode ${mode} needs`);
  }
  return { mode, mx, maxAgeSeconds };
}

/**
 * Formats a policy as it is served, lines ended by CRLF (RFC 8461 §3.2). `parsePolicy` gives the same policy back.
 */
export function formatPolicy(policy: StsPolicy): string {
  const lines = [
    'version: STSv1',
    `mode: ${policy.mode}`,
    ...policy.mx.map((pattern) => `mx: ${pattern}`),
    `max_age: ${policy.maxAgeSeconds}`,
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

/** Yields the key/value pairs, blanks around the values taken off. */
function* readFields(text: string): Generator<readonly [name: string, value: string]> {
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    // Deviation: a line without a colon (blank, a stray remark) is no field and is skipped. The grammar has no room for
    // it, but to drop the policy for it would leave the domain's mail unprotected.
    if (colon === -1) {
      continue;
    }
    const name = line.slice(0, colon);
    if (!fieldName.test(name)) {
      throw invalid(`not the name of a field: ${JSON.stringify(name.slice(0, 40))}`);
    }
    yield [name, trimWsp(line.slice(colon + 1))];
  }
}

function parseMode(value: string | undefined): StsPolicy['mode'] {
  if (value === undefined || !modes.includes(value)) {
    throw invalid('its mode is not enforce, testing or none');
  }
  return value as StsPolicy['mode'];
}

function parseMaxAge(value: string | undefined): number {
  const seconds = value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  // Unclear: RFC 8461 §3.2 sets the maximum without saying what a sender does beyond it. A value that no policy may
  // have makes it no policy.
  if (!(seconds <= maxAgeSecondsMax)) {
    throw invalid(`its max_age is not 0 to ${maxAgeSecondsMax} seconds`);
  }
  return seconds;
}

function parseMxPattern(value: string): string {
  const wildcard = value.startsWith('*.');
  const name = wildcard ? value.slice(2) : value;
  // RFC 8461 §3.2: the A-label and not the U-label; RFC 5321 §4.1.2: a Domain has no dot at its end.
  if (/^[\x21-\x7e]+$/.test(name) && !name.endsWith('.')) {
    try {
      return `${wildcard ? '*.' : ''}${parseDomainName(name)}`;
    } catch (error) {
      throw invalid(`not an mx pattern: ${JSON.stringify(value.slice(0, 80))}`, error);
    }
  }
  throw invalid(`not an mx pattern: ${JSON.stringify(value.slice(0, 80))}`);
}

function invalid(reason: string, cause?: unknown): TransportSecurityError {
  return new TransportSecurityError('sts-policy-invalid', `invalid MTA-STS policy: ${reason}`, {
    cause,
  });
}
