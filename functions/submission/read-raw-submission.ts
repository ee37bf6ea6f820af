/**
 * Reads a submission whose body is the message itself (`message/rfc822`), with its envelope in the query, or in header
 * fields of the same names with `Sealpost-` before them: `from`, `to`, `orcpt`, `requireTls`, `ret`, `envid`, `notify`,
 * `smtpUtf8`, `expiresAt`.
 */
import { type FieldFault, fieldProblem, type Problem } from '../protocol/problem.ts';
import { recipientsMax } from './queue-message.ts';
import {
  checkOctets,
  checkSubmission,
  type ReadSubmission,
  type SubmissionPlace,
} from './read-json-submission.ts';
import { schemaFaults } from './schema-faults.ts';
import { envelopeSchema } from './submission.ts';

const parameterNames = [
  'from',
  'to',
  'orcpt',
  'requireTls',
  'ret',
  'envid',
  'notify',
  'smtpUtf8',
  'expiresAt',
] as const;

type ParameterName = (typeof parameterNames)[number];

/** Values by name, in order; a header field counts as one value. */
type Parameters = Readonly<Partial<Record<ParameterName, readonly string[]>>>;

const headerPrefix = 'sealpost-';

/** A request as it came. */
export interface RawRequest {
  readonly octets: Uint8Array;
  /** Without the `?`, percent-encoded. */
  readonly query: string;
  /** Lower-case names; fields that came more than once joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Reads a request; whatever is in it, it is read in linear time. */
export function readRawSubmission(request: RawRequest, place: SubmissionPlace): ReadSubmission {
  const faults: FieldFault[] = [];
  const parameters = mergeParameters(
    readQuery(request.query, faults),
    readHeaders(request.headers, faults),
    faults,
  );
  const envelope = envelopeSchema.safeParse(toEnvelope(parameters, faults));
  if (!envelope.success) {
    faults.push(...schemaFaults(envelope.error).map(inParameters));
  }
  if (faults.length > 0 || !envelope.success) {
    return { problem: fieldProblem(withoutRepetition(faults)) };
  }
  const content = checkOctets(request.octets, '(body)');
  return 'problem' in content
    ? content
    : checkSubmission({ envelope: envelope.data, content: content.content }, place);
}

/**
 * What is wrong with a submission in JSON beside which there are parameters: they would go unheard, and with them a
 * `requireTls`. Undefined where there are none.
 */
export function parametersBesideJson(request: Omit<RawRequest, 'octets'>): Problem | undefined {
  const faults: FieldFault[] = [];
  const query = readQuery(request.query, faults);
  const headers = readHeaders(request.headers, faults);
  const fault = 'not beside JSON: put it into the body';
  faults.push(
    ...Object.keys(query).map((field) => ({ field, fault })),
    ...Object.keys(headers).map((name) => ({ field: `Sealpost-${name}`, fault })),
  );
  return faults.length === 0 ? undefined : fieldProblem(withoutRepetition(faults));
}

/**
 * A `+` stands for itself: RFC 3986 leaves it alone, only HTML forms read a space in it, and addresses are full of them
 * (`+requiretls`).
 */
function readQuery(query: string, faults: FieldFault[]): Parameters {
  const parameters: Partial<Record<ParameterName, string[]>> = {};
  for (const pair of query.split('&').filter((each) => each !== '')) {
    const [name = '', value = ''] = pair.split(/=(.*)/s, 2);
    const known = parameterNames.find((each) => each === name);
    if (known !== undefined) {
      const decoded = decodePercent(value);
      if (decoded === undefined) {
        faults.push({
          field: known,
          fault: 'not percent-encoded UTF-8 (RFC 3986 §2.1): encode it so',
        });
      } else {
        const values = parameters[known] ?? [];
        values.push(decoded);
        parameters[known] = values;
      }
      // A signature may be in the query; whoever let the request through has looked at it.
    } else if (!/^X-Amz-/i.test(name)) {
      faults.push({
        field: printableName(name),
        fault: `no such parameter: use ${parameterNames.join(', ')}`,
      });
    }
  }
  return parameters;
}

/** Names come from outside: bounded, and without what a terminal would obey. */
function printableName(name: string): string {
  return name.slice(0, 100).replace(/[^\w.-]/g, '?');
}

function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not a bug: somebody wrote it so.
    return undefined;
  }
}

