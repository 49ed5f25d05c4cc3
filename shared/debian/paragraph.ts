import { AppError } from '../errors/app-error.ts';

/** deb822(5): printable ASCII without space and colon, not starting with `#` or `-`. */
const FIELD_NAME = /^[!"$-,.-9;-~][!-9;-~]*$/;
/** C0 controls but tab and newline, and DEL. CR matters most: apt takes it for a line's end, dpkg for a blank. */
const CONTROL_CHARACTER = /[^\P{Cc}\t\n\u0080-\u009f]/u;

/** True for a field name by deb822(5). */
export function isFieldName(name: string): boolean {
  return FIELD_NAME.test(name);
}

/** The offset of the first character that no field may hold, or -1. */
export function indexOfControlCharacter(text: string): number {
  return text.search(CONTROL_CHARACTER);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/** Strips spaces and tabs at the end; a loop, because `/[ \t]+$/` takes quadratic time on hostile text. */
function trimBlanksEnd(text: string): string {
  let end = text.length;
  while (isBlank(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

/** Strips spaces and tabs only, as deb822 does (`String.trim` also takes no-break spaces). */
export function trimBlanks(text: string): string {
  let start = 0;
  while (isBlank(text[start])) start += 1;
  return trimBlanksEnd(text.slice(start));
}

/**
 * A value in its one written form: no blanks around the first line or at the ends of the others, which
 * keep the space or tab they start with. Throws `deb822-invalid` when it could not be read back as this
 * value, so that no value can smuggle in a field or end the paragraph.
 */
function normaliseValue(name: string, value: string): string {
  if (indexOfControlCharacter(value) !== -1) {
    throw new AppError('deb822-invalid', `Field ${name} holds a control character`);
  }
  const [first = '', ...rest] = value.split('\n');
  const lines = rest.map(trimBlanksEnd);
  const bad = lines.find((line) => !/^[ \t]+[^ \t]/.test(line));
  if (bad !== undefined) {
    throw new AppError('deb822-invalid', `Field ${name} has a line that does not continue it: '${bad}'`, {
      hint: "Start each further line with a space; an empty one is ' .'",
    });
  }
  return [trimBlanks(first), ...lines].join('\n');
}

/**
 * An ordered, case-insensitive map of deb822 fields. Values are as written: the first line without blanks
 * around it, then for each further line `\n`, the space or tab it starts with and its text; so `Files`
 * starts with `\n`. What {@link set} takes can always be written and read back.
 */
export class Paragraph {
  readonly #fields = new Map<string, { name: string; value: string }>();

  /** Throws `deb822-invalid` for a bad name or value, and for a name that comes twice. */
  static from(entries: Iterable<readonly [string, string]>): Paragraph {
    const paragraph = new Paragraph();
    for (const [name, value] of entries) {
      if (paragraph.has(name)) throw new AppError('deb822-invalid', `Field ${name} comes twice`);
      paragraph.set(name, value);
    }
    return paragraph;
  }

  get size(): number {
    return this.#fields.size;
  }

  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase());
  }

  get(name: string): string | undefined {
    return this.#fields.get(name.toLowerCase())?.value;
  }

  /** The value of a field that must be there and not be empty; throws `deb822-missing-field`. */
  require(name: string): string {
    const value = this.get(name);
    if (value === undefined || value === '') {
      throw new AppError('deb822-missing-field', `Field ${name} is missing`, { detail: { field: name } });
    }
    return value;
  }

  /** Sets a field, in its old place if it was there; throws `deb822-invalid`. */
  set(name: string, value: string): this {
    if (!isFieldName(name)) throw new AppError('deb822-invalid', `'${name}' is not a field name`);
    this.#fields.set(name.toLowerCase(), { name, value: normaliseValue(name, value) });
    return this;
  }

  delete(name: string): boolean {
    return this.#fields.delete(name.toLowerCase());
  }

  /** The value's lines without blanks around them; empty ones are left out. None for a missing field. */
  lines(name: string): string[] {
    const lines = (this.get(name) ?? '').split('\n').map(trimBlanks);
    return lines.filter((line) => line !== '');
  }

  /** The value's words, parted by blanks and line ends. None for a missing field. */
  words(name: string): string[] {
    return (this.get(name) ?? '').split(/[ \t\n]+/).filter((word) => word !== '');
  }

  /** The value's comma-separated parts on one line each. None for a missing field. */
  list(name: string): string[] {
    const parts = this.lines(name).join(' ').split(',').map(trimBlanks);
    return parts.filter((part) => part !== '');
  }

  names(): string[] {
    return Array.from(this.#fields.values(), (field) => field.name);
  }

  entries(): [string, string][] {
    return Array.from(this.#fields.values(), (field) => [field.name, field.value]);
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return this.entries()[Symbol.iterator]();
  }

  clone(): Paragraph {
    return Paragraph.from(this.entries());
  }
}
