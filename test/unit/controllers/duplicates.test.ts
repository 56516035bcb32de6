import { expect, test } from '@jest/globals';
import { duplicateIn, macSharedIn } from '../../../controllers/duplicates.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { serializeServer } from '../../../model/serverIdentity.ts';
import { freeHost } from './builders.ts';
import { fakeInformers } from './fakes.ts';

const [first, second] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];

test('300 hosts of a stranger that tell its UUID and all its MAC addresses hide no copy in its own namespace', () => {
  const uuid = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';
  const macs = Array.from({ length: 128 }, (_, at) => `02:00:00:00:00:${at.toString(16).padStart(2, '0')}`);
  const tells = (name: string, namespace: string, of: object, uuidSince: string): PhysicalHost => {
    const server = serializeServer({ address: `${name}.${namespace}`, ...of, uuidSince });
    const made = freeHost(
      name,
      {},
      { namespace, creationTimestamp: uuidSince, annotations: { 'beskar7.io/server': server } },
    );
    const spec = { redfishConnection: { ...made.spec.redfishConnection, address: `https://${name}.${namespace}` } };
    return { ...made, spec, status: { ...made.status, macAddresses: macs } };
  };
  for (const shown of [{ uuid }, {}]) {
    const all = fakeInformers();
    const [real, copied] = [tells('real', 'ns', shown, first), tells('copied', 'ns', shown, second)];
    all.hosts.put(real, copied);
    for (let at = 0; at < 300; at += 1) all.hosts.put(tells(`h${at}`, 'stranger', shown, second));
    expect(duplicateIn(all, copied)).toMatchObject({ isFirst: false, other: { metadata: { name: 'real' } } });
    expect(duplicateIn(all, real)).toMatchObject({ isFirst: true, areBothClaimed: false });
    expect(macSharedIn(all, real)?.other.metadata.name).toBe('copied');
  }
});
