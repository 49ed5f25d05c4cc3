/** The figures as an SVG: wall time against the number of packages, both logarithmic, a panel for each action. */
import { ACTIONS, type Action, type Row } from './figures.ts';

const PANEL = { width: 420, height: 300, left: 64, right: 24, top: 40, bottom: 44 };
const COLORS = ['#b3261e', '#1a73e8', '#5f6368', '#e8710a', '#188038', '#9334e6'];
const TICKS_S = [0.01, 0.1, 1, 10, 100, 1000];

interface Scale {
  x(size: number): number;
  y(wallS: number): number;
  sizes: number[];
  ticksS: number[];
}

/** A whole SVG document. */
export function plot(rows: readonly Row[]): string {
  const names = [...new Set(rows.map((row) => row.contender))];
  const width = 2 * PANEL.width;
  const height = 2 * PANEL.height + 30;
  const panels = ACTIONS.map((action, at) => {
    const [x, y] = [(at % 2) * PANEL.width, Math.floor(at / 2) * PANEL.height];
    return `<g transform="translate(${String(x)},${String(y)})">${panel(rows, names, action)}</g>`;
  });
  const legend = names.map((name, at) => {
    const x = 20 + at * (width / Math.max(1, names.length));
    const mark = `<circle cx="${px(x)}" cy="-4" r="4" fill="${color(at)}"/>`;
    return `${mark}<text x="${px(x + 9)}" y="0">${escape(name)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...panels,
    `<g transform="translate(0,${String(height - 12)})">${legend.join('')}</g>`,
    '</svg>\n',
  ].join('\n');
}

function panel(rows: readonly Row[], names: readonly string[], action: Action): string {
  const scale = makeScale(rows, action);
  const right = PANEL.width - PANEL.right;
  const bottom = PANEL.height - PANEL.bottom;
  const lines = scale.ticksS.map((tick) => {
    const y = px(scale.y(tick));
    return `<line x1="${String(PANEL.left)}" x2="${String(right)}" y1="${y}" y2="${y}" stroke="#dadce0"/><text x="${String(PANEL.left - 6)}" y="${y}" dy="4" text-anchor="end">${String(tick)} s</text>`;
  });
  const labels = scale.sizes.map(
    (size) =>
      `<text x="${px(scale.x(size))}" y="${String(bottom + 18)}" text-anchor="middle">${size.toLocaleString('en')}</text>`,
  );
  const curves = names.map((name, at) => curve(rows, name, action, scale, color(at)));
  const title = `<text x="${String(PANEL.left)}" y="22" font-size="14" font-weight="bold">${action}</text>`;
  const axis = `<text x="${px((PANEL.left + right) / 2)}" y="${String(bottom + 36)}" text-anchor="middle">packages in the archive</text>`;
  return [title, ...lines, ...labels, axis, ...curves].join('');
}

function curve(rows: readonly Row[], name: string, action: Action, scale: Scale, stroke: string): string {
  const points = rows
    .filter((row) => row.contender === name)
    .flatMap((row) => {
      const wallS = row.costs[action]?.wallS;
      return wallS === undefined ? [] : [[px(scale.x(row.size)), px(scale.y(wallS))] as const];
    });
  const path = points.map((point) => point.join(',')).join(' ');
  const marks = points.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3.5" fill="${stroke}"/>`);
  return `<polyline points="${path}" fill="none" stroke="${stroke}" stroke-width="2"/>${marks.join('')}`;
}

function makeScale(rows: readonly Row[], action: Action): Scale {
  const sizes = [...new Set(rows.map((row) => row.size))].toSorted((a, b) => a - b);
  const walls = rows.flatMap((row) => row.costs[action]?.wallS ?? []);
  const least = Math.min(...walls, TICKS_S.at(-1) ?? 1);
  const most = Math.max(...walls, TICKS_S[0] ?? 1);
  const low = TICKS_S.findLast((tick) => tick <= least) ?? 0.01;
  const high = TICKS_S.find((tick) => tick >= most) ?? 1000;
  const [width, height] = [PANEL.width - PANEL.left - PANEL.right, PANEL.height - PANEL.top - PANEL.bottom];
  return {
    sizes,
    ticksS: TICKS_S.filter((tick) => tick >= low && tick <= high),
    x: (size) => PANEL.left + 16 + (width - 32) * between(size, sizes[0] ?? 1, sizes.at(-1) ?? 1),
    y: (wallS) => PANEL.top + height * (1 - between(wallS, low, high)),
  };
}

/** Where `value` lies between the two, from 0 to 1, by their logarithms. */
function between(value: number, from: number, to: number): number {
  return from === to ? 0.5 : (Math.log(value) - Math.log(from)) / (Math.log(to) - Math.log(from));
}

function color(at: number): string {
  return COLORS[at % COLORS.length] ?? '#000';
}

function px(value: number): string {
  return value.toFixed(1);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
