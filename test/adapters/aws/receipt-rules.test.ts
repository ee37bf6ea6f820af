/** The receipt rule of SES: the requests, and what is done where. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  createReceiptRules,
  createSesCaller,
  SesError,
} from '../../../functions/adapters/aws/receipt-rules.ts';
import { instrumentHandler } from '../../../functions/handlers/middleware.ts';
import { receiptRuleHandler } from '../../../functions/handlers/receipt-rule.ts';
import { captureOutput, lambdaContext } from '../../handlers/lambda-context.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** SES as far as rules go. */
class FakeSes {
  active: string | undefined;
  readonly sets = new Map<string, string[]>();
  readonly calls: string[] = [];

  answer(form: URLSearchParams): string {
    const action = form.get('Action') ?? '';
    const set = form.get('RuleSetName') ?? undefined;
    this.calls.push(action);
    const rules = this.sets.get(set ?? '');
    switch (action) {
      case 'DescribeActiveReceiptRuleSet':
        return this.active === undefined
          ? '<R/>'
          : `<R><Metadata><Name>${this.active}</Name></Metadata><Rules><member><Name>other</Name></member></Rules></R>`;
      case 'CreateReceiptRuleSet':
        this.refuse(rules !== undefined, 'AlreadyExists');
        this.sets.set(set ?? '', []);
        return '<R/>';
      case 'SetActiveReceiptRuleSet':
        this.active = set;
        return '<R/>';
      case 'CreateReceiptRule':
        this.refuse(rules === undefined, 'RuleSetDoesNotExist');
        this.refuse(rules?.includes(form.get('Rule.Name') ?? '') === true, 'AlreadyExists');
        rules?.unshift(form.get('Rule.Name') ?? '');
        return '<R/>';
      case 'DeleteReceiptRule':
        this.refuse(rules === undefined, 'RuleSetDoesNotExist');
        this.sets.set(set ?? '', rules?.filter((name) => name !== form.get('RuleName')) ?? []);
        return '<R/>';
      case 'DescribeReceiptRuleSet':
        this.refuse(rules === undefined, 'RuleSetDoesNotExist');
        return `<R><Rules>${rules?.map((name) => `<member><Name>${name}</Name></member>`).join('')}</Rules></R>`;
      case 'DeleteReceiptRuleSet':
        this.refuse(this.active === set, 'CannotDelete');
        this.sets.delete(set ?? '');
        return '<R/>';
      default:
        return '<R/>';
    }
  }

  refuse(holds: boolean, code: string): void {
    if (holds) {
      throw new SesError(code, 'no');
    }
  }
}

const rule = { name: 'sealpost', mailbox: 'r@t.example', bucket: 'b', prefix: 'received/mail/' };

/** Runs a request of CloudFormation; gives what it is answered. */
async function ask(
  ses: FakeSes,
  type: string,
  physicalId?: string,
): Promise<{
  readonly Status: string;
  readonly PhysicalResourceId: string;
  readonly Reason?: string;
}> {
  captureOutput();
  const answers: string[] = [];
  const rules = createReceiptRules(async (action, parameters = {}) =>
    ses.answer(new URLSearchParams({ Action: action, ...parameters })),
  );
  const handle = instrumentHandler('receipt-rule', (instruments) =>
    receiptRuleHandler(
      { rules, answer: async (_url, body) => void answers.push(body) },
      instruments,
    ),
  );
  await handle(
    {
      RequestType: type,
      ResponseURL: 'https://cloudformation.example/answer',
      StackId: 'stack',
      RequestId: 'request',
      LogicalResourceId: 'Rule',
      ...(physicalId !== undefined && { PhysicalResourceId: physicalId }),
      ResourceProperties: { ServiceToken: 'arn', ...rule },
    },
    lambdaContext(),
  );
  expect(answers.length).toBe(1);
  return JSON.parse(answers[0] ?? '');
}

