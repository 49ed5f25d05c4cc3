/**
 * The relation fields of a binary package, as far as apt must be able to read them: one that it cannot read breaks
 * the whole index for every client ("Problem parsing dependency"), not only the package that has it.
 */
import { AppError } from '../errors/app-error.ts';
import type { Paragraph } from './paragraph.ts';

/** Those that apt's list parser reads. */
const FIELDS = [
  ...['Depends', 'Pre-Depends', 'Recommends', 'Suggests', 'Enhances', 'Conflicts', 'Breaks', 'Replaces'],
  ...['Obsoletes', 'Provides'],
];
/** Hundreds of times what the longest field in Debian has. */
const MAX_ALTERNATIVES = 50_000;
/**
 * Wider than Policy in names, since packages from elsewhere have capitals; no architectures and profiles, which are
 * for sources and which apt does not take here.
 */
const ALTERNATIVE =
  /^[A-Za-z0-9][A-Za-z0-9+._-]*(?::[a-z0-9][a-z0-9-]*)?(?:[ \t\n]*\([ \t\n]*(?:<<|<=|=|>=|>>|<|>)[ \t\n]*[A-Za-z0-9.+:~_-]+[ \t\n]*\))?$/;

/** Throws `relation-invalid` with the field and the part that cannot be read. */
export function requireReadableRelations(control: Paragraph): void {
  for (const field of FIELDS) {
    const value = control.get(field)?.trim() ?? '';
    if (value === '') continue;
    // apt takes a comma at the end, as some tools leave one.
    const alternatives = value.replace(/,$/, '').split(/[,|]/);
    const isProvides = field === 'Provides' && value.includes('|');
    const bad = isProvides ? value : alternatives.find((each) => !ALTERNATIVE.test(each.trim()));
    if (bad === undefined && alternatives.length <= MAX_ALTERNATIVES) continue;
    throw new AppError(
      'relation-invalid',
      `Field ${field} holds what apt cannot read: '${(bad ?? '').trim().slice(0, 100)}'`,
    );
  }
}
