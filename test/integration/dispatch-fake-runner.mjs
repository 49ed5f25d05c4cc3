/**
 * A stand-in for the runner: real processes, real files, and states that a test steers, but nothing is built.
 * It does what the source's name says (see `ENDS`), writes numbered lines until the file
 * `<workdir>/open-<source>` is there, and never forgets where it is. A check waits for `open-<source>-<check>`, which holds its result as JSON
 * if it is to be another than a success.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import {
  closeSync,
  openSync,
  readSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

const [command, folder, offset] = process.argv.slice(2);
const at = (name) => path.join(folder, name);
const workdir = path.resolve(folder, '../../..');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const read = (name) => JSON.parse(readFileSync(at(name), 'utf8'));
const stage = () => (existsSync(at('status.json')) ? read('status.json').stage : null);

function write(name, value) {
  writeFileSync(at(`${name}.new`), JSON.stringify(value));
  renameSync(at(`${name}.new`), at(name));
}

const enter = (name) =>
  write('status.json', { version: 1, stage: name, since: new Date().toISOString(), pid: process.pid });

function entry(name) {
  const bytes = readFileSync(at(`results/${name}`));
  return { name, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function changes(job, names, { version = job.sourceVersion, architecture = job.base.architecture } = {}) {
  const sums = (algorithm, extra) =>
    names.map((name) => {
      const bytes = readFileSync(at(`results/${name}`));
      const sum = createHash(algorithm).update(bytes).digest('hex');
      return ` ${sum} ${bytes.length} ${extra}${name}`;
    });
  const lines = [
    'Format: 1.8',
    'Date: Mon, 01 Jan 2024 00:00:00 +0000',
    `Source: ${job.source}`,
    `Binary: ${job.source}`,
    `Architecture: ${architecture}`,
    `Version: ${version}`,
    'Distribution: bookworm',
    'Urgency: medium',
    'Maintainer: Package Tester <tester@example.org>',
    'Changes:',
    ` ${job.source} (${version}) bookworm; urgency=medium`,
    ...['Checksums-Sha1:', ...sums('sha1', '')],
    ...['Checksums-Sha256:', ...sums('sha256', '')],
    ...['Files:', ...sums('md5', 'misc optional ')],
  ];
  return `${lines.join('\n')}\n`;
}

/** Writes results as a good host would; `how` bends the .changes. */
function build(job, how) {
  mkdirSync(at('results'), { recursive: true });
  const stem = `${job.source}_${job.sourceVersion}_${job.base.architecture}`;
  writeFileSync(at(`results/${stem}.deb`), `the package of ${job.source}\n`.repeat(20_000));
  writeFileSync(at(`results/${stem}.buildinfo`), 'Format: 1.0\n');
  writeFileSync(at(`results/${stem}.changes`), changes(job, [`${stem}.deb`, `${stem}.buildinfo`], how));
  return ['changes', 'buildinfo', 'deb'].map((ending) => entry(`${stem}.${ending}`));
}

const good = (job, how) => ({ exitClass: 'success', stage: 'done', message: '', files: build(job, how) });
const deb = (result) => at(`results/${result.files[2].name}`);

/** A host with a file of this name builds well whatever the source is called. */
const isHonest = () => existsSync(path.join(workdir, 'honest'));

const ENDS = {
  fails: () => ({ exitClass: 'package', stage: 'build', message: 'make: *** [all] Error 2' }),
  waits: () => ({ exitClass: 'dep-wait', stage: 'setup', message: 'no', missing: ['libnone-dev (>= 2)'] }),
  breaks: () => ({ exitClass: 'machine', stage: 'prep', message: 'The disk is full' }),
  'wrong-sum': (job) => {
    const result = good(job);
    writeFileSync(deb(result), readFileSync(deb(result)).fill(0, 0, 1));
    return result;
  },
  'sends-link': (job) => {
    const result = good(job);
    renameSync(deb(result), at('elsewhere'));
    symlinkSync(at('elsewhere'), deb(result));
    return result;
  },
  'missing-file': (job) => {
    const result = good(job);
    rmSync(deb(result));
    return result;
  },
  'bad-name': (job) => {
    const result = good(job);
    result.files[2].name = '../../../escaped.deb';
    return result;
  },
  'other-version': (job) => good(job, { version: '99' }),
  'other-architecture': (job) => good(job, { architecture: 'arm64' }),
  'other-attempt': (job) => ({ ...good(job), attempt: '00000000-0000-4000-8000-000000000000' }),
};

