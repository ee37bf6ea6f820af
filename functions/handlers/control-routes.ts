/**
 * The part of the operating API that is about what operators decide: exceptions, tagging rules, and the cache of
 * MTA-STS policies. Requests are checked here; what is done is the operating room's.
 */
import type { DeliverySettings } from '../environment.ts';
import type { ControlStore } from '../operating/control-store.ts';
import {
  addException,
  exceptionKeySchema,
  exceptionRequestSchema,
  listExceptions,
  removeException,
} from '../operating/exceptions.ts';
import { domainSchema } from '../operating/operator-text.ts';
import {
  forgetPolicy,
  listPolicies,
  type PolicyPorts,
  policyRequestSchema,
  refreshPolicy,
  setPolicy,
  showPolicy,
} from '../operating/policies.ts';
import { addRule, listRules, removeRule, ruleRequestSchema } from '../operating/rules.ts';
import { isPolicyDomain } from '../policy/look-up-record.ts';
import { fieldProblem } from '../protocol/problem.ts';
import { withBody, withChecked } from './checked-request.ts';
import { type HttpAnswer, jsonAnswer, problemAnswer, type Route } from './http-answer.ts';
import { callerOf, type HttpEvent } from './http-request.ts';

/** Policies in one answer: some 200 octets each, and Lambda answers with 6 MB at most. */
const listedPoliciesMax = 10_000;

/** API Gateway waits 30 seconds for an answer, which is less than a policy host may take. */
const patienceMs = 25_000;

export interface ControlRoutesParts extends Required<Omit<PolicyPorts, 'store' | 'deadlineMs'>> {
  readonly controls: ControlStore;
  readonly policies: PolicyPorts['store'];
  readonly settings: DeliverySettings;
}

/** By `event.routeKey`. Each needs an authorizer: whoever calls is the author of what is decided. */
export function controlRoutes(parts: ControlRoutesParts): Readonly<Record<string, Route>> {
  return { ...exceptionRoutes(parts), ...ruleRoutes(parts), ...policyRoutes(parts) };
}

function exceptionRoutes({
  controls,
  settings,
  now,
}: ControlRoutesParts): Readonly<Record<string, Route>> {
  const context = () => ({ store: controls, settings, nowMs: now() });
  return {
    'GET /v1/exceptions': async () =>
      jsonAnswer(200, { exceptions: await listExceptions(context()) }),
    'POST /v1/exceptions': withBody(exceptionRequestSchema, async (request, event) => {
      const outcome = await addException(request, callerOf(event).name, context());
      if (outcome.kind === 'refused') {
        return problemAnswer(fieldProblem(outcome.faults));
      }
      const { exception, replaced } = outcome;
      return jsonAnswer(replaced === undefined ? 201 : 200, exception);
    }),
    'DELETE /v1/exceptions/{domain}/{policy}': ({ pathParameters = {} }) =>
      withChecked(exceptionKeySchema, { value: pathParameters, status: 400 }, async (key) => {
        const outcome = await removeException(key, context());
        return removedAnswer(outcome, `${key.policy} exception of ${key.domain}`);
      }),
  };
}

function ruleRoutes({
  controls,
  settings,
  now,
}: ControlRoutesParts): Readonly<Record<string, Route>> {
  const context = () => ({ store: controls, settings, nowMs: now() });
  return {
    'GET /v1/rules': async () => jsonAnswer(200, { rules: await listRules(context()) }),
    'POST /v1/rules': withBody(ruleRequestSchema, async (request, event) => {
      const outcome = await addRule(request, callerOf(event).name, context());
      switch (outcome.kind) {
        case 'refused':
          return problemAnswer(fieldProblem(outcome.faults));
        case 'exists':
          return problemAnswer({
            status: 409,
            code: 'rule-exists',
            detail: 'There is a rule of this name. Say "replace": true, or choose another name.',
          });
        case 'added':
          return jsonAnswer(201, outcome.rule);
      }
    }),
    'DELETE /v1/rules/{name}': async ({ pathParameters }) => {
      const name = pathParameters?.['name'] ?? '';
      return removedAnswer(await removeRule(name, context()), `rule ${name}`);
    },
  };
}

function policyRoutes(parts: ControlRoutesParts): Readonly<Record<string, Route>> {
  const { policies: store, now } = parts;
  const ports = (): PolicyPorts => ({ ...parts, store, deadlineMs: now() + patienceMs });
  return {
    'GET /v1/policies': async () =>
      jsonAnswer(200, await listPolicies(store, { max: listedPoliciesMax, nowMs: now() })),
    'GET /v1/policies/{domain}': withDomain(async (domain) => {
      const shown = await showPolicy(domain, { store, nowMs: now() });
      return shown === undefined ? nothingStored(domain) : jsonAnswer(200, { domain, ...shown });
    }),
    'PUT /v1/policies/{domain}': withDomain((domain, event) =>
      withBody(policyRequestSchema, async (request) => {
        const asked = { request, author: callerOf(event).name };
        const outcome = await setPolicy(domain, asked, ports());
        return outcome.kind === 'set'
          ? jsonAnswer(200, { policy: outcome.policy, record: outcome.record })
          : problemAnswer({
              status: 409,
              code: 'policy-overtaken',
              detail: 'The policy was fetched at this very moment. Ask again.',
            });
      })(event),
    ),
    'POST /v1/policies/{domain}/refresh': withDomain(async (domain) =>
      // A fetch that fails is an answer about the domain, not a failure to answer.
      jsonAnswer(200, await refreshPolicy(domain, ports())),
    ),
    'DELETE /v1/policies/{domain}': withDomain(async (domain) =>
      (await forgetPolicy(store, domain)) ? { statusCode: 204 } : nothingStored(domain),
    ),
  };
}

/** A route with a policy domain in its path. */
function withDomain(answer: (domain: string, event: HttpEvent) => Promise<HttpAnswer>): Route {
  return async (event) => {
    const parsed = domainSchema.safeParse(event.pathParameters?.['domain']);
    if (!parsed.success || !isPolicyDomain(parsed.data)) {
      const fault = 'not the name of a policy domain: use a form like "example.net"';
      return problemAnswer(fieldProblem([{ field: 'domain', fault }], 400));
    }
    return answer(parsed.data, event);
  };
}

function removedAnswer(outcome: 'removed' | 'absent' | 'config', what: string): HttpAnswer {
  switch (outcome) {
    case 'removed':
      return { statusCode: 204 };
    case 'absent':
      return problemAnswer({ status: 404, detail: `There is no ${what}.` });
    case 'config':
      return problemAnswer({
        status: 409,
        code: 'of-config',
        detail: `The ${what} stands in the config file. Take it out there and deploy.`,
      });
  }
}

function nothingStored(domain: string): HttpAnswer {
  return problemAnswer({ status: 404, detail: `Nothing is stored of ${domain}.` });
}
