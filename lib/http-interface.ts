/** The HTTP API: one for all functions that are called over it. Each route needs an authorizer, but for that of TLS reports. */
import { CfnOutput, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  type CfnStage,
  HttpApi,
  type HttpMethod,
  HttpNoneAuthorizer,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { HandlerFunction } from './handler-function.ts';

/** Tokens of an OpenID provider. Each kind of route asks for a scope of its own. */
export interface JwtChoice {
  readonly kind: 'jwt';
  readonly issuer: string;
  readonly audience: readonly string[];
  /** Of who may submit, and look up what he submitted. */
  readonly submitScope: string;
  /** Of who may see and change everything. */
  readonly operateScope: string;
}

/** What lets a request through: a signature by IAM credentials of the account, or a token. */
export type AuthorizerChoice = { readonly kind: 'iam' } | JwtChoice;

export interface HttpInterfaceProps {
  readonly authorizer: AuthorizerChoice;
  /** Over all routes; what comes beyond it is answered with 429. Twice as many may come at once. */
  readonly requestsPerSecondMax: number;
}

/** Routes of one function. */
export interface RoutesProps {
  readonly handler: HandlerFunction;
  /** `METHOD /path`, as the function reads them in `event.routeKey`. */
  readonly routes: readonly string[];
  readonly scope: 'submit' | 'operate';
}

/** A route that anybody may call. */
export interface OpenRouteProps {
  readonly handler: HandlerFunction;
  readonly route: string;
  /** What comes beyond it is answered with 429. Ten times as many may come at once. */
  readonly requestsPerSecondMax: number;
}

/** Without CORS: no browser has business here. */
export class HttpInterface extends Construct {
  readonly #api: HttpApi;
  readonly #choice: AuthorizerChoice;
  readonly #authorizer: IHttpRouteAuthorizer;
  readonly #stage: HttpStage;

  constructor(scope: Construct, id: string, props: HttpInterfaceProps) {
    super(scope, id);
    this.#choice = props.authorizer;
    this.#authorizer = createAuthorizer(props.authorizer);
    this.#api = new HttpApi(this, 'Api', {
      description: 'Sealpost: submission and operation',
      createDefaultStage: false,
    });
    this.#stage = new HttpStage(this, 'Stage', {
      httpApi: this.#api,
      stageName: '$default',
      autoDeploy: true,
      throttle: {
        rateLimit: props.requestsPerSecondMax,
        burstLimit: 2 * props.requestsPerSecondMax,
      },
      accessLogSettings: { destination: createAccessLog(this), format: accessLogFormat },
    });
    new CfnOutput(scope, 'ApiUrl', { value: this.#api.apiEndpoint });
  }

  /** `https://…`, without a path. */
  get endpoint(): string {
    return this.#api.apiEndpoint;
  }

  /** Binds a route that anybody may call, and throttles it by itself, so that no flood of it keeps others out. */
  addOpenRoute({ handler, route, requestsPerSecondMax }: OpenRouteProps): void {
    const [method = '', path = ''] = route.split(' ');
    const integration = createIntegration(handler);
    const routes = this.#api.addRoutes({
      path,
      methods: [method as HttpMethod],
      integration,
      authorizer: new HttpNoneAuthorizer(),
    });
    const stage = this.#stage.node.defaultChild as CfnStage;
    stage.routeSettings = {
      [route]: {
        ThrottlingRateLimit: requestsPerSecondMax,
        ThrottlingBurstLimit: 10 * requestsPerSecondMax,
      },
    };
    for (const each of routes) {
      // API Gateway refuses settings of a route that is not there yet.
      stage.node.addDependency(each);
      Validations.of(each).acknowledge({
        id: 'AwsSolutions-APIG4',
        reason: 'Senders of TLS reports have no account here (RFC 8460 §5.4).',
      });
    }
  }

  /** Binds routes to a function. */
  addRoutes({ handler, routes, scope }: RoutesProps): void {
    const integration = createIntegration(handler);
    for (const route of routes) {
      const [method = '', path = ''] = route.split(' ');
      this.#api.addRoutes({
        path,
        methods: [method as HttpMethod],
        integration,
        authorizer: this.#authorizer,
        ...(this.#choice.kind === 'jwt' && {
          authorizationScopes: [
            scope === 'submit' ? this.#choice.submitScope : this.#choice.operateScope,
          ],
        }),
      });
    }
  }
}

function createIntegration(handler: HandlerFunction): HttpLambdaIntegration {
  // The cast: exactOptionalPropertyTypes does not see that the class has all that its own interface asks for.
  return new HttpLambdaIntegration(`${handler.node.id}Integration`, handler as IFunction, {
    scopePermissionToRoute: false,
  });
}

function createAuthorizer(choice: AuthorizerChoice): IHttpRouteAuthorizer {
  return choice.kind === 'iam'
    ? new HttpIamAuthorizer()
    : new HttpJwtAuthorizer('Jwt', choice.issuer, { jwtAudience: [...choice.audience] });
}

function createAccessLog(scope: Construct): LogGroupLogDestination {
  return new LogGroupLogDestination(
    new LogGroup(scope, 'AccessLog', {
      retention: RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    }),
  );
}

/** Who asked for what and how it went: no query, where addresses may be, and no body. */
const accessLogFormat: AccessLogFormat = AccessLogFormat.custom(
  JSON.stringify({
    requestId: '$context.requestId',
    time: '$context.requestTime',
    sourceIp: '$context.identity.sourceIp',
    caller: '$context.identity.userArn',
    subject: '$context.authorizer.claims.sub',
    route: '$context.routeKey',
    path: '$context.path',
    status: '$context.status',
    error: '$context.error.message',
    responseLength: '$context.responseLength',
    latencyMs: '$context.responseLatency',
  }),
);
