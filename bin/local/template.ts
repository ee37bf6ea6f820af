/**
 * What `cdk synth` wrote: the manifest of the cloud assembly, its stacks' CloudFormation templates and their assets.
 *
 * Nothing is resolved here; `deployment.ts` does that.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

/** A value of a template, intrinsic functions included. */
export type TemplateValue =
  | null
  | boolean
  | number
  | string
  | readonly TemplateValue[]
  | { readonly [key: string]: TemplateValue };

/** A resource as the template declares it. */
export interface ResourceDeclaration {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, TemplateValue>> | undefined;
  readonly DependsOn?: string | readonly string[] | undefined;
  readonly Condition?: string | undefined;
}

/** The parts of a CloudFormation template that the local cloud reads. */
export interface Template {
  readonly Parameters?: Readonly<Record<string, { readonly Default?: TemplateValue | undefined }>>;
  readonly Mappings?: Readonly<Record<string, TemplateValue>>;
  readonly Conditions?: Readonly<Record<string, TemplateValue>>;
  readonly Resources: Readonly<Record<string, ResourceDeclaration>>;
  readonly Outputs?: Readonly<Record<string, OutputDeclaration>>;
}

/** An output of a stack, and the name under which other stacks import it. */
export interface OutputDeclaration {
  readonly Value: TemplateValue;
  readonly Export?: { readonly Name: TemplateValue } | undefined;
  readonly Condition?: string | undefined;
}

/** A stack of the assembly. */
export interface Stack {
  readonly name: string;
  readonly region: string;
  readonly template: Template;
  /** Key in the staging bucket -> absolute path of the file or folder. */
  readonly assets: ReadonlyMap<string, string>;
}

/** What is wrong with a template, or not to be had on one machine; the message names stack and resource. */
export class LocalCloudError extends Error {
  override readonly name = 'LocalCloudError';
}

const manifestSchema = z.looseObject({
  artifacts: z.record(
    z.string(),
    z.looseObject({
      type: z.string(),
      environment: z.string().optional(),
      properties: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

const templateValueSchema: z.ZodType<TemplateValue> = z.json();
const declarations = z.record(z.string(), templateValueSchema);

const templateSchema = z.looseObject({
  Parameters: z
    .record(z.string(), z.looseObject({ Default: templateValueSchema.optional() }))
    .default({}),
  Mappings: declarations.default({}),
  Conditions: declarations.default({}),
  Resources: z.record(
    z.string(),
    z.looseObject({
      Type: z.string(),
      Properties: declarations.optional(),
      DependsOn: z.union([z.string(), z.array(z.string())]).optional(),
      Condition: z.string().optional(),
    }),
  ),
  Outputs: z
    .record(
      z.string(),
      z.looseObject({
        Value: templateValueSchema,
        Export: z.object({ Name: templateValueSchema }).optional(),
        Condition: z.string().optional(),
      }),
    )
    .default({}),
});

const assetsSchema = z.looseObject({
  files: z.record(
    z.string(),
    z.looseObject({
      source: z.looseObject({ path: z.string().optional() }),
      destinations: z.record(z.string(), z.looseObject({ objectKey: z.string() })),
    }),
  ),
});

/**
 * Reads the stacks of a cloud assembly, those of nested assemblies (stages) included.
 *
 * @param directory - what `cdk synth` wrote, usually `cdk.out`
 * @param defaultRegion - the region of stacks that are not bound to one
 * @throws LocalCloudError if a file is missing or is not what `cdk synth` writes
 */
export function readAssembly(directory: string, defaultRegion: string): readonly Stack[] {
  const manifest = readJson(path.join(directory, 'manifest.json'), manifestSchema);
  return Object.entries(manifest.artifacts).flatMap(([name, artifact]) => {
    const properties = artifact.properties ?? {};
    if (artifact.type === 'cdk:cloud-assembly') {
      return readAssembly(path.join(directory, String(properties['directoryName'])), defaultRegion);
    }
    if (artifact.type !== 'aws:cloudformation:stack') {
      return [];
    }
    // The environment is `aws://ACCOUNT/REGION`; `unknown-region` where the stack is bound to none.
    const region = artifact.environment?.split('/').at(-1) ?? 'unknown-region';
    const templateFile = String(properties['templateFile']);
    return {
      name: String(properties['stackName'] ?? name),
      region: region === 'unknown-region' ? defaultRegion : region,
      template: readJson(path.join(directory, templateFile), templateSchema),
      assets: readAssets(directory, templateFile.replace(/template\.json$/, 'assets.json')),
    };
  });
}

/** Maps the keys of the staging bucket to the files and folders that `cdk deploy` would upload there. */
function readAssets(directory: string, file: string): ReadonlyMap<string, string> {
  const { files } = readJson(path.join(directory, file), assetsSchema);
  return new Map(
    Object.values(files).flatMap(({ source, destinations }) =>
      Object.values(destinations).map(({ objectKey }): [string, string] => [
        objectKey,
        path.resolve(directory, source.path ?? '.'),
      ]),
    ),
  );
}

function readJson<T>(file: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new LocalCloudError(`${file} is not what \`cdk synth\` writes`, { cause });
  }
}
