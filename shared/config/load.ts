/**
 * One configuration file, a section a service. A service validates the common part and its own
 * section, and never looks into another's, so a drop host's file needs no database password.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { AppError, messageOf } from '../errors/app-error.ts';
import { commonShape, completeCommon, type CommonConfig } from './common.ts';
import { explainIssue } from './explain.ts';
import { homeFolders, type Home } from './home.ts';

const SECTIONS = ['database', 'drop', 'garage', 'builder', 'repository', 'live'] as const;
export type SectionName = (typeof SECTIONS)[number];
const SYSTEM_FILE = '/etc/autobuilder/autobuilder.yaml';

export interface Loaded<T> {
  home: Home;
  /** The common part, completed from this machine where the file is silent; asked for by who builds or publishes. */
  common(): Promise<CommonConfig>;
  /** The sections asked for, by name, defaults filled in. */
  sections: T;
  /** The file that was read, or null for defaults only. */
  file: string | null;
  /** `file:line` of a setting, or of what comes nearest to it. */
  where(at: PropertyKey[]): string;
}

/** `$AUTOBUILDER_CONFIG`, or `$AUTOBUILDER_HOME/autobuilder.yaml`, or the system's; null for none. */
export function configFile(home: Home): string | null {
  const named = process.env['AUTOBUILDER_CONFIG'];
  if (named) {
    if (existsSync(named)) return named;
    throw new AppError('config-missing', `AUTOBUILDER_CONFIG names '${named}', which is not there`, {
      hint: 'Correct the path, or unset AUTOBUILDER_CONFIG to use the defaults.',
    });
  }
  return [path.join(home.root, 'autobuilder.yaml'), SYSTEM_FILE].find((file) => existsSync(file)) ?? null;
}

/**
 * Reads and validates. `sections` maps the names of the sections this service may read to their
 * schemas; each schema must accept `{}`. Throws `config-invalid` with file, line, what is wrong and
 * what to write instead, all problems in one message.
 */
export async function loadConfig<S extends Partial<Record<SectionName, z.ZodType>>>(
  sections: S,
  home: Home = homeFolders(),
): Promise<Loaded<{ [K in keyof S]: z.infer<S[K] & z.ZodType> }>> {
  const file = configFile(home);
  const lines = new LineCounter();
  const text = file ? await readText(file) : '';
  const document = parseDocument(text, { lineCounter: lines, maxAliasCount: 100 } as never);
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => {
      const line = error.linePos?.[0].line ?? 1;
      return `${file ?? ''}:${String(line)}: not valid YAML: ${error.message.split('\n')[0] ?? ''}`;
    });
    throw invalid(problems);
  }
  const where = (at: PropertyKey[]): string =>
    `${file ?? '(defaults)'}:${String(lineOf(document, lines, at))}`;
  const schema = wholeSchema(sections);
  const parsed = schema.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => explainIssue(issue, schema));
    throw invalid(problems.map(({ at, text: problem }) => `${where(at)}: ${problem}`));
  }
  const { name, products, queues, ...rest } = parsed.data as z.infer<z.ZodObject<typeof commonShape>>;
  const own = Object.fromEntries(
    Object.keys(sections).map((key) => [key, (rest as Record<string, unknown>)[key]]),
  );
  return {
    home,
    common: () => completeCommon({ name, products, queues }),
    sections: own as { [K in keyof S]: z.infer<S[K] & z.ZodType> },
    file,
    where,
  };
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new AppError(
      'config-unreadable',
      `The configuration '${file}' cannot be read: ${messageOf(error)}`,
      {
        hint: 'Give the path of a file that this user may read.',
        cause: error,
      },
    );
  });
}

function wholeSchema(sections: Partial<Record<SectionName, z.ZodType>>): z.ZodObject {
  const shape: Record<string, z.ZodType> = { ...commonShape };
  for (const section of SECTIONS) {
    const own = sections[section];
    shape[section] = own ? z.preprocess((value) => value ?? {}, own) : z.unknown().optional();
  }
  return z.strictObject(shape);
}

function lineOf(document: Document, lines: LineCounter, at: PropertyKey[]): number {
  for (let depth = at.length; depth > 0; depth -= 1) {
    const parent: unknown = depth === 1 ? document.contents : document.getIn(at.slice(0, depth - 1), true);
    const offset = keyOffset(parent, at[depth - 1]);
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return 1;
}

interface YamlNode {
  items?: { key?: { value?: unknown; range?: [number, number, number] }; range?: [number, number, number] }[];
}

function keyOffset(parent: unknown, key: PropertyKey | undefined): number | undefined {
  const items = (parent as YamlNode | null | undefined)?.items;
  if (!items) return undefined;
  if (typeof key === 'number') return items[key]?.range?.[0];
  return items.find((item) => item.key?.value === key)?.key?.range?.[0];
}

function invalid(problems: string[]): AppError {
  return new AppError('config-invalid', problems.join('\n'), {
    hint: 'Every setting with its default is in deploy/autobuilder.sample.yaml.',
  });
}
