/** What people type after a command, read in one way everywhere. */
import { openSync, readFileSync } from 'node:fs';
import { AppError } from '../errors/app-error.ts';

/** Rows that a list shows unless told otherwise. */
export const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 10_000;
/** A key, a password: far below. */
const MAX_INPUT_BYTES = 2 * 1024 * 1024;

/** The product that was named, or the only one. Throws `product-unknown` and `product-missing`. */
export function chooseProduct<P extends { name: string }>(products: readonly P[], named?: string): P {
  const names = products.map(({ name }) => name).join(', ');
  const product = named === undefined ? products[0] : products.find(({ name }) => name === named);
  if (!product) {
    throw new AppError('product-unknown', `There is no product '${named ?? ''}'`, {
      hint: `Known: ${names}`,
    });
  }
  if (named === undefined && products.length > 1) {
    throw new AppError('product-missing', 'There are several products', {
      hint: `Add --product, one of: ${names}`,
    });
  }
  return product;
}

/** A number of rows. Throws `limit-invalid`. */
export function readLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new AppError('limit-invalid', `--limit is a number from 1 to ${String(MAX_LIMIT)}, not '${text}'`);
}

/** A bigint id as people type it. Throws `id-invalid`. */
export function readId(text: string): string {
  if (/^[1-9][0-9]{0,17}$/.test(text)) return text;
  throw new AppError('id-invalid', `'${text}' is not an id; lists show them`);
}

/** A small text file; `-` is standard input. Throws `file-unreadable` and `file-too-large`. */
export function readTextFile(file: string): string {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : openSync(file, 'r'), 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new AppError('file-unreadable', `Cannot read '${file}' (${why})`, { cause: error });
  }
  if (text.length <= MAX_INPUT_BYTES) return text;
  throw new AppError('file-too-large', `'${file}' has more than ${String(MAX_INPUT_BYTES)} bytes`);
}
