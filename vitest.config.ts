import { defineConfig } from 'vitest/config';

const common = {
  environment: 'node',
  exclude: ['**/node_modules/**', 'var/**'],
  globalSetup: ['test/support/global-setup.ts'],
  // Tests start real children and change the environment: a process for each file.
  pool: 'forks' as const,
  // A real part that starts on a busy machine of two cores; what takes longer says so itself. In the long form
  // whatever is random is tried a hundred times as often.
  testTimeout: process.env['AUTOBUILDER_LONG'] ? 30 * 60_000 : 60_000,
  hookTimeout: 120_000,
};

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        // One part at a time, of which most wait for a child, a disk or a database: two files keep two cores busy.
        test: {
          ...common,
          name: 'parts',
          include: ['{services,shared,deploy}/**/*.test.ts', 'test/{tidy,integration,support}/**/*.test.ts'],
          // Builds take a core for themselves.
          exclude: [...common.exclude, 'test/integration/{runner,checks,dispatch-real}*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Whole installations, real builds and deadlines of their own: one after the other.
        test: {
          ...common,
          name: 'whole',
          include: [
            'test/{e2e,chaos,compat}/**/*.test.ts',
            'test/integration/{runner,checks,dispatch-real}*.test.ts',
          ],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
