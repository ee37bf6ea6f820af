/** One world in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type { WorldOptions } from './run-worlds.ts';
import { simulate } from './simulate.ts';

parentPort?.postMessage(await simulate(workerData as WorldOptions));
