/** What an operator decides about the reports that are sent (RFC 8460). */
export interface ReportSettings {
  readonly organizationName: string;
  /** An address that is read; its domain is the submitter, whose DKIM key signs. */
  readonly contactInfo: string;
  /** Only days with a failed session are reported. */
  readonly onlyFailures: boolean;
  /** Destinations that are sent to another place, or to none. */
  readonly destinations: readonly { readonly from: string; readonly to?: string }[];
}
