/** Turns a validation issue into what a person needs: the place, what is wrong, what to write instead. */
import type { z } from 'zod';

export interface Explained {
  /** Path of the key that the line number is taken from. */
  at: PropertyKey[];
  text: string;
}

type Issue = z.core.$ZodIssue;

/** One or more sentences for an issue; unknown keys come with the nearest known one. */
export function explainIssue(issue: Issue, schema: z.ZodType): Explained[] {
  const where = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path);
    return issue.keys.map((key) => ({
      at: [...issue.path, key],
      text: `unknown key '${[where, key].filter(Boolean).join('.')}'${suggestion(key, known)}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    return [{ at: issue.path, text: `'${where}': ${issue.issues[0]?.message ?? issue.message}` }];
  }
  // A schema that knows better than "a string" brings a message of its own.
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    const text = `'${where}' must be ${article(issue.expected)}; write for example ${example(issue.expected)}`;
    return [{ at: issue.path, text }];
  }
  const limit = limitText(issue);
  if (limit) return [{ at: issue.path, text: `'${where}' ${limit}` }];
  return [{ at: issue.path, text: `'${where}': ${issue.message}` }];
}

/** The library's own words for bounds and formats mean little to who writes the file. */
function limitText(issue: Issue): string | null {
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const [bound, side] =
      issue.code === 'too_small' ? [issue.minimum, 'at least'] : [issue.maximum, 'at most'];
    const isStrict = issue.inclusive === false;
    if (issue.origin === 'array')
      return `must have ${side} ${String(bound)} ${bound === 1 ? 'entry' : 'entries'}`;
    if (issue.origin === 'string') return `must have ${side} ${String(bound)} characters`;
    const strict = issue.code === 'too_small' ? 'more than' : 'less than';
    return `must be ${isStrict ? strict : side} ${String(bound)}`;
  }
  if (issue.code === 'invalid_format' && issue.format === 'url')
    return 'must be a URL; write for example http://127.0.0.1:8080';
  if (issue.code === 'invalid_format' && issue.format === 'email')
    return 'must be a mail address; write for example builds@example.org';
  return null;
}

interface Def {
  type?: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  out?: z.ZodType;
  valueType?: z.ZodType;
  element?: z.ZodType;
}

function knownKeys(schema: z.ZodType, at: PropertyKey[]): string[] {
  let current = unwrap(schema);
  for (const step of at) {
    const def = current?._zod.def as Def | undefined;
    current = unwrap(def?.shape?.[String(step)] ?? def?.valueType ?? def?.element);
  }
  return Object.keys((current?._zod.def as Def | undefined)?.shape ?? {});
}

function unwrap(schema: z.ZodType | undefined): z.ZodType | undefined {
  let current = schema;
  for (;;) {
    const def = current?._zod.def as Def | undefined;
    const inner = def?.innerType ?? (def?.type === 'pipe' ? def.out : undefined);
    if (!inner) return current;
    current = inner;
  }
}

function suggestion(key: string, known: string[]): string {
  const nearest = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (nearest && nearest.distance <= Math.max(2, key.length / 3)) return `; did you mean '${nearest.name}'?`;
  return known.length > 0 ? `; known here: ${known.join(', ')}` : '';
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

function article(expected: string): string {
  const names: Record<string, string> = {
    object: 'a section',
    record: 'a section',
    int: 'a whole number',
    array: 'a list',
  };
  return names[expected] ?? `a ${expected}`;
}

function example(expected: string): string {
  const examples: Record<string, string> = {
    number: '10',
    int: '10',
    boolean: 'true',
    string: '"text"',
    array: '[one, two]',
    object: '{ key: value }',
    record: '{ name: { ... } }',
  };
  return examples[expected] ?? expected;
}
