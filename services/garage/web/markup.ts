/**
 * Pages are written as `html` templates. Whatever stands in one is escaped by ghtml unless it is itself
 * made by `html`: the type decides, so no mark in a template can be forgotten or be one too many.
 */
import { html as escaped } from 'ghtml';

/** Text that is HTML already; only {@link html} makes it. */
export class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** What may stand in a template; null, undefined and false are nothing. */
export type Content = Markup | string | number | bigint | null | undefined | false | readonly Content[];

/** Escapes every value that is not {@link Markup}. Attribute values must stand in double quotes. */
export function html(literals: TemplateStringsArray, ...values: Content[]): Markup {
  let text = literals[0] ?? '';
  values.forEach((value, index) => {
    text += render(value) + (literals[index + 1] ?? '');
  });
  return new Markup(text);
}

function render(value: Content): string {
  if (value instanceof Markup) return value.toString();
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'object') return value.map(render).join('');
  return escaped`${String(value)}`;
}

/** The parts with `separator` between them. */
export function join(parts: readonly Content[], separator: Content): Content {
  return parts.map((part, index) => (index === 0 ? part : [separator, part]));
}
