/**
 * Relations between packages: Policy 7.1 (names, versions, alternatives, architectures) and deb-control(5)
 * (build profiles).
 */
import { AppError } from '../errors/app-error.ts';
import { matchesArchitecture } from './architecture.ts';
import { compareVersions } from './version.ts';

export const OPERATORS = ['<<', '<=', '=', '>=', '>>'] as const;
export type Operator = (typeof OPERATORS)[number];

/** `gcc:native (>= 4:12) [amd64 !i386] <!nocheck>` */
export interface Relation {
  name: string;
  /** `any`, `native` or an architecture; null without `:`. */
  qualifier: string | null;
  version: { operator: Operator; version: string } | null;
  /** Names and wildcards, all with or all without `!`; empty for every architecture. */
  architectures: string[];
  /** Formulas: it counts if one holds, and that holds if all of its words do; empty for always. */
  profiles: string[][];
}

/** The longest field in Debian has some hundred relations; more is not worth anybody's time. */
const MAX_RELATIONS = 10_000;

const RELATION = new RegExp(
  [
    /^(?<name>[a-z0-9][a-z0-9+.-]*)(?::(?<qualifier>[a-z0-9][a-z0-9-]*))?/,
    /(?:\s*\(\s*(?<operator><<|<=|=|>=|>>|<|>)\s*(?<version>[A-Za-z0-9.+:~-]+)\s*\))?/,
    /(?:\s*\[(?<architectures>[a-z0-9!\s-]+)\])?/,
    /(?<profiles>(?:\s*<[a-z0-9.!\s+-]+>)*)\s*$/,
  ]
    .map(({ source }) => source)
    .join(''),
);

/** Policy 7.1 wants `<=` for the old `<`, which never meant "earlier". */
const OLD_OPERATORS: Record<string, Operator> = { '<': '<=', '>': '>=' };

function invalid(text: string): AppError {
  return new AppError('relation-invalid', `'${text.trim().slice(0, 200)}' is no relation to a package`);
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

function parseRelation(text: string): Relation {
  const found = RELATION.exec(text.trim())?.groups;
  if (!found) throw invalid(text);
  const { name = '', qualifier, operator, version, architectures, profiles = '' } = found;
  const asked = operator === undefined ? null : (OLD_OPERATORS[operator] ?? (operator as Operator));
  return {
    name,
    qualifier: qualifier ?? null,
    version: asked === null ? null : { operator: asked, version: version ?? '' },
    architectures: words(architectures),
    profiles: [...profiles.matchAll(/<([^>]*)>/g)].map(([, formula]) => words(formula)),
  };
}

/**
 * All of a field: each element one relation that must hold, as alternatives in their order. An empty field
 * gives none. Throws `relation-invalid`.
 */
export function parseRelations(field: string): Relation[][] {
  const groups = field.split(',').filter((group) => group.trim() !== '');
  if (groups.length > MAX_RELATIONS) throw invalid(field);
  return groups.map((group) => group.split('|').map(parseRelation));
}

/** What a field is reduced to. */
export interface BuildSetting {
  /** A real architecture. */
  architecture: string;
  /** Active build profiles. */
  profiles: readonly string[];
}

/** Relations that count on an architecture under build profiles; groups of which nothing is left are left out. */
export function reduceRelations(groups: readonly Relation[][], setting: BuildSetting): Relation[][] {
  return groups
    .map((group) => group.filter((each) => isForArchitecture(each, setting) && isForProfiles(each, setting)))
    .filter((group) => group.length > 0);
}

function isForArchitecture({ architectures }: Relation, { architecture }: BuildSetting): boolean {
  if (architectures.length === 0) return true;
  const named = architectures.some((each) => matchesArchitecture(architecture, each.replace(/^!/, '')));
  return architectures[0]?.startsWith('!') === true ? !named : named;
}

function isForProfiles(relation: Relation, { profiles }: BuildSetting): boolean {
  const holds = (word: string): boolean =>
    word.startsWith('!') ? !profiles.includes(word.slice(1)) : profiles.includes(word);
  return relation.profiles.length === 0 || relation.profiles.some((formula) => formula.every(holds));
}

/** True when a version of the named package is what the relation asks for. Throws `version-invalid`. */
export function allowsVersion({ version: asked }: Pick<Relation, 'version'>, version: string): boolean {
  if (asked === null) return true;
  const order = compareVersions(version, asked.version);
  switch (asked.operator) {
    case '<<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '=':
      return order === 0;
    case '>=':
      return order >= 0;
    case '>>':
      return order > 0;
    default:
      return false;
  }
}
