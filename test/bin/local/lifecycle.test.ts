import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import path from 'node:path';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createClosers } from '../../../bin/local/closers.ts';
import { startLocalCloud } from '../../../bin/local/cloud.ts';
import { pickByLogicalId } from '../../../bin/local/logical-id.ts';
import { createSlots } from '../../../bin/local/slots.ts';
import { lambda, writeAssembly } from './assembly.ts';
import { credentials } from './cloud-fixture.ts';
import { patience } from './patience.ts';

/** Gives its process id, or does not end. */
const source = {
  code: `export const handler = async (event) => {
    console.log(process.pid);
    if (event.wait || event.Records) await new Promise(() => setInterval(() => {}, 1000));
    return process.pid;
  };`,
};

const resources = {
  Mail: { Type: 'AWS::SQS::Queue' },
  Fn: lambda('code', { Timeout: 60 }),
  Mapping: {
    Type: 'AWS::Lambda::EventSourceMapping',
    Properties: {
      EventSourceArn: { 'Fn::GetAtt': ['Mail', 'Arn'] },
      FunctionName: { Ref: 'Fn' },
    },
  },
  Url: {
    Type: 'AWS::Lambda::Url',
    Properties: { TargetFunctionArn: { 'Fn::GetAtt': ['Fn', 'Arn'] }, AuthType: 'NONE' },
  },
  Tick: {
    Type: 'AWS::Events::Rule',
    Properties: {
      ScheduleExpression: 'rate(1 minute)',
      Targets: [{ Arn: { 'Fn::GetAtt': ['Fn', 'Arn'] } }],
    },
  },
};

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: there is no such process.
    return false;
  }
}

async function isOpen(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.destroy();
      resolve(true);
    }).once('error', () => resolve(false));
  });
}

test('stop kills what runs and closes what listens', async () => {
  const assembly = await writeAssembly({ S: { template: { Resources: resources } } }, source);
  const cloud = await startLocalCloud({ assembly });
  const client = new SQSClient({ endpoint: cloud.endpoints.sqs, region: 'eu-west-1', credentials });
  await client.send(
    new SendMessageCommand({ QueueUrl: cloud.physicalId('Mail'), MessageBody: 'x' }),
  );
  client.destroy();
  const waiting = cloud.invoke('Fn', { wait: true });
  const pids = await vi.waitFor(() => {
    const found = cloud.events.flatMap((event) => (event.kind === 'log' ? [event.line] : []));
    expect(found).toHaveLength(2);
    return found;
  }, patience);
  const doors = [...Object.values(cloud.endpoints), cloud.url('Url')];
  expect(await Promise.all(doors.map(isOpen))).not.toContain(false);

  await Promise.all([cloud.stop(), cloud.stop()]);
  expect(await waiting).toMatchObject({ ok: false, error: { errorType: 'Runtime.ExitError' } });
  expect(pids.map((pid) => isRunning(Number(pid)))).toEqual([false, false]);
  expect(await Promise.all(doors.map(isOpen))).not.toContain(true);
  // What the batch held was not deleted.
  expect(cloud.events).toContainEqual(
    expect.objectContaining({ kind: 'batch', deleted: [], returned: [expect.any(String)] }),
  );
  expect(await cloud.invoke('Fn', {})).toMatchObject({ ok: false });
});

test('a cloud that cannot start leaves nothing behind', async () => {
  const assembly = await writeAssembly(
    { S: { template: { Resources: { ...resources, Bad: { Type: 'AWS::DynamoDB::Table' } } } } },
    source,
  );
  const servers = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap').length;
  const before = servers();
  await expect(startLocalCloud({ assembly })).rejects.toThrow(/S\/Bad/);
  // Node forgets a closed handle a turn later.
  await vi.waitFor(() => expect(servers()).toBe(before), patience);
});

test('functions end when the process of the cloud is killed', async () => {
  const assembly = await writeAssembly({ S: { template: { Resources: resources } } }, source);
  const parent = fork(path.join(import.meta.dirname, 'cloud-process.ts'), [assembly]);
  onTestFinished(() => void parent.kill('SIGKILL'));
  const [message] = await once(parent, 'message');
  const { pid } = message as { readonly pid: number };
  expect(isRunning(pid)).toBe(true);
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), patience);
});

test('closers run once, in reverse, and all of them', async () => {
  const closed: number[] = [];
  const closers = createClosers();
  closers.add(() => void closed.push(1));
  closers.add(() => {
    throw new Error('two');
  });
  closers.add(async () => void closed.push(await Promise.resolve(3)));
  await expect(closers.closeAll()).rejects.toThrow('two');
  await expect(closers.closeAll()).rejects.toThrow('two');
  expect(closed).toEqual([3, 1]);
});

test('slots are handed out in order', async () => {
  const slots = createSlots(1);
  const order: string[] = [];
  await slots.take();
  const second = slots.take().then(() => order.push('second'));
  const third = slots.take().then(() => order.push('third'));
  await Promise.resolve();
  expect(order).toEqual([]);
  slots.give();
  await second;
  expect(order).toEqual(['second']);
  slots.give();
  await third;
  slots.give();
  await slots.take();
});

test.each<[string, string | RegExp]>([
  ['DeliveryQueue', 'DeliveryQueue0A1B2C3D'],
  ['DeliveryQueuePolicy', 'DeliveryQueuePolicy99999999'],
  ['Exact', 'Exact'],
  ['Delivery', /Delivery may be any resource of DeliveryQueue0A1B2C3D, /],
  ['Nothing', /there is no resource Nothing, only /],
])('the logical id %s picks %s', (logicalId, expected) => {
  const items = [
    'DeliveryQueue0A1B2C3D',
    'DeliveryQueuePolicy99999999',
    'Exact',
    'Exact00000000',
  ].map((id) => ({ logicalId: id }));
  const pick = (): string => pickByLogicalId(items, logicalId, 'resource').logicalId;
  if (typeof expected === 'string') {
    expect(pick()).toBe(expected);
  } else {
    expect(pick).toThrow(expected);
  }
});
