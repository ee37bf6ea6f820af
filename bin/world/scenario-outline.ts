/** Short hand for scenarios of one domain: host names, addresses, policies and expectations follow from a few words. */
import type { FailureCode } from '../../functions/protocol/errors.ts';
import type { ResultType } from '../../functions/protocol/tlsrpt/result-type.ts';
import type { MxBehaviour } from './mx-behaviour.ts';
import type { PolicyHostBehaviour } from './policy-host.ts';
import type {
  ExpectedMx,
  PreludeStep,
  RecipientOutcome,
  Scenario,
  ScenarioMessage,
  ScenarioSettings,
} from './scenario.ts';
import type { FaultDefinition } from './world.ts';
import type { TlsaOfHost, WorldRecord, ZoneDefinition } from './world-zones.ts';

/** A message from `alice@sender.example`. */
export interface MessageOutline {
  /** Local parts at the scenario's domain, or whole addresses; default `user`. */
  readonly to?: readonly string[];
  readonly from?: string;
  /** Header lines ahead of the others. */
  readonly header?: readonly string[];
  readonly body?: string;
  readonly recipients?: ScenarioMessage['rcptTo'];
  readonly requireTls?: boolean;
  readonly smtpUtf8?: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
}

/** What the domain publishes by RFC 8461. */
export interface PolicyOutline {
  /** Default `enforce`. */
  readonly mode?: 'enforce' | 'testing' | 'none';
  /** Host names or patterns; default: all MX hosts of the outline. */
  readonly mx?: readonly string[];
  readonly host?: Partial<PolicyHostBehaviour>;
  /** The TXT record's strings at `_mta-sts`; default one good record. */
  readonly txt?: readonly string[];
}

/** A TLSA record: usage, selector, matching type, and what it is about; default: the certificate that the host shows. */
export type TlsaOutline = readonly [
  usage: number,
  selector: number,
  matchingType: number,
  about?: TlsaOfHost['about'],
];

/** What must come of a scenario, with hosts by their first label. */
export interface ExpectationOutline {
  /** Local part or address -> outcome and status; default: `user` is delivered. */
  readonly to?: Readonly<Record<string, Outcome>>;
  readonly codes?: readonly FailureCode[];
  readonly resultTypes?: readonly ResultType[];
  /** Hosts that are not named must record no transaction. Without `messages`: one. */
  readonly mx?: Readonly<
    Record<string, Partial<Omit<ExpectedMx, 'host' | 'recipients'>> & MxRecipients>
  >;
}

interface MxRecipients {
  /** Local parts. */
  readonly recipients?: readonly string[];
}

/** What becomes of a recipient, and its enhanced status code. */
export type Outcome = readonly [RecipientOutcome['outcome'], string];

/** A scenario in a few words. */
export interface ScenarioOutline {
  readonly name: string;
  readonly title: string;
  readonly tour?: true;
  /** First label -> behaviour, in order of preference; `@` is the domain itself, without an MX record. */
  readonly mx?: Readonly<Record<string, MxBehaviour>>;
  readonly policy?: PolicyOutline;
  /** Records beside those that follow from the above; or in their place, with `recordsOnly`. */
  readonly records?: readonly WorldRecord[];
  readonly recordsOnly?: true;
  /** How the domain's zone is signed; default: not at all. */
  readonly signed?: ZoneDefinition['signed'];
  /** TLSA records of the hosts, by first label. */
  readonly tlsa?: Readonly<Record<string, readonly TlsaOutline[]>>;
  /** Zones beside the domain's own. */
  readonly zones?: readonly ZoneDefinition[];
  readonly faults?: readonly FaultDefinition[];
  readonly prelude?: readonly PreludeStep[];
  readonly messages?: readonly MessageOutline[];
  readonly attemptMs?: number;
  readonly settings?: ScenarioSettings;
  readonly expected: ExpectationOutline;
}

/** Taken over by the peer. */
export const delivered: Outcome = ['delivered', '2.0.0'];

/** To be tried again; a status of class 4. */
export function deferred(status: string): Outcome {
  return ['deferred', status];
}

/** Back to the sender; a status of class 5. */
export function failed(status: string): Outcome {
  return ['failed', status];
}

/** STARTTLS taken out on the way, as some firewalls do: the keyword is overwritten and the command unknown. */
export const starttlsStripped: MxBehaviour = { startTls: 'absent', ehloLines: ['XXXXXXXA'] };

/** The domain of the scenario with this name. */
export function domainOf(scenario: string): string {
  return `${scenario}.example`;
}

/** A name of a scenario's zone: `at('enforce-valid', 'mx1')`. */
export function at(scenario: string, label: string): string {
  return label === '@' ? domainOf(scenario) : `${label}.${domainOf(scenario)}`;
}

