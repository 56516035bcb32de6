import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { parseConfig } from '../../../workers/config.ts';

const ROOT = path.join(__dirname, '..', '..', '..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

interface Service {
  image: string;
  command?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  privileged?: boolean;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: unknown;
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);

describe('docker-compose.yml', () => {
  test.each(services)('%s: its image is pinned by version', (_name, { image }) => {
    expect(image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+[a-z0-9.-]*$/);
  });

  test.each(services)('%s: what it waits for is there, and says when it is well', (_name, service) => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(Object.keys(compose.services)).toContain(other);
      if (condition === 'service_healthy') expect(compose.services[other]?.healthcheck).toBeDefined();
    }
  });

  test.each(services)('%s: is published on loopback only, without privileges', (_name, service) => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(service.privileged).toBeUndefined();
  });

  test.each(services)('%s: named volumes are declared, mounted files exist', (_name, service) => {
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('./')) expect([source, existsSync(path.join(ROOT, source))]).toEqual([source, true]);
      else expect(Object.keys(compose.volumes)).toContain(source);
    }
  });

  test('its Temporal follows priorities and fairness, as those of npm start, the chart and the docs do', () => {
    const key = /matching\.\w+/g;
    const keysIn = (text: string) => [...new Set(text.match(key) ?? [])].toSorted();
    const { environment = {}, volumes = [] } = compose.services.temporal ?? {};
    const [source = '', target] = (volumes[0] ?? '').split(':');
    expect(target).toBe(environment.DYNAMIC_CONFIG_FILE_PATH);
    const config = parse(read(source)) as Record<string, unknown>;
    const wanted = ['matching.enableFairness', 'matching.useNewMatcher'];
    expect(config).toEqual(Object.fromEntries(wanted.toReversed().map((name) => [name, [{ value: true }]])));
    for (const file of ['tools/controlplane/index.ts', 'deploy/helm/charts/temporal/templates/temporal.yaml']) {
      const text = read(file);
      expect([file, keysIn(text)]).toEqual([file, wanted]);
      for (const name of wanted) expect(text).toContain(`--dynamic-config-value=${name}=true`);
    }
    expect(keysIn(read('docs/temporal.md'))).toEqual(expect.arrayContaining(wanted));
  });

  test('Beskar7 takes its flags', () => {
    const { roles } = parseConfig(compose.services.beskar7?.command ?? []);
    expect(roles.length).toBeGreaterThan(1);
  });

  test('the simulator knows its flags', () => {
    const source = read('simulator/main.ts');
    for (const flag of compose.services.simulator?.command ?? []) {
      expect(source).toContain(`'${flag.split('=')[0] ?? flag} <`);
    }
  });

  test('its examples are those of examples/, with the simulator of the compose network', () => {
    for (const file of readdirSync(path.join(ROOT, 'examples')).filter((name) => name.endsWith('.yaml'))) {
      const ours = parseAllDocuments(read(`examples/${file}`).replaceAll('http://127.0.0.1:18', 'http://simulator:18'));
      const theirs = parseAllDocuments(read(`deploy/compose/examples/${file}`));
      expect(theirs.map((document) => document.toJS() as unknown)).toEqual(
        ours.map((document) => document.toJS() as unknown),
      );
    }
  });
});

describe('Dockerfile', () => {
  const lines = read('Dockerfile').split('\n');

  test('base images are pinned, the process is not root', () => {
    const bases = lines.filter((line) => line.startsWith('FROM '));
    for (const base of bases) expect(base).toMatch(/^FROM \$\{NODE_IMAGE\}( AS [a-z]+)?$/);
    expect(lines.find((line) => line.startsWith('ARG NODE_IMAGE='))).toMatch(/=node:24\.\d+\.\d+-slim$/);
    expect(lines).toContain('USER 1000:1000');
  });

  test('every folder that it copies is let through .dockerignore', () => {
    const sources = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    const allowed = read('.dockerignore').split('\n');
    for (const source of sources) expect(allowed).toContain(`!${source}`);
  });
});
