import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../shared/config/load.ts';
import { databaseSection } from '../../shared/database/pool.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { builderSection } from '../../services/builder/config.ts';
import { dropSection } from '../../services/drop/config.ts';
import { garageSection } from '../../services/garage/config.ts';
import { repositorySection } from '../../services/repository/config.ts';
import { liveSection } from '../../services/repository/live/config.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../fixtures/configurations');
const SAMPLE = path.resolve(import.meta.dirname, '../../deploy/autobuilder.sample.yaml');
const load = () => loadConfig({ database: databaseSection, garage: garageSection });

afterEach(() => {
  delete process.env['AUTOBUILDER_CONFIG'];
});

describe('wrong configurations', () => {
  it.each(readdirSync(FIXTURES))('%s is refused with file, line and what to write', async (name) => {
    const file = path.join(FIXTURES, name);
    const expected = [...readFileSync(file, 'utf8').matchAll(/^# expect: (\d+): (.*)$/gm)];
    expect(expected.length).toBeGreaterThan(0);
    process.env['AUTOBUILDER_CONFIG'] = file;
    const error = await load().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(AppError);
    const problem = error as AppError;
    expect(problem.code).toBe('config-invalid');
    expect(problem.hint).toContain('autobuilder.sample.yaml');
    const lines = problem.message.split('\n');
    for (const [, line, text] of expected) {
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`:${line}: .*`)));
      expect(lines.find((each) => each.startsWith(`${file}:${line}: `))).toContain(text);
    }
  });

  it('a configuration that is named but not there says so', async () => {
    process.env['AUTOBUILDER_CONFIG'] = '/nonexistent/autobuilder.yaml';
    await expect(load()).rejects.toMatchObject({ code: 'config-missing' });
  });

  it('another service’s section is not looked into', async () => {
    process.env['AUTOBUILDER_CONFIG'] = path.join(FIXTURES, 'missing-secret.yaml');
    const loaded = await loadConfig({ database: databaseSection });
    expect((await loaded.common()).name).toBe('Autobuilder');
  });
});

describe('the sample configuration', () => {
  const sections = {
    ...{ garage: garageSection, drop: dropSection, builder: builderSection },
    ...{ repository: repositorySection, live: liveSection },
  };

  it('is valid, and shows the defaults', async () => {
    process.env['AUTOBUILDER_CONFIG'] = SAMPLE;
    const sample = await loadConfig({ database: databaseSection, ...sections });
    for (const [name, schema] of Object.entries(sections)) {
      expect(sample.sections[name as keyof typeof sections]).toEqual(schema.parse({}));
    }
    expect((await sample.common()).queues.map((queue) => queue.name)).toEqual(['devel', 'testing', 'stable']);
  });

  it('names every key of every section, those without a default in comments', () => {
    const text = readFileSync(SAMPLE, 'utf8');
    const missing = Object.entries(sections).flatMap(([name, schema]) =>
      Object.keys(schema.shape)
        .filter((key) => !text.includes(`${key}:`))
        .map((key) => `${name}.${key}`),
    );
    expect(missing).toEqual([]);
  });
});
