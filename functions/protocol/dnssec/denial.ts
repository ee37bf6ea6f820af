/**
 * What a proof of absence comes to, and the rules that NSEC and NSEC3 share. The response code has no part in it: it is
 * not signed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc4035.html#section-5.4 RFC 4035 §5.4}
 * @see {@link https://www.rfc-editor.org/rfc/rfc6840.html#section-4 RFC 6840 §4}
 */
import { bitmapHas, type TypeBitmap } from '../dns/dnssec-data.ts';
import { type DnsName, sameName } from '../dns/name.ts';
import { rootName } from '../dns/name-tree.ts';
import { recordTypes } from '../dns/record-type.ts';
import { type Reason, reason } from './reason.ts';
import { formatSet } from './rrset.ts';

/** What is to be proven absent: records of `type` at `name`, by records of the zone at `apex`. */
export interface Absence {
  readonly apex: DnsName;
  readonly name: DnsName;
  readonly type: number;
}

export type Denial =
  /** The name exists, or a wildcard stands for it, without the type. `types`: what the name itself has. */
  | { readonly kind: 'nodata'; readonly types?: TypeBitmap }
  /** Neither the name nor a wildcard for it exists. */
  | { readonly kind: 'nxdomain' }
  /**
   * The zone leaves it open on purpose: opt-out (RFC 5155 §6), or too many iterations (RFC 9276). `nameError`: whether
   * all but that of an NXDOMAIN is proven.
   */
  | { readonly kind: 'insecure'; readonly nameError: boolean; readonly reason: Reason }
  | Unproven;

export interface Unproven {
  readonly kind: 'unproven';
  readonly reason: Reason;
}

export function unproven(absence: Pick<Absence, 'name' | 'type'>, why: string): Unproven {
  return {
    kind: 'unproven',
    reason: reason('nsecMissing', `the absence of ${formatSet(absence)} is not proven: ${why}`),
  };
}

/**
 * Reports whether the type list is that of a delegation or a DNAME, whose owner's zone has no say in what is below it
 * (RFC 6840 §4.1).
 */
export function leadsElsewhere(types: TypeBitmap): boolean {
  return isDelegation(types) || bitmapHas(types, recordTypes.DNAME);
}

/** Reports whether the type list is the parent's of a delegation (RFC 6840 §4.1, §4.4). */
export function isDelegation(types: TypeBitmap): boolean {
  return bitmapHas(types, recordTypes.NS) && !bitmapHas(types, recordTypes.SOA);
}

/** Judges the type list of the record that stands for the very name. */
export function judgeTypes(types: TypeBitmap, absence: Absence): Denial {
  const { name, type } = absence;
  if (type === recordTypes.DS) {
    // RFC 4035 §5.2, RFC 6840 §4.4: the child's record at its apex cannot speak for its parent, who has the DS.
    if (bitmapHas(types, recordTypes.SOA) && !sameName(name, rootName)) {
      return unproven(absence, "the record is from the child's side of the delegation");
    }
  } else if (isDelegation(types)) {
    // RFC 6840 §4.1: the parent's record cannot speak for the child.
    return unproven(absence, "the record is from the parent's side of the delegation");
  }
  if (bitmapHas(types, type)) {
    return unproven(absence, 'it is there by its own record');
  }
  // RFC 6840 §4.3: where there is an alias, NODATA is not the answer.
  return bitmapHas(types, recordTypes.CNAME)
    ? unproven(absence, 'the name is an alias')
    : { kind: 'nodata', types };
}
