import { defineConfig } from 'vitest/config';

/** Tests against real daemons of Debian, which `.ci/run` installs; not part of `npm test`. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
