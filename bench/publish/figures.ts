/** The figures of a run, from what each action cost. */
import type { Cost } from './measure.ts';

export const ACTIONS = ['import', 'add one', 'add 100', 'remove one'] as const;
export type Action = (typeof ACTIONS)[number];

/** One contender's medians at one size. */
export interface Row {
  contender: string;
  offers: string;
  isFull: boolean;
  size: number;
  costs: Partial<Record<Action | 'add one, cold', Cost>>;
}

/** By wall time, processor time and memory each for itself. */
export function medianCost(costs: readonly Cost[]): Cost {
  const database = costs.flatMap((each) => each.databasePeakMb ?? []);
  return {
    wallS: median(costs.map((each) => each.wallS)),
    cpuS: median(costs.map((each) => each.cpuS)),
    peakMb: Math.max(...costs.map((each) => each.peakMb)),
    ...(database.length > 0 ? { databasePeakMb: Math.max(...database) } : {}),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The last line of the bench: ratios to the fastest peer, ours below it when under 1. */
export function summary(rows: readonly Row[], own: string): Record<string, unknown> {
  const sizes = [...new Set(rows.map((row) => row.size))];
  const ratios = (action: Action, peers: (row: Row) => boolean): Record<string, number | null> =>
    Object.fromEntries(sizes.map((size) => [String(size), ratio(rows, own, size, action, peers)]));
  const wall = (size: number): number | undefined =>
    rows.find((row) => row.contender === own && row.size === size)?.costs['add one']?.wallS;
  const [small, large] = [wall(10_000), wall(100_000)];
  const costs = rows
    .filter((row) => row.contender.startsWith(own))
    .flatMap((row) => Object.values(row.costs));
  const highest = (of: (cost: Cost) => number): number => Math.round(Math.max(0, ...costs.map(of)));
  return {
    add_one_ratio_to_fastest_peer: ratios('add one', () => true),
    add_one_ratio_to_fastest_peer_with_same_files: ratios('add one', (row) => row.isFull),
    add_100_ratio_to_fastest_peer: ratios('add 100', () => true),
    remove_one_ratio_to_fastest_peer: ratios('remove one', () => true),
    bulk_ratio_to_fastest_peer: ratios('import', () => true),
    bulk_ratio_to_fastest_peer_with_same_files: ratios('import', (row) => row.isFull),
    growth_100k_to_10k: small === undefined || large === undefined ? null : round(large / small),
    peak_memory_mb: highest((cost) => cost.peakMb),
    peak_memory_with_database_mb: highest((cost) => cost.peakMb + (cost.databasePeakMb ?? 0)),
  };
}

function ratio(
  rows: readonly Row[],
  own: string,
  size: number,
  action: Action,
  isPeer: (row: Row) => boolean,
): number | null {
  const isOwn = (row: Row): boolean => row.contender.startsWith(own);
  const walls = (isOurs: boolean): number[] =>
    rows
      .filter((row) => row.size === size && (isOurs ? row.contender === own : !isOwn(row) && isPeer(row)))
      .flatMap((row) => row.costs[action]?.wallS ?? []);
  const [ours] = walls(true);
  const peers = walls(false);
  return ours === undefined || peers.length === 0 ? null : round(ours / Math.min(...peers));
}

export function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** For people: a table in Markdown. */
export function markdown(rows: readonly Row[]): string {
  const columns = [...ACTIONS, 'add one, cold'] as const;
  const heading = ['packages', 'archive', 'makes', ...columns];
  const lines = rows.map((row) => [
    row.size.toLocaleString('en'),
    row.contender,
    row.offers,
    ...columns.map((column) => cell(row.costs[column])),
  ]);
  const table = [heading, heading.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`);
  return `Wall time (processor time, peak memory of all processes together + that of the database's server).\n\n${table.join('\n')}\n`;
}

function cell(cost: Cost | undefined): string {
  if (cost === undefined) return '';
  return `${seconds(cost.wallS)} s (${seconds(cost.cpuS)} s, ${memoryText(cost)})`;
}

/** `180 MB`, `180 + 120 MB` with a database's server. */
export function memoryText({ peakMb, databasePeakMb }: Cost): string {
  const own = peakMb.toFixed(0);
  return databasePeakMb === undefined ? `${own} MB` : `${own} + ${databasePeakMb.toFixed(0)} MB`;
}

function seconds(value: number): string {
  return value.toFixed(value < 1 ? 3 : value < 10 ? 2 : 1);
}
