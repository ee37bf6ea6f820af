/**
 * The addresses of an address field, as far as a decision needs them: which domains it speaks for.
 *
 * Reads what RFC 5322 §3.4 generates and the usual slips of mail programs (a display name with unquoted dots), in one
 * pass. It does not tell whether the field is well-formed.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc5322.html#section-3.4 RFC 5322 §3.4}
 */

/** Comments within comments beyond this are text, so that nothing is ever nested deeper. */
const commentDepthMax = 20;

/**
 * The domains of the addresses in an unfolded field value, as written and in order, each once; empty where there is
 * no address.
 *
 * @example
 * addressDomains('"Doe, J." <j@a.example>, (k@c.example) k@b.example'); // ['a.example', 'b.example']
 */
export function addressDomains(value: string): readonly string[] {
  const domains = splitAddresses(value).flatMap((text) => {
    const open = text.lastIndexOf('<');
    const close = text.indexOf('>', open);
    const address = open < 0 ? text : text.slice(open + 1, close < 0 ? undefined : close);
    const at = address.lastIndexOf('@');
    const domain = address.slice(at + 1).replaceAll(/[ \t]/g, '');
    return at > 0 && /^[^"<>\\(),;:]+$/.test(domain) ? [domain] : [];
  });
  return [...new Set(domains)];
}

/** The parts between commas, and between the colon and semicolon of groups, without comments; quoted text as `"`. */
function splitAddresses(value: string): readonly string[] {
  const parts: string[] = [];
  let part = '';
  let depth = 0;
  let quoted = false;
  let angled = false;
  for (let at = 0; at < value.length; at += 1) {
    const char = value[at] as string;
    if (char === '\\' && (quoted || depth > 0)) {
      // RFC 5322 §3.2.1: a quoted-pair stands for its second character only.
      at += 1;
    } else if (quoted) {
      quoted = char !== '"';
    } else if (char === '(' && depth < commentDepthMax) {
      depth += 1;
    } else if (depth > 0) {
      depth -= char === ')' ? 1 : 0;
    } else if (char === '"') {
      quoted = true;
      // Something must stand for a quoted local part.
      part += char;
    } else if (!angled && (char === ',' || char === ';' || char === ':')) {
      parts.push(part);
      part = '';
    } else {
      // A route within the brackets (RFC 5322 §4.4) has commas and a colon too.
      angled = char === '<' || (angled && char !== '>');
      part += char;
    }
  }
  return [...parts, part];
}
