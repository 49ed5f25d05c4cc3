import { html, type Content, type Markup } from './markup.ts';

export interface Column<T> {
  head: string;
  cell: (row: T) => Content;
  /** Numbers align right. */
  numeric?: boolean;
}

/**
 * A table that becomes a list of cards on a narrow screen: each cell carries its heading for that, and the
 * roles keep it a table for screen readers although CSS changes its display.
 */
export function table<T>(caption: string, columns: Column<T>[], rows: T[], empty: Content): Markup {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`<div class="scroll">
    <table role="table">
      <caption class="hidden">
        ${caption}
      </caption>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map(
            (column) =>
              html`<th role="columnheader" scope="col" class="${column.numeric ? 'number' : ''}">
                ${column.head}
              </th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map((row) => tableRow(columns, row))}
      </tbody>
    </table>
  </div>`;
}

function tableRow<T>(columns: Column<T>[], row: T): Markup {
  return html`<tr role="row">
    ${columns.map(
      (column) =>
        html`<td role="cell" data-label="${column.head}" class="${column.numeric ? 'number' : ''}">
          <div>${column.cell(row)}</div>
        </td>`,
    )}
  </tr>`;
}

/** Name and value pairs of one thing; pairs without a value are left out. */
export function facts(pairs: [string, Content][]): Markup {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== false);
  return html`<dl class="facts">
    ${shown.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}