function readHeaders(headers: RawRequest['headers'], faults: FieldFault[]): Parameters {
  const parameters: Partial<Record<ParameterName, string[]>> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(headerPrefix) || value === undefined) {
      continue;
    }
    const rest = header.slice(headerPrefix.length);
    const name = parameterNames.find((each) => each.toLowerCase() === rest);
    if (name === undefined) {
      // Not passed over as other fields are: a misspelt `Sealpost-RequireTls` would go without.
      const known = parameterNames.map((each) => `Sealpost-${each}`).join(', ');
      faults.push({
        field: `Sealpost-${printableName(rest)}`,
        fault: `no such field: remove it, or use ${known}`,
      });
      continue;
    }
    // RFC 9110 §5.5 leaves open what other octets mean: an address must not become another one on its way here.
    if (/^[\x20-\x7e\t]*$/.test(value)) {
      parameters[name] = [value];
    } else {
      faults.push({
        field: `Sealpost-${name}`,
        fault: 'not ASCII: put it into the query, percent-encoded',
      });
    }
  }
  return parameters;
}

/** What is said at both places is refused: one of them is not what its author thinks. */
function mergeParameters(query: Parameters, headers: Parameters, faults: FieldFault[]): Parameters {
  for (const name of parameterNames) {
    if (query[name] !== undefined && headers[name] !== undefined) {
      faults.push({ field: name, fault: 'in the query and in the header: give it at one place' });
    }
  }
  return { ...headers, ...query };
}

/** In the names of a queue message; what is missing is for the schema to find. */
function toEnvelope(parameters: Parameters, faults: FieldFault[]): Record<string, unknown> {
  const single = (name: ParameterName): string | undefined => {
    const [value, ...more] = parameters[name] ?? [];
    if (more.length > 0) {
      faults.push({ field: name, fault: 'given more than once: give it once' });
    }
    return value?.trim();
  };
  const notify = single('notify');
  const kinds = notify?.split(',').map((kind) => kind.trim().toUpperCase());
  const addresses = (parameters.to ?? []).flatMap(splitAddresses);
  const originals = (parameters.orcpt ?? []).flatMap(splitAddresses);
  if (parameters.orcpt !== undefined && originals.length !== addresses.length) {
    const fault = `${originals.length} for ${addresses.length} recipients: give one for each, in their order`;
    faults.push({ field: 'orcpt', fault });
  }
  const from = single('from');
  return withoutAbsent({
    mailFrom: from === '<>' ? '' : from,
    // One more than may be is enough to be refused.
    rcptTo: addresses
      .slice(0, recipientsMax + 1)
      .map((address, index) => withoutAbsent({ address, notify: kinds, orcpt: originals[index] })),
    requireTls: toBoolean(single('requireTls')),
    ret: single('ret')?.toUpperCase(),
    envid: single('envid'),
    smtpUtf8: toBoolean(single('smtpUtf8')),
    expiresAt: single('expiresAt'),
  });
}

/** Anything else is left for the schema to refuse. */
function toBoolean(text: string | undefined): unknown {
  return { true: true, false: false }[text?.toLowerCase() ?? ''] ?? text;
}

function withoutAbsent(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Splits at commas, but not at those within a quoted local part (RFC 5321 §4.1.2). */
function splitAddresses(list: string): string[] {
  const addresses = [''];
  let quoted = false;
  let escaped = false;
  for (const character of list) {
    if (character === ',' && !quoted) {
      addresses.push('');
      continue;
    }
    addresses[addresses.length - 1] += character;
    quoted = character === '"' && !escaped ? !quoted : quoted;
    escaped = quoted && character === '\\' && !escaped;
  }
  return addresses.map((address) => address.trim()).filter((address) => address !== '');
}

/** A fault of the envelope in the words of the one who wrote parameters. */
function inParameters({ field, fault }: FieldFault): FieldFault {
  const [top, index, inner] = field.split('.');
  if (top === 'mailFrom') {
    return { field: 'from', fault };
  }
  if (top !== 'rcptTo') {
    return { field: top ?? field, fault };
  }
  if (inner === 'notify') {
    return { field: 'notify', fault };
  }
  const list = inner === 'orcpt' ? 'orcpt' : 'to';
  return { field: index === undefined ? list : `${list}.${index}`, fault };
}

function withoutRepetition(faults: readonly FieldFault[]): FieldFault[] {
  const byText = new Map(faults.map((each) => [`${each.field}\0${each.fault}`, each]));
  return [...byText.values()];
}
