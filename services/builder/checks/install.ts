/**
 * Check `install`: everything that was built installs in a clean system. All at once first, which is quick; where
 * that does not work (packages may conflict by design) each by itself in a system of its own, with the others
 * at hand for what it depends on.
 */
import type { CheckJob } from '../../../shared/protocol/job.ts';
import { install, installFresh, updateAll, updateOwn, useLocalPackages, type InstallFailure } from './apt.ts';
import { pathOf, type CheckRoom } from './room.ts';
import { failed, passed, reportOf, type Verdict } from './verdict.ts';

function isDeb(name: string): boolean {
  return name.endsWith('.deb');
}

/** Packages that people install: no udebs, which only the installer takes, and no debug symbols. */
export function installable(job: Pick<CheckJob, 'packages'>): string[] {
  return job.packages.filter((name) => isDeb(name) && !/-dbgsym_[^_]*_[^_]*$/.test(name));
}

interface Failure extends InstallFailure {
  name: string;
}

async function eachAlone(room: CheckRoom, names: string[]): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const name of names) {
    const target = await room.open();
    await useLocalPackages(target);
    await updateAll(target);
    const failure = await installFresh(target, [pathOf(name)]);
    if (failure !== null) failures.push({ ...failure, name });
  }
  return failures;
}

function countOf(names: string[]): string {
  return names.length === 1 ? 'It installs' : `All ${names.length} packages install`;
}

function verdictOf(failures: Failure[], names: string[]): Verdict {
  if (failures.length === 0) return passed(`${countOf(names)}, each in a system of its own`);
  const lines = failures.map(({ name, line }) => {
    const label = `${name.split('_')[0] ?? name}: `;
    return line.startsWith(label) ? line : label + line;
  });
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : '';
  const note = `Does not install: ${lines[0] ?? ''}${more}`;
  if (failures.some((failure) => failure.kind !== 'unmet')) return failed(note, lines);
  const missing = [...new Set(failures.flatMap((failure) => failure.missing))];
  return { kind: 'unmet', report: reportOf(note, lines), missing };
}

export async function checkInstall(job: CheckJob, room: CheckRoom): Promise<Verdict> {
  const names = installable(job);
  const target = await room.open();
  await updateOwn(target);
  const failure = await install(target, names.map(pathOf));
  if (failure === null) return passed(countOf(names));
  const hasOthers = job.files.some(({ name }) => isDeb(name) && !job.packages.includes(name));
  if (names.length === 1 && !hasOthers) return verdictOf([{ ...failure, name: names[0] ?? '' }], names);
  return verdictOf(await eachAlone(room, names), names);
}
