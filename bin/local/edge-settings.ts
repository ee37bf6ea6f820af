/**
 * What a template says of a CloudFront distribution whose origins are function URLs.
 *
 * Strict: a property that would change an answer and is not implemented here is an error that names it.
 */
import { z } from 'zod';
import { compileEdgeFunction, type EdgeFunction } from './edge-function.ts';
import { notImplemented, readProperties } from './properties.ts';
import type { DeployedResource, Deployment } from './resource.ts';
import { LocalCloudError } from './template.ts';

/** A distribution. */
export interface EdgeSettings {
  readonly id: string;
  readonly domainName: string;
  /** Host names that it answers to, beside its own. */
  readonly aliases: readonly string[];
  readonly tlsVersionMin: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** In the order in which they are tried; the last one fits every path. */
  readonly behaviors: readonly EdgeBehavior[];
}

/** How requests for some paths are treated. */
export interface EdgeBehavior {
  readonly pathMatches: (path: string) => boolean;
  readonly viewerProtocolPolicy: 'allow-all' | 'https-only' | 'redirect-to-https';
  readonly allowedMethods: readonly string[];
  readonly viewerRequest?: EdgeFunction | undefined;
  readonly cachePolicy: EdgeCachePolicy;
  /** What goes to the origin beside what is in the cache key. */
  readonly forwarded: EdgeSelection;
  readonly origin: EdgeOrigin;
}

/** Where a behaviour's answers come from. */
export interface EdgeOrigin {
  /** `host:port` of the function URL. */
  readonly authority: string;
  readonly path: string;
  readonly customHeaders: Readonly<Record<string, string>>;
  /** Whether an origin access control signs its requests. */
  readonly isSigned: boolean;
}

/** Which headers, cookies and query parameters of a request matter. */
export interface EdgeSelection {
  readonly headers: NameSelection;
  readonly cookies: NameSelection;
  readonly queries: NameSelection;
}

/** Names, or all but these. Lower-case for headers. */
export interface NameSelection {
  readonly names: readonly string[];
  readonly isInverted: boolean;
}

/** The cache key and how long answers are kept. */
export interface EdgeCachePolicy {
  readonly key: EdgeSelection;
  /** Content codings that are told apart: `br`, `gzip`. */
  readonly encodings: readonly string[];
  readonly ttlSecondsMin: number;
  readonly ttlSecondsDefault: number;
  readonly ttlSecondsMax: number;
}

const nothing: NameSelection = { names: [], isInverted: false };

const behaviorSchema = z.strictObject({
  PathPattern: z.string().optional(),
  TargetOriginId: z.string(),
  ViewerProtocolPolicy: z.enum(['allow-all', 'https-only', 'redirect-to-https']),
  AllowedMethods: z.array(z.string()).default(['GET', 'HEAD']),
  CachedMethods: z.array(z.enum(['GET', 'HEAD'])).optional(),
  CachePolicyId: z.string(),
  OriginRequestPolicyId: z.string().optional(),
  Compress: z.literal(false, 'compression is not implemented here').optional(),
  FunctionAssociations: z
    .array(z.strictObject({ EventType: z.literal('viewer-request'), FunctionARN: z.string() }))
    .default([]),
});

const distributionSchema = z.looseObject({
  DistributionConfig: z.strictObject({
    Aliases: z.array(z.string()).default([]),
    Enabled: z.literal(true, 'a distribution that is not enabled serves nothing'),
    Origins: z.array(
      z.strictObject({
        Id: z.string(),
        DomainName: z.string(),
        OriginPath: z.string().default(''),
        OriginAccessControlId: z.string().optional(),
        OriginCustomHeaders: z
          .array(z.object({ HeaderName: z.string(), HeaderValue: z.string() }))
          .default([]),
        CustomOriginConfig: z.unknown().optional(),
        ConnectionAttempts: z.unknown().optional(),
        ConnectionTimeout: z.unknown().optional(),
      }),
    ),
    DefaultCacheBehavior: behaviorSchema,
    CacheBehaviors: z.array(behaviorSchema).default([]),
    ViewerCertificate: z.looseObject({ MinimumProtocolVersion: z.string().optional() }).optional(),
    Comment: z.unknown().optional(),
    HttpVersion: z.unknown().optional(),
    IPV6Enabled: z.unknown().optional(),
    PriceClass: z.unknown().optional(),
    Logging: z.unknown().optional(),
    WebACLId: z.unknown().optional(),
    Restrictions: z.unknown().optional(),
  }),
});

