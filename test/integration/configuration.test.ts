import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../shared/config/load.ts';
import { databaseSection } from '../../shared/database/pool.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { garageSection } from '../../services/garage/config.ts';

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
  it('is valid, and shows the defaults', async () => {
    process.env['AUTOBUILDER_CONFIG'] = SAMPLE;
    const sample = await load();
    expect(sample.sections.garage).toEqual(garageSection.parse({}));
    expect((await sample.common()).queues.map((queue) => queue.name)).toEqual(['devel', 'testing', 'stable']);
  });
});
