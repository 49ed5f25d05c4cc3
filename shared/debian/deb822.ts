/**
 * deb822(5), the format of .changes, .dsc, control files and indexes.
 *
 * Readers of this format disagree about lines of blanks only, carriage returns, repeated fields and
 * comments. What one tool takes for a paragraph's end and another for text can carry a second meaning
 * past a check, so whatever they disagree about is refused here unless the caller allows it.
 */
import { AppError } from '../errors/app-error.ts';
import { indexOfControlCharacter, isFieldName, Paragraph } from './paragraph.ts';

export { Paragraph } from './paragraph.ts';

/** A .changes of the biggest source packages (hundreds of binaries) is under 1 MiB. */
export const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
/** Debian's richest paragraphs (.dsc with every optional field) have about 40. */
export const DEFAULT_MAX_FIELDS = 500;
/** Enough for a suite's whole Packages file. */
export const DEFAULT_MAX_PARAGRAPHS = 200_000;

export interface Deb822Options {
  /** Lines that start with `#` are skipped, as in debian/control and configuration. Default: refused. */
  comments?: boolean;
  /** Lines of blanks only end a paragraph, as in hand-written debian/control. Default: refused. */
  blankSeparators?: boolean;
  maxBytes?: number;
  maxFields?: number;
  maxParagraphs?: number;
}

function invalid(line: number, what: string): AppError {
  return new AppError('deb822-invalid', `Line ${line}: ${what}`, { detail: { line } });
}

function checkText(text: string, options: Deb822Options): void {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) {
    throw new AppError('deb822-invalid', `The text is larger than ${maxBytes} bytes`);
  }
  const offset = indexOfControlCharacter(text);
  if (offset !== -1) {
    throw invalid(text.slice(0, offset).split('\n').length, 'a control character (DOS line ends?)');
  }
}

/** What is between two separators while it is being read; a field's lines are joined once, at its end. */
class ParagraphReader {
  readonly #paragraph = new Paragraph();
  readonly #maxFields: number;
  #name: string | null = null;
  #lines: string[] = [];

  constructor(maxFields: number) {
    this.#maxFields = maxFields;
  }

  takeField(line: string, number: number): void {
    this.#flush();
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    if (!isFieldName(name)) throw invalid(number, 'not a field (Name: value)');
    if (this.#paragraph.has(name)) throw invalid(number, `field ${name} comes twice`);
    if (this.#paragraph.size >= this.#maxFields) throw invalid(number, `more than ${this.#maxFields} fields`);
    this.#paragraph.set(name, ''); // holds the place, so that a second one is seen
    this.#name = name;
    this.#lines = [line.slice(colon + 1)];
  }

  takeContinuation(line: string, number: number): void {
    if (this.#name === null) throw invalid(number, 'a continued line without a field');
    this.#lines.push(line);
  }

  /** The paragraph, or null when no field was there. */
  finish(): Paragraph | null {
    this.#flush();
    return this.#paragraph.size === 0 ? null : this.#paragraph;
  }

  #flush(): void {
    if (this.#name !== null) this.#paragraph.set(this.#name, this.#lines.join('\n'));
    this.#name = null;
  }
}

/** `separator`, `comment`, `continuation` or `field`; throws for what the options do not allow. */
function kindOfLine(line: string, number: number, options: Deb822Options) {
  if (line === '') return 'separator';
  if (line.startsWith('#')) {
    if (options.comments === true) return 'comment';
    throw invalid(number, 'a comment is not allowed here');
  }
  if (!line.startsWith(' ') && !line.startsWith('\t')) return 'field';
  if (/[^ \t]/.test(line)) return 'continuation';
  if (options.blankSeparators === true) return 'separator';
  throw invalid(number, 'a line of blanks only');
}

/** Every paragraph in order. Throws `deb822-invalid` with the line's number (from 1) in `detail.line`. */
export function parseDeb822(text: string, options: Deb822Options = {}): Paragraph[] {
  checkText(text, options);
  const maxFields = options.maxFields ?? DEFAULT_MAX_FIELDS;
  const maxParagraphs = options.maxParagraphs ?? DEFAULT_MAX_PARAGRAPHS;
  const paragraphs: Paragraph[] = [];
  let reader = new ParagraphReader(maxFields);
  let number = 0;
  const endParagraph = (): void => {
    const paragraph = reader.finish();
    if (paragraph === null) return;
    if (paragraphs.length >= maxParagraphs) throw invalid(number, `more than ${maxParagraphs} paragraphs`);
    paragraphs.push(paragraph);
    reader = new ParagraphReader(maxFields);
  };
  for (const line of text.split('\n')) {
    number += 1;
    const kind = kindOfLine(line, number, options);
    if (kind === 'separator') endParagraph();
    else if (kind === 'field') reader.takeField(line, number);
    else if (kind === 'continuation') reader.takeContinuation(line, number);
  }
  endParagraph();
  return paragraphs;
}

/** The one paragraph of a text; throws `deb822-invalid` when there are none or several. */
export function parseParagraph(text: string, options: Deb822Options = {}): Paragraph {
  const [paragraph, ...others] = parseDeb822(text, { ...options, maxParagraphs: 2 });
  if (paragraph === undefined) throw new AppError('deb822-invalid', 'There is no paragraph');
  if (others.length > 0) throw new AppError('deb822-invalid', 'There is more than one paragraph');
  return paragraph;
}

/** The paragraph as text, each field's line ended by `\n`, without the empty line after it. */
export function formatParagraph(paragraph: Paragraph): string {
  let text = '';
  for (const [name, value] of paragraph) {
    text += value === '' || value.startsWith('\n') ? `${name}:${value}\n` : `${name}: ${value}\n`;
  }
  return text;
}

/** Several paragraphs with an empty line after each, as in `Packages`. */
export function formatDeb822(paragraphs: Iterable<Paragraph>): string {
  let text = '';
  for (const paragraph of paragraphs) text += `${formatParagraph(paragraph)}\n`;
  return text;
}
