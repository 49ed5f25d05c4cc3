import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    include: ['{services,shared,test,deploy}/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'var/**'],
    globalSetup: ['test/support/global-setup.ts'],
    // Tests start real children and change the environment: a process for each file.
    pool: 'forks',
    // A real part that starts on a busy machine of two cores; what takes longer says so itself.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default'],
  },
});
