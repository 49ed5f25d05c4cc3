/** What was read from a build's log, and what differs from the last good build: sections of its page. */
import type { Garage } from '../../../context.ts';
import { isUpgrade, warningCount } from '../../../reading/compare.ts';
import {
  buildReading,
  explainError,
  placeOf,
  type AttemptFacts,
  type Comparison,
  type FirstError,
  type PackageChange,
  type VersionChange,
} from '../../../reading/reading.ts';
import { duration, NONE, size } from '../../format.ts';
import { html, join, type Content, type Markup } from '../../markup.ts';
import { facts, table, type Column } from '../../table.ts';

/** Of the attempt that the page shows; nothing while it runs or when nothing was read. */
export async function readingSections(
  garage: Pick<Garage, 'pool'>,
  buildId: string,
  attempt: number,
): Promise<Markup | false> {
  const reading = await buildReading(garage, buildId, attempt);
  if (!reading) return false;
  return html`${errorSection(reading.facts)} ${reading.comparison && comparisonSection(reading.comparison)}`;
}

function errorSection(read: AttemptFacts): Markup {
  const { firstError, failingTests, failingTestCount, missing } = read;
  const rest = failingTestCount - failingTests.length;
  return html`${
    firstError &&
    html`<h2 id="error">The first error</h2>
      <p>
        ${explainError(firstError)} ${placeOf(firstError) && html`<code>${placeOf(firstError)}</code>`}
        ${firstError.logLine !== null && html`<span class="quiet">line ${firstError.logLine} of the log</span>`}
      </p>
      ${excerpt(firstError)}`
  }
  ${facts([
    [
      'Failing tests',
      failingTests.length > 0 && html`${codes(failingTests)} ${rest > 0 && `and ${String(rest)} more`}`,
    ],
    [
      'Missing',
      missing.length > 0 &&
        join(
          missing.map(({ kind, name }) => html`<code>${name}</code> (${kind})`),
          ', ',
        ),
    ],
    ['Warnings', warnings(read)],
    [
      'Log',
      read.skippedBytes > 0 &&
        `${size(read.skippedBytes)} in the middle of the log were not read; counts are too low.`,
    ],
  ])}`;
}

function excerpt({ before, text, after }: FirstError): Markup {
  return html`<pre class="log" tabindex="0" role="region" aria-label="The error with the lines around it">
${[...before, ''].join('\n')}<strong>${text}</strong>
${after.join('\n')}</pre>`;
}

const codes = (names: readonly string[]): Content =>
  join(
    names.map((name) => html`<code>${name}</code>`),
    ', ',
  );

function warnings(read: AttemptFacts): Content {
  const count = warningCount(read);
  if (count === 0) return 'none';
  const kinds = Object.entries(read.warnings).toSorted(([, a], [, b]) => b - a);
  return html`${count}: ${kinds.map(([kind, number]) => `${kind} ${String(number)}`).join(', ')}`;
}

function comparisonSection({ with: good, dependencies, log, packages }: Comparison): Markup {
  const more = Object.entries(log.warnings).map(
    ([kind, { from, to }]) => `${kind} ${String(from)} → ${String(to)}`,
  );
  return html`<h2 id="changes">Since the last good build</h2>
    <p>
      Compared with <a href="/builds/${good.buildId}">build ${good.buildId} of version ${good.version}</a>.
    </p>
    ${facts([
      ['Time', `${duration(log.seconds.from)} → ${duration(log.seconds.to)}`],
      ['Log', `${String(log.lines.from)} → ${String(log.lines.to)} lines`],
      ['Warnings', `${String(log.warningCount.from)} → ${String(log.warningCount.to)}`],
      ['Warnings that changed', more.length > 0 && more.join(', ')],
      ['Build-dependencies', dependencyWord(dependencies)],
    ])}
    ${
      dependencies &&
      dependencies.changes.length > 0 &&
      table('Changed build-dependencies', DEPENDENCY_COLUMNS, dependencies.changes, '')
    }
    ${
      packages &&
      html`<h3>Packages</h3>
        ${table('Packages against the last good build', PACKAGE_COLUMNS, packages, 'No package.')}`
    }`;
}

function dependencyWord(dependencies: Comparison['dependencies']): Content {
  if (dependencies === null) return 'not known';
  const by =
    dependencies.by === 'log' ? html` <span class="quiet">by what apt set up in the target</span>` : '';
  if (dependencies.count === 0) return html`the same${by}`;
  const rest = dependencies.count - dependencies.changes.length;
  return html`${dependencies.count} changed${rest > 0 && `, ${String(rest)} of them not shown`}${by}`;
}

const DEPENDENCY_COLUMNS: Column<VersionChange>[] = [
  { head: 'Package', cell: (row) => html`<code>${row.name}</code>` },
  { head: 'Before', cell: (row) => row.from ?? NONE },
  { head: 'Now', cell: (row) => row.to ?? NONE },
  {
    head: 'Change',
    cell: (row) =>
      row.from === null ? 'new' : row.to === null ? 'gone' : isUpgrade(row) === false ? 'older' : 'newer',
  },
];

const PACKAGE_COLUMNS: Column<PackageChange>[] = [
  {
    head: 'Package',
    cell: (row) => html`<code>${row.name}</code> <span class="quiet">${row.architecture}</span>`,
  },
  { head: 'Change', cell: (row) => row.change },
  {
    head: 'Size',
    cell: ({ size: { from, to } }) => `${from === null ? '–' : size(from)} → ${to === null ? '–' : size(to)}`,
    numeric: true,
  },
  { head: 'Files', cell: fileChanges },
  {
    head: 'Fields',
    cell: ({ fields }) =>
      fields.map(
        ({ field, from, to }) => html`<div>${field}: <del>${from ?? ''}</del> <ins>${to ?? ''}</ins></div>`,
      ),
  },
];

function fileChanges({ files }: PackageChange): Content {
  if (files === null) return NONE;
  const lists = [
    ['added', files.added, files.counts.added],
    ['removed', files.removed, files.counts.removed],
    ['altered', files.altered, files.counts.altered],
  ] as const;
  const shown = lists.filter(([, , count]) => count > 0);
  if (shown.length === 0) return 'the same';
  return shown.map(
    ([how, paths, count]) =>
      html`<details>
        <summary>${count} ${how}</summary>
        ${paths.map((path) => html`<div><code>${path}</code></div>`)}
        ${count > paths.length && `and ${String(count - paths.length)} more`}
      </details>`,
  );
}
