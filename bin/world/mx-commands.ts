/** The commands that a simulated MX host takes, read strictly (RFC 5321 §4.1.1, §4.1.2). */
import type { EnvelopePath } from './mx-record.ts';

/** The verb in upper case, and what is behind it. */
export interface MxCommand {
  readonly verb: string;
  readonly rest: string;
}

/** Splits a line at its first space; nothing is wrong with any line yet. */
export function parseCommand(line: string): MxCommand {
  const space = line.indexOf(' ');
  const verb = space < 0 ? line : line.slice(0, space);
  return { verb: verb.toUpperCase(), rest: space < 0 ? '' : line.slice(space + 1) };
}

/** A path in angle brackets, where a quoted local part may have brackets of its own; then parameters. */
const pathPattern = /^<((?:[^<>"\s]|"(?:[^"\\]|\\.)*")*)>((?: [^ ]+)*)$/;

const parameterPattern = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?$/;

/**
 * Reads what follows MAIL or RCPT; undefined where it is not as RFC 5321 §4.1.2 says (a space behind the colon is not).
 */
export function parsePath(rest: string, keyword: 'FROM' | 'TO'): EnvelopePath | undefined {
  const colon = rest.indexOf(':');
  const matched = pathPattern.exec(rest.slice(colon + 1));
  if (rest.slice(0, colon).toUpperCase() !== keyword || matched === null) {
    return undefined;
  }
  const [, address = '', tail = ''] = matched;
  const parameters: Record<string, string> = {};
  for (const text of tail.split(' ').filter((part) => part !== '')) {
    const [whole, name, value = ''] = parameterPattern.exec(text) ?? [];
    const upper = name?.toUpperCase();
    if (whole === undefined || upper === undefined || upper in parameters) {
      return undefined;
    }
    parameters[upper] = value;
  }
  return { address, parameters };
}

/** The EHLO keyword that lets a client send this parameter. */
const keywords: Readonly<Record<'MAIL' | 'RCPT', Readonly<Record<string, string>>>> = {
  MAIL: {
    SIZE: 'SIZE',
    BODY: '8BITMIME',
    SMTPUTF8: 'SMTPUTF8',
    RET: 'DSN',
    ENVID: 'DSN',
    REQUIRETLS: 'REQUIRETLS',
    AUTH: 'AUTH',
  },
  RCPT: { NOTIFY: 'DSN', ORCPT: 'DSN' },
};

/** The first parameter that belongs to no offered extension. */
export function findUnofferedParameter(
  verb: 'MAIL' | 'RCPT',
  { parameters }: EnvelopePath,
  offered: ReadonlySet<string>,
): string | undefined {
  return Object.keys(parameters).find((name) => {
    const keyword = keywords[verb][name];
    return keyword === undefined || !offered.has(keyword);
  });
}

/** `BDAT <octets> [LAST]` (RFC 3030 §2). */
export function parseChunk(
  rest: string,
): { readonly octets: number; readonly last: boolean } | undefined {
  const matched = /^(\d{1,10})( LAST)?$/i.exec(rest);
  return matched === null
    ? undefined
    : { octets: Number(matched[1]), last: matched[2] !== undefined };
}