describe('the rule', () => {
  test('goes into the set that is active, and leaves it as it was', async () => {
    const ses = new FakeSes();
    ses.active = 'theirs';
    ses.sets.set('theirs', ['other']);
    expect(await ask(ses, 'Create')).toMatchObject({
      Status: 'SUCCESS',
      PhysicalResourceId: 'theirs/sealpost',
      StackId: 'stack',
      RequestId: 'request',
      LogicalResourceId: 'Rule',
    });
    // Before rules that would take or bounce its mail.
    expect(ses.sets.get('theirs')).toEqual(['sealpost', 'other']);
    expect(ses.calls).not.toContain('SetActiveReceiptRuleSet');
    await ask(ses, 'Delete', 'theirs/sealpost');
    expect(ses.sets.get('theirs')).toEqual(['other']);
    expect(ses.active).toBe('theirs');
  });

  test('has a set of its own where none is active, which goes with it', async () => {
    const ses = new FakeSes();
    expect(await ask(ses, 'Create')).toMatchObject({ PhysicalResourceId: 'sealpost/sealpost' });
    expect(ses.active).toBe('sealpost');
    await ask(ses, 'Delete', 'sealpost/sealpost');
    expect(ses.active).toBeUndefined();
    expect(ses.sets.size).toBe(0);
  });

  test('leaves its own set where somebody put another rule into it', async () => {
    const ses = new FakeSes();
    await ask(ses, 'Create');
    ses.sets.get('sealpost')?.push('other');
    await ask(ses, 'Delete', 'sealpost/sealpost');
    expect(ses.active).toBe('sealpost');
    expect(ses.sets.get('sealpost')).toEqual(['other']);
  });

  test('is gone where somebody took the set away, and the stack may go too', async () => {
    const ses = new FakeSes();
    await ask(ses, 'Create');
    ses.active = undefined;
    ses.sets.clear();
    expect(await ask(ses, 'Delete', 'sealpost/sealpost')).toMatchObject({ Status: 'SUCCESS' });
  });

  test('is made again in its place, and moves to the set that is active by now', async () => {
    const ses = new FakeSes();
    await ask(ses, 'Create');
    expect(await ask(ses, 'Update', 'sealpost/sealpost')).toMatchObject({
      PhysicalResourceId: 'sealpost/sealpost',
    });
    expect(ses.calls).toContain('UpdateReceiptRule');
    ses.active = 'theirs';
    ses.sets.set('theirs', []);
    expect(await ask(ses, 'Update', 'sealpost/sealpost')).toMatchObject({
      PhysicalResourceId: 'theirs/sealpost',
    });
  });

  test('that could not be made says why, and is not taken away then', async () => {
    const ses = new FakeSes();
    ses.active = 'gone';
    expect(await ask(ses, 'Create')).toMatchObject({
      Status: 'FAILED',
      PhysicalResourceId: 'none/none',
      Reason: 'SES: RuleSetDoesNotExist: no',
    });
    expect(await ask(ses, 'Delete', 'none/none')).toMatchObject({ Status: 'SUCCESS' });
    expect(ses.calls).not.toContain('DeleteReceiptRule');
    expect(await ask(ses, 'Delete', 'gone/sealpost')).toMatchObject({ Status: 'SUCCESS' });
  });
});

describe('SES over HTTP', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
  });

  async function serve(status: number, xml: string): Promise<{ url: string; bodies: string[] }> {
    const bodies: string[] = [];
    const listening = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        bodies.push(`${request.headers.authorization?.slice(0, 16)} ${body}`);
        response.writeHead(status).end(xml);
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}/`, bodies };
  }
  const caller = (endpoint: string): ReturnType<typeof createSesCaller> =>
    createSesCaller({
      region: 'eu-west-1',
      sign: async ({ headers }) => ({ ...headers, authorization: 'AWS4-HMAC-SHA256' }),
      endpoint,
    });

  test('asks by a signed form; reports may come without TLS (RFC 8460 §3)', async () => {
    const { url, bodies } = await serve(200, '<R/>');
    await createReceiptRules(caller(url)).put('set', rule);
    expect(bodies.length).toBe(1);
    const [, form = ''] = /^AWS4-HMAC-SHA256 (.*)$/.exec(bodies[0] ?? '') ?? [];
    expect(Object.fromEntries(new URLSearchParams(form))).toMatchObject({
      Action: 'CreateReceiptRule',
      Version: '2010-12-01',
      RuleSetName: 'set',
      'Rule.TlsPolicy': 'Optional',
      'Rule.Recipients.member.1': 'r@t.example',
      'Rule.Actions.member.1.S3Action.BucketName': 'b',
      'Rule.Actions.member.1.S3Action.ObjectKeyPrefix': 'received/mail/',
    });
  });

  test('gives the word of AWS for a refusal', async () => {
    const { url } = await serve(
      400,
      '<E><Code>InvalidS3Configuration</Code><Message>no</Message></E>',
    );
    await expect(caller(url)('CreateReceiptRule')).rejects.toMatchObject({
      code: 'InvalidS3Configuration',
    });
  });
});
