/**
 * The TXT record at `_mta-sts.<policy domain>` that says that a policy exists and which one is current.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8461.html#section-3.1 RFC 8461 §3.1}
 */
import { TransportSecurityError } from '../errors.ts';
import { selectTextRecord, splitTextRecord } from '../text-record.ts';

/** What the record says: the `id` of the current policy, 1 to 32 letters and digits. */
export interface StsRecord {
  readonly id: string;
}

/** Which record of a TXT RRset counts. `none`: the domain has no policy available to discover. */
export type StsRecordSelection =
  | { readonly kind: 'record'; readonly record: StsRecord }
  | { readonly kind: 'none'; readonly reason: string };

const version = 'v=STSv1';
const idValue = /^[A-Za-z0-9]{1,32}$/;
const extension = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)$/;

/** The owner name of a policy domain's record. */
export function stsRecordName(domain: string): string {
  return `_mta-sts.${domain}`;
}

/**
 * Selects the one record that counts among the TXT records at `_mta-sts.<policy domain>`.
 *
 * Each text is one record with its character-strings joined without a separator. `none` does not undo a policy that was
 * cached before (RFC 8461 §5.1); that is for the caller to know.
 */
export function selectStsRecord(texts: readonly string[]): StsRecordSelection {
  const selection = selectTextRecord(texts, version);
  if (selection.kind === 'none') {
    return selection;
  }
  try {
    return { kind: 'record', record: parseStsRecord(selection.text) };
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return { kind: 'none', reason: error.message };
    }
    throw error;
  }
}

/**
 * Parses one record.
 *
 * Unknown fields are ignored once they fit the grammar, and of a repeated field the first counts (RFC 8461 §3.2, whose
 * last paragraph is about records and policies alike).
 *
 * @throws {TransportSecurityError} `sts-policy-invalid`
 * @example
 * parseStsRecord('v=STSv1; id=20160831085700Z;'); // { id: '20160831085700Z' }
 */
export function parseStsRecord(text: string): StsRecord {
  const fields = splitTextRecord(text, version);
  if (fields === undefined) {
    throw invalid('it does not begin with v=STSv1 and a semicolon');
  }
  let id: string | undefined;
  for (const field of fields) {
    const [name, value] = parseField(field);
    if (name === 'id') {
      id ??= value;
    }
  }
  if (id === undefined) {
    throw invalid('it has no id');
  }
  // Unclear: an `id` that is too long or has other characters still fits the grammar of an extension. As its name
  // is taken it is no unknown field that could be ignored, so the record is invalid.
  if (!idValue.test(id)) {
    throw invalid('its id is not 1 to 32 letters and digits');
  }
  return { id };
}

/** Formats a record: `v=STSv1; id=…;`. */
export function formatStsRecord(record: StsRecord): string {
  if (!idValue.test(record.id)) {
    throw new RangeError(`not an MTA-STS policy id: ${JSON.stringify(record.id)}`);
  }
  return `v=STSv1; id=${record.id};`;
}

function parseField(text: string): readonly [name: string, value: string] {
  const [, name, value] = extension.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw invalid(`not a field: ${JSON.stringify(text.slice(0, 40))}`);
  }
  return [name, value];
}

function invalid(reason: string): TransportSecurityError {
  return new TransportSecurityError('sts-policy-invalid', `invalid _mta-sts TXT record: ${reason}`);
}
