/** Options of `host add` and `host set`, as people type them. */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { NewHost } from '../hosts/manage.ts';

export interface HostOptions {
  slots?: string;
  architecture?: string[];
  feature?: string[];
  /** False with --no-features. */
  features?: boolean;
  minFree?: string;
  maxBuildHours?: string;
  fingerprint?: string;
  yes?: boolean;
}

/** For options that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Throws `number-invalid`. */
export function readNumber(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new AppError('number-invalid', `--${option} is a number, not '${text}'`);
}

/** What the options say about a host; only what is given. Throws `number-invalid`. */
export function hostChange(options: HostOptions): Partial<Omit<NewHost, 'name'>> {
  const { slots, architecture, feature, minFree, maxBuildHours } = options;
  const maxBuildS =
    maxBuildHours === undefined ? 0 : Math.round(readNumber(maxBuildHours, 'max-build-hours') * 3600);
  return {
    ...(slots === undefined ? {} : { slots: readNumber(slots, 'slots') }),
    ...(architecture === undefined ? {} : { architectures: architecture }),
    ...(feature === undefined ? {} : { features: feature }),
    ...(options.features === false ? { features: [] } : {}),
    ...(minFree === undefined ? {} : { minFreeBytes: Math.round(readNumber(minFree, 'min-free') * 1e9) }),
    ...(maxBuildHours === undefined ? {} : { maxBuildS: maxBuildS === 0 ? null : maxBuildS }),
  };
}
