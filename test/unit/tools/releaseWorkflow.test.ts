import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';

const ROOT = path.join(__dirname, '..', '..', '..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Record<string, unknown>;
}
interface Workflow {
  readonly permissions: Record<string, string>;
  readonly jobs: { release: { permissions: Record<string, string>; steps: Step[] } };
}

/** The workflow itself runs on GitHub alone: here is what its file says. */
describe('.github/workflows/release.yml', () => {
  const text = read('.github/workflows/release.yml');
  const { permissions, jobs } = parse(text) as Workflow;
  const { steps } = jobs.release;
  const using = (action: string) => steps.filter(({ uses }) => uses?.startsWith(`${action}@`));

  test('may write nothing but where it has to, and signs as itself', () => {
    expect(permissions).toEqual({ contents: 'read' });
    expect(jobs.release.permissions['id-token']).toBe('write');
    expect(using('actions/checkout').map((step) => step.with)).toEqual([{ 'persist-credentials': false }]);
  });

  test('the image has provenance and an SBOM, and is built on a base whose digest is in the repository', () => {
    expect(using('docker/build-push-action')[0]?.with).toMatchObject({ provenance: 'mode=max', sbom: true });
    const base = steps.find(({ run }) => run?.includes('deploy/base-images.txt'));
    expect(base?.run).toMatch(/has no digest of .*exit 1/s);
    const froms = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    expect(new Set(froms)).toEqual(new Set(['${NODE_IMAGE}']));
  });

  test('image and chart are signed, every file of the release is attested', () => {
    const signing = steps.find(({ run }) => run?.includes('cosign sign'));
    expect(signing?.run?.match(/cosign sign/g)).toHaveLength(2);
    const attested = using('actions/attest-build-provenance').map((step) => step.with);
    expect(attested).toEqual([
      expect.objectContaining({ 'subject-name': '${{ env.IMAGE }}' }),
      { 'subject-path': 'out/*' },
    ]);
  });

  test('no install script runs', () => {
    for (const line of text.match(/npm (ci|install)[^\n]*/g) ?? []) expect(line).toContain('--ignore-scripts');
  });
});