type DistributionConfig = z.infer<typeof distributionSchema>['DistributionConfig'];
type BehaviorConfig = z.infer<typeof behaviorSchema>;

/**
 * Reads an `AWS::CloudFront::Distribution` and all that it refers to.
 *
 * @throws LocalCloudError for what is not implemented here, managed policies among it
 */
export function edgeSettings(resource: DeployedResource, deployment: Deployment): EdgeSettings {
  const { DistributionConfig: config } = readProperties(resource, distributionSchema);
  const { ref, attribute } = resource.identity();
  return {
    id: ref,
    domainName: attribute('DomainName') ?? '',
    aliases: config.Aliases.map((alias) => alias.toLowerCase()),
    tlsVersionMin: tlsVersion(config.ViewerCertificate?.MinimumProtocolVersion),
    behaviors: [...config.CacheBehaviors, config.DefaultCacheBehavior].map((behavior) =>
      readBehavior(behavior, config, { resource, deployment }),
    ),
  };
}

interface Source {
  readonly resource: DeployedResource;
  readonly deployment: Deployment;
}

function readBehavior(
  behavior: BehaviorConfig,
  config: DistributionConfig,
  source: Source,
): EdgeBehavior {
  const origin = config.Origins.find(({ Id }) => Id === behavior.TargetOriginId);
  if (origin === undefined) {
    throw new LocalCloudError(`${source.resource.key} has no origin ${behavior.TargetOriginId}`);
  }
  const [association] = behavior.FunctionAssociations;
  return {
    pathMatches: pathMatcher(behavior.PathPattern),
    viewerProtocolPolicy: behavior.ViewerProtocolPolicy,
    allowedMethods: behavior.AllowedMethods,
    viewerRequest: association && readFunction(association.FunctionARN, source),
    cachePolicy: readCachePolicy(behavior.CachePolicyId, source),
    forwarded: readOriginRequestPolicy(behavior.OriginRequestPolicyId, source),
    origin: {
      authority: origin.DomainName,
      path: origin.OriginPath,
      customHeaders: Object.fromEntries(
        origin.OriginCustomHeaders.map(({ HeaderName, HeaderValue }) => [
          HeaderName.toLowerCase(),
          HeaderValue,
        ]),
      ),
      isSigned: origin.OriginAccessControlId !== undefined,
    },
  };
}

/** `*` stands for any characters, `?` for one; without a pattern every path fits. */
function pathMatcher(pattern: string | undefined): (path: string) => boolean {
  if (pattern === undefined) {
    return () => true;
  }
  const source = pattern
    .replace(/^\/?/, '/')
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const expression = new RegExp(`^${source}$`, 's');
  return (path) => expression.test(path);
}

const edgeFunctionSchema = z.looseObject({
  FunctionCode: z.string(),
  FunctionConfig: z.looseObject({
    Runtime: z.literal('cloudfront-js-2.0'),
    KeyValueStoreAssociations: notImplemented('key-value stores'),
  }),
});

function readFunction(arn: string, source: Source): EdgeFunction {
  const resource = find(source, 'AWS::CloudFront::Function', arn);
  return compileEdgeFunction(
    resource.key,
    readProperties(resource, edgeFunctionSchema).FunctionCode,
  );
}