/** What earlier attempts left in this slot goes, as the real runner has it. */
function removeLeftovers(job) {
  const instance = path.dirname(folder);
  for (const name of readdirSync(instance)) {
    const other = path.join(instance, name, 'job.json');
    if (name === path.basename(folder) || !existsSync(other)) continue;
    if (JSON.parse(readFileSync(other, 'utf8')).slot === job.slot)
      rmSync(path.dirname(other), { recursive: true, force: true });
  }
}

/** What the test says of this check. */
function check(open) {
  const said = existsSync(open) ? readFileSync(open, 'utf8') : '';
  const well = { exitClass: 'success', stage: 'done', message: '', check: { note: 'It is well', lines: [] } };
  return said === '' ? well : { stage: 'build', message: '', ...JSON.parse(said) };
}

async function run() {
  const job = read('job.json');
  const startedAt = new Date().toISOString();
  removeLeftovers(job);
  enter('build');
  // Sparse: it takes no room here, and would there.
  if (job.source === 'huge-log' && !isHonest()) {
    writeFileSync(at('build.log'), '');
    truncateSync(at('build.log'), 10 * 2 ** 30);
  }
  const what = job.kind === 'check' ? `${job.source}-${job.check}` : job.source;
  const open = path.join(workdir, `open-${what}`);
  // A test that broke off leaves nothing running for longer than this many milliseconds.
  for (let line = 1; line < 60_000 && !existsSync(open) && !existsSync(at('cancelled')); line += 1) {
    appendFileSync(at('build.log'), `line ${line} of ${what}\n`);
    await sleep(1);
  }
  appendFileSync(at('build.log'), 'the end\n');
  const end = existsSync(at('cancelled'))
    ? { exitClass: 'cancelled', stage: 'build', message: 'cancelled' }
    : job.kind === 'check'
      ? check(open)
      : ((isHonest() ? undefined : ENDS[job.source]) ?? good)(job);
  write('result.json', {
    ...{ version: 1, attempt: job.attempt, missing: [], driver: 'overlay', stageSeconds: { build: 1 } },
    ...{ startedAt, finishedAt: new Date().toISOString(), files: [] },
    ...end,
  });
  enter('done');
}

async function start() {
  if (stage() !== null) return;
  appendFileSync(path.join(workdir, 'starts'), `${path.basename(folder)}\n`);
  spawn(process.execPath, [process.argv[1], 'run', folder], { detached: true, stdio: 'ignore' }).unref();
  while (stage() === null) await sleep(5);
}

async function follow() {
  const buffer = Buffer.alloc(4096);
  for (let position = Number(offset); ;) {
    const done = stage() === 'done';
    const size = existsSync(at('build.log')) ? statSync(at('build.log')).size : 0;
    while (position < size) {
      const file = openSync(at('build.log'), 'r');
      const count = readSync(file, buffer, 0, Math.min(buffer.length, size - position), position);
      closeSync(file);
      position += count;
      await new Promise((resolve) => process.stdout.write(Buffer.from(buffer.subarray(0, count)), resolve));
    }
    if (done) return;
    await sleep(5);
  }
}

function probe() {
  const answer = { version: 1, nodejs: process.versions.node, kernel: '6', architecture: 'amd64' };
  const more = {
    userNamespaces: true,
    overlay: true,
    missingPackages: [],
    freeBytes: 1e9,
    clockMs: Date.now(),
  };
  const lacks = path.join(folder, 'lacks');
  if (existsSync(lacks)) more.missingPackages = readFileSync(lacks, 'utf8').split(' ');
  console.log(JSON.stringify({ ...answer, ...more }));
}

const COMMANDS = {
  start,
  run,
  follow,
  probe,
  cancel: () => writeFileSync(at('cancelled'), ''),
  remove: () => {
    // A test may look at what the host had.
    if (existsSync(at('build.log')))
      renameSync(at('build.log'), path.join(workdir, `log-${path.basename(folder)}`));
    rmSync(folder, { recursive: true, force: true });
    // Noted last: a full disk has room again once the attempt is gone, as the real runner removes without writing.
    appendFileSync(path.join(workdir, 'removes'), `${path.basename(folder)}\n`);
  },
};
process.stdout.on('error', () => process.exit(1));
await COMMANDS[command]();
