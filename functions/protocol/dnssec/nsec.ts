/**
 * What NSEC records prove to be absent.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5.4 RFC 4035 §5.4}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6840.html#section-4 RFC 6840 §4} (which records may prove what)
 * @see {@link https://www.rfc-editor.org/rfc/rfc4592.html RFC 4592} (wildcards)
 */
import type { NsecData } from '../dns/dnssec-data.ts';
import { type DnsName, isSubdomain, sameName } from '../dns/name.ts';
import { commonAncestor, compareNames, countLabels, wildcardUnder } from '../dns/name-tree.ts';
import { type Absence, type Denial, judgeTypes, leadsElsewhere, unproven } from './denial.ts';

/** An NSEC record that the zone signed under its own name, no wildcard's expansion. */
export interface NsecRecord extends NsecData {
  readonly owner: DnsName;
}

/** Judges what the records say about a name and type. */
export function denyByNsec(records: readonly NsecRecord[], absence: Absence): Denial {
  const { apex, name } = absence;
  const match = records.find(({ owner }) => sameName(owner, name));
  if (match !== undefined) {
    return judgeTypes(match.types, absence);
  }
  const cover = findCover(records, apex, name);
  if (cover === undefined) {
    return unproven(absence, 'no NSEC record covers the name');
  }
  if (isSubdomain(cover.next, name)) {
    // RFC 4592 §2.2.2: what has something below it exists, though it has no record of its own.
    return { kind: 'nodata' };
  }
  return denyWildcard(records, absence, wildcardUnder(closestEncloser(cover, name)));
}

/** The name does not exist; so what would a wildcard give in its place? (RFC 4035 §5.4) */
function denyWildcard(
  records: readonly NsecRecord[],
  absence: Absence,
  wildcard: DnsName | undefined,
): Denial {
  if (wildcard === undefined) {
    // There is no room for a label under the closest encloser, so there is no such name to begin with.
    return { kind: 'nxdomain' };
  }
  const match = records.find(({ owner }) => sameName(owner, wildcard));
  if (match !== undefined) {
    const denial = judgeTypes(match.types, { ...absence, name: wildcard });
    return denial.kind === 'nodata' ? { kind: 'nodata' } : denial;
  }
  const cover = findCover(records, absence.apex, wildcard);
  if (cover === undefined) {
    return unproven(absence, 'no NSEC record covers the wildcard');
  }
  // RFC 4592 §2.2.2 once more: an asterisk label with something below it is a wildcard without data.
  return { kind: isSubdomain(cover.next, wildcard) ? 'nodata' : 'nxdomain' };
}

/**
 * Reports whether the records prove that nothing is closer to `name` than the wildcard under `encloser`, so that the
 * wildcard's expansion is the answer (RFC 4035 §5.3.4).
 */
export function deniesCloserByNsec(
  records: readonly NsecRecord[],
  { apex, name }: Pick<Absence, 'apex' | 'name'>,
  encloser: DnsName,
): boolean {
  const cover = findCover(records, apex, name);
  // Where the gap ends below the name, the name exists, and is its own closest encloser here.
  return cover !== undefined && countLabels(closestEncloser(cover, name)) === countLabels(encloser);
}

function findCover(
  records: readonly NsecRecord[],
  apex: DnsName,
  name: DnsName,
): NsecRecord | undefined {
  return records.find(
    (record) =>
      covers(record, apex, name) &&
      // RFC 6840 §4.1: what a delegation or a DNAME hides below it is not this zone's to deny.
      !(leadsElsewhere(record.types) && isSubdomain(name, record.owner)),
  );
}

/** Only the zone's last record leads back, and only to the apex (RFC 4034 §4.1.1). */
function covers({ owner, next }: NsecRecord, apex: DnsName, name: DnsName): boolean {
  return compareNames(owner, name) < 0 && (compareNames(name, next) < 0 || sameName(next, apex));
}

/** The longest existing ancestor of a name that a record covers: both ends of the gap exist, and so do their ancestors. */
function closestEncloser({ owner, next }: NsecRecord, name: DnsName): DnsName {
  const before = commonAncestor(name, owner);
  const behind = commonAncestor(name, next);
  return before.length > behind.length ? before : behind;
}
