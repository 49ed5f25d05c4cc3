/**
 * The stages of the line on a trivial package: what the pipeline adds around a build. All services are
 * real; the base is made before the first measured run. Times are medians in seconds.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { dput, makeInstallation, type Installation } from '../test/support/installation.ts';
import { makeSourcePackage, signChanges } from '../test/support/source-package.ts';
import { waitFor } from '../test/support/wait.ts';

/** One to warm up (base, runner on the host, caches), the others count. */
const RUNS = 6;
const RUN_TIMEOUT_MS = 600_000;

interface Times {
  sent: number;
  taken: Date;
  decided: Date;
  started: Date;
  finished: Date;
  handed: Date;
  staged: Date;
  live: Date;
  stages: Record<string, number>;
}

/** Runs the bench and returns its figures. */
export async function run(): Promise<Record<string, unknown>> {
  const line = await makeInstallation();
  try {
    await line.start();
    const uploader = await line.addAccount('uploader');
    const runs: Times[] = [];
    for (let number = 1; number <= RUNS; number += 1) {
      const version = `${String(number)}.0-1`;
      const made = await makeSourcePackage('greeter', {
        outDir: path.join(line.home.root, 'packages', version),
        version,
      });
      await signChanges(made.changes, uploader.openpgpPrivate);
      const sending = await dput(line, uploader, made.changes);
      if (sending.code !== 0) throw new Error(`dput: ${sending.stderr.toString('utf8')}`);
      const times = await timesOf(line, path.basename(made.changes));
      process.stdout.write(`run ${String(number)}: ${JSON.stringify(figures(times))}\n`);
      if (number > 1) runs.push(times);
    }
    const each = runs.map((times) => figures(times));
    const names = Object.keys(each[0] ?? {});
    return Object.fromEntries(names.map((name) => [name, median(each.map((one) => one[name] ?? 0))]));
  } finally {
    await line.dispose();
  }
}

async function timesOf(line: Installation, trigger: string): Promise<Times> {
  const row = await waitFor(
    `${trigger} in live`,
    async () => {
      const { rows } = await line.pool.query<Omit<Times, 'sent'> & { directory: string }>(
        `select u.arrived_at as taken, u.decided_at as decided, a.started_at as started, a.finished_at as finished,
                t.created_at as handed, g.staged_at as staged, g.live_at as live, a.result->'stageSeconds' as stages,
                s.directory
           from uploads u join sources s on s.upload_id = u.id join builds b on b.source_id = s.id
           join attempts a on a.build_id = b.id join repository.sets t on t.id = a.id
           join repository.generations g on g.id = t.generation_id
          where u.trigger_file = $1 and g.live_at is not null`,
        [trigger],
      );
      return rows[0];
    },
    RUN_TIMEOUT_MS,
  );
  // Renames keep the time at which drop wrote the last byte.
  const { mtimeMs } = await stat(path.join(line.home.root, row.directory, trigger));
  return { ...row, sent: mtimeMs };
}

function figures(times: Times): Record<string, number> {
  const between = (from: Date | number, to: Date): number => round((to.getTime() - Number(from)) / 1000);
  const total = between(times.sent, times.live);
  const inTarget = Object.values(times.stages).reduce((sum, seconds) => sum + seconds, 0);
  return {
    upload_to_building_s: between(times.sent, times.started),
    verify_s: between(times.taken, times.decided),
    attempt_s: between(times.started, times.finished),
    target_and_build_s: round(inTarget),
    hand_over_s: between(times.finished, times.handed),
    publish_s: between(times.handed, times.staged),
    sync_s: between(times.staged, times.live),
    pipeline_overhead_s: round(total - inTarget),
    upload_to_live_s: total,
  };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
