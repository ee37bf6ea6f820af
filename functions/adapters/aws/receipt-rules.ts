/**
 * Receipt rules of SES: which mail to our domains goes where. They are in the first version of its API only, whose client
 * is not among our packages, so it is asked by hand: a form goes out, XML comes back.
 *
 * @see {@link https://docs.aws.amazon.com/ses/latest/APIReference/API_ReceiptRule.html}
 */
import type { ReceiptRule, ReceiptRules } from '../../reporting/receipt-rule.ts';
import type { SignRequest } from './sign-request.ts';
import { storeUnavailable } from './store-failure.ts';

/** What AWS answers where it does not do what it is asked for; `code` is its word for why. */
export class SesError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`SES: ${code}: ${message}`);
    this.name = 'SesError';
    this.code = code;
  }
}

/** Calls an action with parameters and gives the XML of its answer. Rejects with a {@link SesError}. */
export type CallSes = (
  action: string,
  parameters?: Readonly<Record<string, string>>,
) => Promise<string>;

export interface SesCallerOptions {
  readonly region: string;
  /** For the service `ses`. */
  readonly sign: SignRequest;
  /** Default: SES in the region. */
  readonly endpoint?: string;
}

/** Makes the caller. */
export function createSesCaller({ region, sign, endpoint }: SesCallerOptions): CallSes {
  const url = new URL(endpoint ?? `https://email.${region}.amazonaws.com/`);
  return async (action, parameters = {}) => {
    const form = new URLSearchParams({ Action: action, Version: '2010-12-01', ...parameters });
    const method = 'POST';
    const body = form.toString();
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const headers = await sign({ method, url, headers: type, body });
    let answer: Response;
    try {
      const signal = AbortSignal.timeout(20_000);
      answer = await fetch(url, { method, headers, body, signal });
    } catch (error) {
      throw storeUnavailable(`${action} of SES`, error);
    }
    const xml = await answer.text();
    if (!answer.ok) {
      throw new SesError(
        elementOf(xml, 'Code') ?? String(answer.status),
        elementOf(xml, 'Message') ?? '',
      );
    }
    return xml;
  };
}

/** The text of the first element of a name; undefined where there is none. */
export function elementOf(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
}

/** The rules of the account and region. Every method rejects with a {@link SesError}. */
export function createReceiptRules(call: CallSes): ReceiptRules {
  const activeSet = async (): Promise<string | undefined> => {
    const xml = await call('DescribeActiveReceiptRuleSet');
    return elementOf(/<Metadata>.*?<\/Metadata>/s.exec(xml)?.[0] ?? '', 'Name');
  };
  return {
    activeSet,
    activate: async (set) => {
      await unless(['AlreadyExists'], () => call('CreateReceiptRuleSet', { RuleSetName: set }));
      await call('SetActiveReceiptRuleSet', { RuleSetName: set });
    },
    put: async (set, rule) => {
      const parameters = { RuleSetName: set, ...encodeRule(rule) };
      const isNew = await unless(['AlreadyExists'], () => call('CreateReceiptRule', parameters));
      if (!isNew) {
        await call('UpdateReceiptRule', parameters);
      }
    },
    remove: async (set, name) => {
      const parameters = { RuleSetName: set, RuleName: name };
      const gone = ['RuleSetDoesNotExist', 'RuleDoesNotExist'];
      await unless(gone, () => call('DeleteReceiptRule', parameters));
    },
    removeIfEmpty: async (set) => {
      const parameters = { RuleSetName: set };
      let rules = '';
      const isThere = await unless(['RuleSetDoesNotExist'], async () => {
        rules = await call('DescribeReceiptRuleSet', parameters);
      });
      if (!isThere || rules.includes('<member>')) {
        return;
      }
      if ((await activeSet()) === set) {
        // Without a name: none is active then.
        await call('SetActiveReceiptRuleSet');
      }
      await call('DeleteReceiptRuleSet', parameters);
    },
  };
}

/** False where AWS refuses for one of these reasons. */
async function unless(codes: readonly string[], doing: () => Promise<unknown>): Promise<boolean> {
  try {
    await doing();
    return true;
  } catch (error) {
    if (error instanceof SesError && codes.includes(error.code)) {
      return false;
    }
    throw error;
  }
}

function encodeRule({
  name,
  mailbox,
  bucket,
  prefix,
}: ReceiptRule): Readonly<Record<string, string>> {
  return {
    'Rule.Name': name,
    'Rule.Enabled': 'true',
    // RFC 8460 §3: reports come in spite of what they tell of, over an unencrypted channel if need be.
    'Rule.TlsPolicy': 'Optional',
    'Rule.ScanEnabled': 'false',
    'Rule.Recipients.member.1': mailbox,
    'Rule.Actions.member.1.S3Action.BucketName': bucket,
    'Rule.Actions.member.1.S3Action.ObjectKeyPrefix': prefix,
    // A rule for the whole domain that stands behind must not bounce it.
    'Rule.Actions.member.2.StopAction.Scope': 'RuleSet',
  };
}