function nameSelection(behavior: string, names: readonly string[] = []): NameSelection {
  switch (behavior) {
    case 'whitelist':
      return { names, isInverted: false };
    case 'all':
      return { names: [], isInverted: true };
    case 'allExcept':
      return { names, isInverted: true };
    default:
      return nothing;
  }
}

const names = z.array(z.string()).optional();

const selectionSchema = z
  .looseObject({
    HeadersConfig: z.object({
      // `allViewer` would forward Host, which no function URL takes.
      HeaderBehavior: z.enum(['none', 'whitelist', 'allExcept']),
      Headers: z.array(z.string().toLowerCase()).optional(),
    }),
    CookiesConfig: z.object({
      CookieBehavior: z.enum(['none', 'whitelist', 'allExcept', 'all']),
      Cookies: names,
    }),
    QueryStringsConfig: z.object({
      QueryStringBehavior: z.enum(['none', 'whitelist', 'allExcept', 'all']),
      QueryStrings: names,
    }),
  })
  .transform(
    ({ HeadersConfig, CookiesConfig, QueryStringsConfig }): EdgeSelection => ({
      headers: nameSelection(HeadersConfig.HeaderBehavior, HeadersConfig.Headers),
      cookies: nameSelection(CookiesConfig.CookieBehavior, CookiesConfig.Cookies),
      queries: nameSelection(
        QueryStringsConfig.QueryStringBehavior,
        QueryStringsConfig.QueryStrings,
      ),
    }),
  );

const cachePolicySchema = z.looseObject({
  CachePolicyConfig: z.looseObject({
    MinTTL: z.coerce.number(),
    DefaultTTL: z.coerce.number(),
    MaxTTL: z.coerce.number(),
    ParametersInCacheKeyAndForwardedToOrigin: z.intersection(
      selectionSchema,
      z.looseObject({
        EnableAcceptEncodingGzip: z.boolean(),
        EnableAcceptEncodingBrotli: z.boolean().default(false),
      }),
    ),
  }),
});

function readCachePolicy(id: string, source: Source): EdgeCachePolicy {
  const resource = find(source, 'AWS::CloudFront::CachePolicy', id);
  const { CachePolicyConfig: config } = readProperties(resource, cachePolicySchema);
  const parameters = config.ParametersInCacheKeyAndForwardedToOrigin;
  return {
    key: parameters,
    encodings: [
      ...(parameters.EnableAcceptEncodingBrotli ? ['br'] : []),
      ...(parameters.EnableAcceptEncodingGzip ? ['gzip'] : []),
    ],
    ttlSecondsMin: config.MinTTL,
    ttlSecondsDefault: config.DefaultTTL,
    ttlSecondsMax: config.MaxTTL,
  };
}

const originRequestPolicySchema = z.looseObject({ OriginRequestPolicyConfig: selectionSchema });

function readOriginRequestPolicy(id: string | undefined, source: Source): EdgeSelection {
  if (id === undefined) {
    return { headers: nothing, cookies: nothing, queries: nothing };
  }
  const resource = find(source, 'AWS::CloudFront::OriginRequestPolicy', id);
  return readProperties(resource, originRequestPolicySchema).OriginRequestPolicyConfig;
}

function find({ resource, deployment }: Source, type: string, ref: string): DeployedResource {
  const found = deployment.resources.find(
    (candidate) => candidate.type === type && candidate.identity().ref === ref,
  );
  if (found === undefined) {
    throw new LocalCloudError(
      `${resource.key} uses the ${type} ${ref}, which no template declares`,
    );
  }
  return found;
}

/** `TLSv1.2_2021` and the like: what stands before the year. */
function tlsVersion(protocolVersion = 'TLSv1'): EdgeSettings['tlsVersionMin'] {
  switch (protocolVersion.split('_')[0]) {
    case 'TLSv1.3':
      return 'TLSv1.3';
    case 'TLSv1.2':
      return 'TLSv1.2';
    case 'TLSv1.1':
      return 'TLSv1.1';
    default:
      return 'TLSv1';
  }
}
