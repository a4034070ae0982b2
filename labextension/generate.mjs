/* Writes src/api/generated.ts from the executor's OpenAPI; with --check, fails if what is committed differs. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const target = join(here, 'src', 'api', 'generated.ts');
const own = join(root, '.venv', 'bin', 'python');
const python = process.env.PYTHON ?? (existsSync(own) ? own : 'python3');

const schema = JSON.parse(
  execFileSync(python, [join(root, 'scripts', 'openapi.py')], { encoding: 'utf8', maxBuffer: 1 << 26 })
);
const types = await openapiTS(schema, { alphabetize: true, defaultNonNullable: false, emptyObjectsUnknown: true });
const text = `/* Made from the executor's OpenAPI: \`jlpm generate\` makes it anew. */\n\n${astToString(types)}`;

if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
} else if (!existsSync(target) || readFileSync(target, 'utf8') !== text) {
  process.stderr.write('labextension/src/api/generated.ts is not what the executor speaks: run `jlpm generate`\n');
  process.exit(1);
}
