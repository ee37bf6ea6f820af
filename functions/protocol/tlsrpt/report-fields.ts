/**
 * The fields of a report that others wrote, each read as what it must be, with a note where it is something else.
 */
import { parseDomainName } from '../domain-name.ts';
import { TransportSecurityError } from '../errors.ts';
import { parseReportTime } from './report-time.ts';

/** Lines of one policy. */
const linesMax = 200;

const deviationsMax = 50;

/** Ten thousand entries of so many, as a report may have, are a safe integer still: stores take no other. */
const sessionsMax = 100_000_000_000;

/** Deviations, as many as are worth reading. */
export interface Notes {
  add(text: string): void;
  list(): readonly string[];
}

/** None so far. */
export function createNotes(): Notes {
  const notes = new Set<string>();
  return {
    add: (text) => {
      if (notes.size < deviationsMax) {
        notes.add(text);
      }
    },
    list: () => [...notes],
  };
}

export interface FieldOptions {
  /** Nothing is noted where it is absent. */
  readonly optional?: boolean;
}

/** An object of a report, and where it stands. Each field is read in whatever form it has, and noted where that is another. */
export class Reader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #notes: Notes;

  constructor(fields: Readonly<Record<string, unknown>>, path: string, notes: Notes) {
    this.#fields = fields;
    this.#path = path;
    this.#notes = notes;
  }

  note(name: string, fault: string): void {
    const where = [this.#path, name].filter((part) => part !== '').join('.');
    this.#notes.add(`${where}: ${fault}`);
  }

  /** Undefined for what is absent, null or empty. */
  #value(name: string, { optional = false }: FieldOptions = {}): unknown {
    const value = Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
    if (value !== undefined && value !== null && value !== '') {
      return value;
    }
    if (!optional) {
      this.note(name, 'missing');
    }
    return undefined;
  }

  text(name: string, charsMax: number, options?: FieldOptions): string | undefined {
    const value = this.#value(name, options);
    if (value === undefined) {
      return undefined;
    }
    if (typeof value !== 'string') {
      this.note(name, 'not a text');
    }
    if (typeof value === 'object') {
      return undefined;
    }
    const text = String(value).trim();
    if (text.length > charsMax) {
      this.note(name, `${text.length} chars, cut to ${charsMax}`);
    }
    return bound(text, charsMax) || undefined;
  }

  object(name: string): Reader | undefined {
    const value = this.#value(name);
    if (value !== undefined && !isObject(value)) {
      this.note(name, 'not an object');
    }
    return isObject(value) ? new Reader(value, this.#join(name), this.#notes) : undefined;
  }

  /** Objects in an array, or one without it; undefined where nothing in it is one. */
  list(name: string, max: number, options?: FieldOptions): readonly Reader[] | undefined {
    const value = this.#value(name, options);
    if (value === undefined) {
      return undefined;
    }
    if (!Array.isArray(value)) {
      this.note(name, 'not an array');
    }
    const all: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (all.length > max) {
      this.note(name, `${all.length} entries, ${max} are read`);
    }
    const readers = all.slice(0, max).flatMap((each, index) => {
      if (isObject(each)) {
        return [new Reader(each, `${this.#join(name)}[${index}]`, this.#notes)];
      }
      this.note(name, `entry ${index} is not an object`);
      return [];
    });
    return readers.length === 0 && all.length > 0 ? undefined : readers;
  }

  /** Texts in an array; or one text, of one line or several. */
  lines(name: string, charsMax: number, options?: FieldOptions): readonly string[] {
    const value = this.#value(name, options);
    if (value === undefined) {
      return [];
    }
    if (!Array.isArray(value)) {
      this.note(name, 'not an array');
    }
    const single = typeof value === 'string' ? value.split(/[\r\n]+/) : [];
    const all: readonly unknown[] = Array.isArray(value) ? value : single;
    if (all.length > linesMax) {
      this.note(name, `${all.length} entries, ${linesMax} are read`);
    }
    return all
      .slice(0, linesMax)
      .filter((each) => typeof each === 'string')
      .map((each) => bound(each.trim(), charsMax))
      .filter((each) => each !== '');
  }

  /** A count of sessions. */
  count(name: string): number | undefined {
    const value = this.#value(name);
    if (value === undefined) {
      return undefined;
    }
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
    if (typeof value !== 'number') {
      this.note(name, 'not a number');
    }
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) {
      this.note(name, 'not a count');
      return undefined;
    }
    return Math.min(number, sessionsMax);
  }

  time(name: string): number | undefined {
    const value = this.#value(name);
    const time = value === undefined ? undefined : parseReportTime(value);
    if (value !== undefined && time === undefined) {
      this.note(name, 'not a date-time');
    }
    if (time?.deviation !== undefined) {
      this.note(name, time.deviation);
    }
    return time?.ms;
  }

  domain(name: string): string | undefined {
    const text = this.text(name, 500);
    const domain = text === undefined ? undefined : toDomain(text);
    if (text !== undefined && domain !== text) {
      this.note(name, domain === undefined ? 'not a domain name' : 'not in lower-case A-labels');
    }
    return domain;
  }

  #join(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

/** A store takes no lone surrogates, which a cut may leave; a control character is six in JSON, and none in a report. */
function bound(text: string, charsMax: number): string {
  return text
    .slice(0, charsMax)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, '\ufffd');
}

/** A name in A-labels; undefined for what is none. */
export function toDomain(text: string): string | undefined {
  try {
    return parseDomainName(text);
  } catch (error) {
    if (error instanceof TransportSecurityError) {
      return undefined;
    }
    throw error;
  }
}

/** An object that is no array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
