import { expect, test } from 'vitest';
import { startLocalCloud } from '../../../bin/local/cloud.ts';
import { lambda, writeAssembly } from './assembly.ts';

test('a function runs with the environment of its template and nothing else', async () => {
  const assembly = await writeAssembly(
    {
      S: {
        template: { Resources: { Echo: lambda('h', { Environment: { Variables: { A: 'b' } } }) } },
      },
    },
    { h: 'export const handler = async (event) => ({ event, env: process.env });' },
  );
  const cloud = await startLocalCloud({ assembly, onEvent: console.log });
  try {
    console.log(await cloud.invoke('Echo', { x: 1 }));
  } finally {
    await cloud.stop();
  }
  expect(1).toBe(1);
});
