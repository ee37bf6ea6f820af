/**
 * The ways in which one address can be written, for whoever compares addresses with what an operator wrote down.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5890.html#section-2.3.2.1 RFC 5890 §2.3.2.1} (A-labels and U-labels)
 */
import { domainToUnicode } from 'node:url';
import { parseDomainName } from '../protocol/domain-name.ts';

/**
 * An address as given, with its domain in A-labels, and with its domain in U-labels, all of it in NFC; each form once.
 * A text without a domain, or whose domain is no host name, has one form.
 *
 * @example
 * addressForms('a@xn--bcher-kva.example'); // ['a@xn--bcher-kva.example', 'a@bücher.example']
 */
export function addressForms(address: string): readonly string[] {
  const given = address.normalize('NFC');
  const at = given.lastIndexOf('@') + 1;
  const domain = given.slice(at);
  const aLabels = toALabels(domain);
  if (at === 0 || aLabels === undefined) {
    return [given];
  }
  const uLabels = toULabels(aLabels);
  const others = [aLabels, uLabels].filter((form) => form !== domain.toLowerCase());
  return [given, ...new Set(others.map((form) => given.slice(0, at) + form))];
}

/**
 * A pattern for addresses in the same forms: those labels of its domain that have no wildcard are converted, the rest
 * stays. So one that mixes A-labels and U-labels is among the forms of the address as well.
 */
export function addressPatternForms(pattern: string): readonly string[] {
  const given = pattern.normalize('NFC');
  const at = given.lastIndexOf('@') + 1;
  if (at === 0) {
    return [given];
  }
  const labels = given.slice(at).split('.');
  const convert = (form: (label: string) => string): string =>
    given.slice(0, at) + labels.map(form).join('.');
  const aForm = convert((label) => toALabels(label) ?? label);
  const uForm = convert((label) => toULabels(toALabels(label) ?? label));
  return [...new Set([given, aForm, uForm])];
}

function toALabels(domain: string): string | undefined {
  try {
    return parseDomainName(domain);
  } catch {
    // It has wildcards, or is none; then it is compared as it is.
    return undefined;
  }
}

function toULabels(aLabels: string): string {
  if (!/xn--/i.test(aLabels)) {
    return aLabels;
  }
  // Empty where a label only looks like one.
  return domainToUnicode(aLabels).normalize('NFC') || aLabels;
}
