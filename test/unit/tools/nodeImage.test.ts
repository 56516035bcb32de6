import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { NODE_PACKAGES, readNodeLock } from '../../../tools/vm/nodeImage.ts';
import { joinData } from '../../support/vm/joinData.ts';

const NODE = path.join(import.meta.dirname, '../../../tools/vm/node');

test('every package of the node has a version, a digest and a path on a mirror, and all that are asked for are there', async () => {
  const { packages, snapshot } = await readNodeLock();
  expect(snapshot).toMatch(/^\d{8}T\d{6}Z$/);
  for (const { name, version, sha256, file } of packages) {
    expect([name, version]).toEqual([expect.stringMatching(/^[a-z0-9][a-z0-9+.-]+$/), expect.stringMatching(/\d/)]);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(file).toMatch(/^debian(-security)?\/pool\/.+\.deb$/);
  }
  const names = packages.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const wanted of [...NODE_PACKAGES, 'libc6', 'dpkg', 'bash']) expect(names).toContain(wanted);
});

test('the node is not prepared for Beskar7', () => {
  const { stdout } = spawnSync('grep', ['-ril', 'beskar\\|b7:', 'files'], { cwd: NODE, encoding: 'utf8' });
  expect(stdout).toBe('');
  const script = readFileSync(path.join(NODE, 'disk.sh'), 'utf8').replace(/^#.*$/gm, '');
  expect(script).not.toMatch(/beskar|b7:|cidata|config-2|datasource/i);
});

test('the bootstrap data of the test are cloud-config with the files of kubeadm join', () => {
  const discovery = {
    bootstrapToken: { apiServerEndpoint: '10.0.2.2:6443', token: 'a.b', caCertHashes: ['sha256:1'] },
  };
  const text = joinData(discovery);
  expect(text.split('\n').slice(0, 2)).toEqual(['## template: jinja', '#cloud-config']);
  const config = parse(text) as { write_files: { path: string; content: string }[]; runcmd: string[] };
  const file = (name: string) => config.write_files.find(({ path: at }) => at === name)?.content ?? '';
  expect(parse(file('/run/kubeadm/kubeadm-join-config.yaml').replace(/^---\n/, ''))).toMatchObject({
    kind: 'JoinConfiguration',
    discovery,
    nodeRegistration: { kubeletExtraArgs: [{ name: 'provider-id', value: '{{ ds.meta_data.instance_id }}' }] },
  });
  expect(JSON.parse(file('/etc/cni/net.d/10-bridge.conflist'))).toMatchObject({ plugins: [{ type: 'bridge' }, {}] });
  expect(config.runcmd).toEqual([expect.stringMatching(/^kubeadm join --config \/run\/kubeadm\//)]);
});