/** Draws a scenario out. */
export function drawScenario(outline: ScenarioOutline): Scenario {
  const { name, title, mx = {}, policy, faults = [], prelude = [] } = outline;
  const domain = domainOf(name);
  const messages = (outline.messages ?? [{}]).map((message) => drawMessage(name, message));
  return {
    name,
    title,
    tour: outline.tour === true,
    world: {
      zones: [drawZone(outline), ...(outline.zones ?? [])],
      faults,
      mxHosts: Object.entries(mx).map(([label, behaviour]) => ({
        name: at(name, label),
        behaviour,
      })),
      policyHosts:
        policy === undefined
          ? []
          : [{ domain, behaviour: { text: drawPolicy(outline, policy), ...policy.host } }],
    },
    prelude,
    messages,
    ...(outline.attemptMs === undefined ? {} : { attemptMs: outline.attemptMs }),
    ...(outline.settings === undefined ? {} : { settings: outline.settings }),
    expected: drawExpected(outline, messages),
  };
}

function drawZone(outline: ScenarioOutline): ZoneDefinition {
  const { name, signed } = outline;
  const records = drawRecords(outline);
  return { origin: domainOf(name), records, ...(signed === undefined ? {} : { signed }) };
}

function drawRecords(outline: ScenarioOutline): readonly WorldRecord[] {
  const { name, mx = {}, policy, tlsa = {}, records = [] } = outline;
  if (outline.recordsOnly === true) {
    return records;
  }
  const exchanges = Object.keys(mx)
    .filter((label) => label !== '@')
    .map((label, index) => ({
      name: domainOf(name),
      type: 'MX' as const,
      preference: 10 * (index + 1),
      exchange: at(name, label),
    }));
  const texts = policy === undefined ? [] : (policy.txt ?? ['v=STSv1; id=1;']);
  return [
    ...exchanges,
    ...texts.map((data) => ({ name: at(name, '_mta-sts'), type: 'TXT' as const, data })),
    ...Object.entries(tlsa).flatMap(([label, outlines]) =>
      outlines.map((one) => drawTlsa(at(name, label), one)),
    ),
    ...records,
  ];
}

/** A TLSA record of `name`, about the certificate of `host`; default: of `name`. */
export function drawTlsa(
  name: string,
  [usage, selector, matchingType, about = 'leaf']: TlsaOutline,
  host: string = name,
): TlsaOfHost {
  return { name, type: 'TLSA', usage, selector, matchingType, about, host };
}

function drawPolicy({ name, mx = {} }: ScenarioOutline, policy: PolicyOutline): string {
  const hosts = policy.mx ?? Object.keys(mx).map((label) => at(name, label));
  return formatPolicy(policy.mode ?? 'enforce', hosts);
}

/** A policy's text by RFC 8461 §3.2. */
export function formatPolicy(
  mode: 'enforce' | 'testing' | 'none',
  mx: readonly string[],
  maxAgeSeconds = 604_800,
): string {
  const lines = ['version: STSv1', `mode: ${mode}`, ...mx.map((host) => `mx: ${host}`)];
  return [...lines, `max_age: ${maxAgeSeconds}`, ''].join('\r\n');
}

/** A message of the scenario, also for its prelude. */
export function drawMessage(name: string, message: MessageOutline): ScenarioMessage {
  const { to = ['user'], from = 'alice@sender.example', header = [] } = message;
  const addresses = to.map((one) => addressAt(name, one));
  const lines = [
    ...header,
    `From: Alice <alice@sender.example>`,
    `To: ${addresses.join(', ')}`,
    `Subject: ${name}`,
    'Date: Tue, 24 Nov 2026 12:00:00 +0000',
    `Message-ID: <${name}@sender.example>`,
    '',
    message.body ?? `This is the message of the scenario ${name}.\r\n.\r\nA dot stood alone above.`,
    '',
  ];
  const { requireTls, smtpUtf8, ret, envid } = message;
  return {
    mailFrom: from,
    rcptTo: message.recipients ?? addresses.map((address) => ({ address })),
    ...(requireTls === undefined ? {} : { requireTls }),
    ...(smtpUtf8 === undefined ? {} : { smtpUtf8 }),
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
    content: { data: Buffer.from(lines.join('\r\n')).toString('base64') },
  };
}

function addressAt(name: string, to: string): string {
  return to.includes('@') ? to : `${to}@${domainOf(name)}`;
}

function drawExpected(
  { name, mx = {}, expected }: ScenarioOutline,
  messages: readonly ScenarioMessage[],
): Scenario['expected'] {
  const contents = messages.map(({ content }) => content.data);
  const { to = { user: delivered }, codes = [], resultTypes } = expected;
  return {
    recipients: Object.entries(to).map(([address, [outcome, status]]) => ({
      address: addressAt(name, address),
      outcome,
      status,
    })),
    codes,
    ...(resultTypes === undefined ? {} : { resultTypes }),
    mx: Object.keys(mx).map((label) => {
      const outlined = expected.mx?.[label];
      const {
        messages: count = outlined === undefined ? 0 : 1,
        recipients,
        ...rest
      } = outlined ?? {};
      return {
        host: at(name, label),
        messages: count,
        ...(count === contents.length ? { contents } : {}),
        ...(recipients && { recipients: recipients.map((one) => addressAt(name, one)) }),
        ...rest,
      };
    }),
  };
}
