/** A local cloud in a process of its own, for the test that kills it: `node cloud-process.ts ASSEMBLY`. */
import { startLocalCloud } from '../../../bin/local/cloud.ts';

const [, , assembly = ''] = process.argv;
const cloud = await startLocalCloud({ assembly, schedules: 'onDemand' });
const warm = await cloud.invoke('Fn', {});
void cloud.invoke('Fn', { wait: true });
process.send?.({ pid: warm.ok ? warm.result : undefined });
