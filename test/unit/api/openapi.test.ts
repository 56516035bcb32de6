import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parse } from 'yaml';
import { openApiDocument } from '../../../api/contract/openapi.ts';
import { ArchitectureReport, FlatReport, Report } from '../../../api/contract/reports.ts';
import { ROUTES } from '../../../api/contract/routes.ts';
import { parseReport } from '../../../api/report/parse.ts';
import { architectureReport, NORMAL } from '../../../simulator/hardware.ts';
import { FLAT, REPORT } from './reports.ts';
import { MAC, NONCE, Scene, TOKEN } from './scene.ts';
import { valuesOf } from './schemaValues.ts';

const ROOT = join(__dirname, '..', '..', '..');

interface Operation {
  readonly parameters: { in: string; name: string }[];
  readonly responses: Record<string, unknown>;
  readonly security: unknown[];
}
const document = openApiDocument() as { openapi: string; paths: Record<string, Record<string, Operation>> };

describe('docs/openapi.yaml', () => {
  test('is the document of the code, and has every route of the contract', () => {
    const file = parse(readFileSync(join(ROOT, 'docs', 'openapi.yaml'), 'utf8')) as typeof document;
    expect(file).toEqual(document);
    expect(file.openapi).toBe('3.1.0');
    const contract = readFileSync(join(ROOT, 'docs', 'spec', 'callback-contract.md'), 'utf8');
    const rows = [...contract.matchAll(/^\| `(GET|POST) (\/[a-z-]+[^\s`[?]*)/gm)].map(
      ([, method = '', path = '']) => `${method} /api/v1${path.replace('{ns}', '{namespace}')}`,
    );
    const ours = ROUTES.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(ours.toSorted()).toEqual(rows.toSorted());
  });

  test('each name in a path is a parameter, each route with a bearer says so', () => {
    for (const { path, method, auth, answers } of ROUTES) {
      const operation = document.paths[path]?.[method];
      const names = operation?.parameters.filter((one) => one.in === 'path').map(({ name }) => `{${name}}`);
      expect(names).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(operation?.security.length).toBe(auth === 'bearer' ? 1 : 0);
      expect('401' in answers).toBe(auth === 'bearer');
    }
  });
});

describe('the router is made of the same table', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await new Scene().start({ bootByMac: true });
  });
  afterAll(() => scene.stop());

  test.each(ROUTES.map((route) => [route.id, route] as const))(
    '%s is served where it should be',
    async (_id, route) => {
      const path = route.path
        .replace('{namespace}', 'default')
        .replace('{host}', 'server-01')
        .replace('{nonce}', NONCE)
        .concat(route.auth === 'mac' ? `?mac=${MAC}` : '');
      const ask = (boot: boolean) => scene.call(route.method.toUpperCase(), path, { boot, bearer: TOKEN });
      await ask(false);
      expect(scene.logs.at(-1)?.fields.route).not.toBe('unknown');
      await ask(true);
      expect(scene.logs.at(-1)?.fields.route === 'unknown').toBe(route.auth === 'bearer');
    },
  );
});

describe('what is written to the document is understood', () => {
  /** Rules between fields, which a schema cannot say. */
  const BETWEEN =
    /cannot be less than|occurs more than once|seem to be logical CPUs|is missing$|is too large$|has to be an IP address/;

  test.each([
    ['the architecture text', ArchitectureReport, REPORT],
    [
      'the simulator',
      ArchitectureReport,
      architectureReport({ ...NORMAL, manufacturer: 'M', model: 'M', serial: 'S', mac: MAC }),
    ],
    ['contract v4.2', FlatReport, { ...FLAT, memory: [{ id: 'A', capacity: '32GiB' }] }],
  ])('the report of %s fits its schema, and no other', (_name, schema, report) => {
    expect([...Value.Errors(schema, report)]).toEqual([]);
    expect(Value.Check(schema === ArchitectureReport ? FlatReport : ArchitectureReport, report)).toBe(false);
    expect(parseReport(report).kind).toBe('report');
  });

  test('any report of the schema is accepted, or refused for a rule between fields only', () => {
    let accepted = 0;
    fc.assert(
      fc.property(valuesOf(Report), (value) => {
        expect([...Value.Errors(Report, value)]).toEqual([]);
        const result = parseReport(value);
        if (result.kind === 'report') accepted += 1;
        else expect(result.problems.filter((problem) => !BETWEEN.test(problem))).toEqual([]);
      }),
      { numRuns: 150, seed: 6 },
    );
    expect(accepted).toBeGreaterThan(20);
  });
});
