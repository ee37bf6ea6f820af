/** Writes sealpost.config.schema.json: `node bin/config/write-schema.ts`. A test fails while it is out of date. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { toJsonSchema } from './json-schema.ts';

const path = 'sealpost.config.schema.json';

writeFileSync(path, JSON.stringify(toJsonSchema(), null, 2));
execFileSync('node_modules/.bin/biome', ['format', '--write', path], { stdio: 'inherit' });
