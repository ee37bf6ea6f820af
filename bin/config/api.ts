/** The HTTP API: who may call it, and how often. */
import { z } from 'zod';

/** Tokens of an OpenID provider. */
export interface JwtAuthorizerConfig {
  readonly kind: 'jwt';
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly submitScope: string;
  readonly operateScope: string;
}

export interface ApiConfig {
  readonly authorizer: { readonly kind: 'iam' } | JwtAuthorizerConfig;
  readonly requestsPerSecondMax: number;
}

const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/);

const iamSchema = z.strictObject({
  kind: z.literal('iam').describe('Requests signed by IAM credentials with execute-api:Invoke.'),
});

const jwtSchema = z
  .strictObject({
    kind: z.literal('jwt').describe('Tokens of an OpenID provider, verified by API Gateway.'),
    issuer: z
      .url({ protocol: /^https$/ })
      .max(500)
      .describe('The iss of the tokens, like "https://login.example.com".'),
    audience: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(10)
      .describe('The aud of the tokens, or their client_id.'),
    submitScope: scope
      .default('sealpost/submit')
      .describe(
        'The scope of who may submit mail and look up his own. Default: "sealpost/submit".',
      ),
    operateScope: scope
      .default('sealpost/operate')
      .describe(
        'The scope of who may see and change the whole queue. Default: "sealpost/operate".',
      ),
  })
  .refine(({ submitScope, operateScope }) => submitScope !== operateScope, {
    error: 'submitScope and operateScope are the same. Use two, so that senders are no operators.',
  });

/** The `api` section. */
export const apiSchema: z.ZodType<ApiConfig> = z
  .strictObject({
    authorizer: z
      .discriminatedUnion('kind', [iamSchema, jwtSchema], {
        error: (issue) =>
          issue.code === 'invalid_union'
            ? 'no such authorizer. Use "iam" or "jwt" as its kind.'
            : undefined,
      })
      .default({ kind: 'iam' })
      .describe('What lets requests through. Default: {"kind": "iam"}.'),
    requestsPerSecondMax: z
      .int()
      .min(1)
      .max(5_000)
      .default(50)
      .describe('Requests per second over all routes; twice as many at once. Default: 50.'),
  })
  .describe('The HTTP API: who may call it, and how often.');
