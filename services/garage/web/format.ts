/** How values are shown: times in UTC, sizes, durations, status words. */
import { html, type Markup } from './markup.ts';

/** Stands where there is nothing to say; left out on narrow screens. */
export const NONE = html`<span class="quiet none">–</span>`;

/** A point in time to the minute, with the exact one in `datetime`; a dash for none. */
export function time(at: Date | string | null | undefined): Markup {
  if (at === null || at === undefined) return NONE;
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return NONE;
  const iso = date.toISOString();
  return html`<time datetime="${iso}" title="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC</time>`;
}

/** `1.4 MB`; decimal units as apt shows them. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? String(Math.round(value)) : value.toFixed(1)} ${units[unit] ?? 'B'}`;
}

/** `4.2 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : String(Math.round(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${String(minutes)} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
  return `${String(Math.floor(minutes / 60))} h ${String(minutes % 60).padStart(2, '0')} min`;
}

type Tone = 'good' | 'bad' | 'busy' | 'idle' | 'warn';

/** Every status word of uploads, builds, hosts, generations and orders that is more than waiting. */
const TONES: Record<string, Tone> = {
  accepted: 'good',
  installed: 'good',
  live: 'good',
  done: 'good',
  sent: 'good',
  ok: 'good',
  active: 'good',
  success: 'good',
  rejected: 'bad',
  attempted: 'bad',
  refused: 'bad',
  quarantined: 'bad',
  package: 'bad',
  removed: 'bad',
  unreachable: 'bad',
  degraded: 'bad',
  verifying: 'busy',
  building: 'busy',
  built: 'busy',
  uploaded: 'busy',
  staged: 'busy',
  preparing: 'busy',
  arriving: 'busy',
  'dep-wait': 'warn',
  'given-back': 'warn',
  blocked: 'warn',
  draining: 'warn',
  warning: 'warn',
  machine: 'warn',
  passed: 'good',
  failed: 'bad',
  error: 'warn',
  running: 'busy',
};

/** A status word, coloured; the word itself says everything, colour only helps. */
export function badge(word: string): Markup {
  return html`<span class="badge ${TONES[word] ?? 'idle'}">${word}</span>`;
}
