import { expect, test } from '@jest/globals';
import type { InspectionReport } from '../../../crds/inspectionReport.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';
import { keepReport, keptReports, MAX_BYTES, MAX_REPORTS, reportsName } from '../../../kube/reportHistory.ts';
import type { ConfigMap } from '../../../kube/resource.ts';

/** One ConfigMap in memory, with compare-and-swap. `before` runs before each write. */
class Store implements Pick<KubeClient, 'get' | 'create' | 'mergePatch'> {
  map: ConfigMap | undefined;
  before: () => void = () => undefined;
  writes = 0;
  #version = 1;

  get = (() => {
    if (this.map === undefined) return Promise.reject(failure(404, 'NotFound'));
    return Promise.resolve(structuredClone(this.map));
  }) as unknown as KubeClient['get'];

  create = ((_resource: unknown, object: ConfigMap) => {
    this.before();
    if (this.map !== undefined) return Promise.reject(failure(409, 'AlreadyExists'));
    this.put(object);
    return Promise.resolve(object);
  }) as unknown as KubeClient['create'];

  mergePatch = ((_resource: unknown, _namespace: string, _name: string, patch: ConfigMap) => {
    this.before();
    const live = this.map;
    if (patch.metadata.resourceVersion !== live?.metadata.resourceVersion)
      return Promise.reject(failure(409, 'Conflict'));
    const data = Object.entries({ ...live?.data, ...patch.data }).filter(([, text]) => (text as unknown) !== null);
    this.put({ metadata: { ...live?.metadata, ...patch.metadata }, data: Object.fromEntries(data) });
    return Promise.resolve(this.map);
  }) as unknown as KubeClient['mergePatch'];

  put(map: ConfigMap): void {
    this.writes += 1;
    this.map = structuredClone(map);
    this.map.metadata.resourceVersion = String(this.#version++);
  }
}

function failure(status: number, reason: string): KubeError {
  return new KubeError({ verb: 'x', resource: 'configmaps' }, { status, reason, message: reason });
}

const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 12, minute)).toISOString();
const hostWith = (minute: number, report: InspectionReport, uid = 'uid-1'): PhysicalHost => ({
  metadata: { namespace: 'default', name: 'rack1-01', uid, resourceVersion: '1' },
  spec: { redfishConnection: { address: 'https://10.0.0.1', credentialsSecretRef: 'bmc' } },
  status: { inspectionTimestamp: at(minute), inspectionReport: { timestamp: at(minute), ...report } },
});
const cores = (count: number): InspectionReport => ({ cpus: { cores: count } });

test('the reports that were replaced, newest first, in a ConfigMap that the host owns', async () => {
  const store = new Store();
  for (const minute of [1, 2, 3]) await keepReport(store, hostWith(minute, cores(minute)));
  const kept = await keptReports(store, hostWith(9, {}));
  expect(kept.map((one) => [one.at, one.report.cpus?.cores])).toEqual([
    [at(3), 3],
    [at(2), 2],
    [at(1), 1],
  ]);
  expect(store.map?.metadata).toMatchObject({
    name: 'rack1-01.beskar7-reports',
    namespace: 'default',
    ownerReferences: [{ kind: 'PhysicalHost', name: 'rack1-01', uid: 'uid-1' }],
  });
  // What the API server takes as keys.
  for (const key of Object.keys(store.map?.data ?? {})) expect(key).toMatch(/^[-._a-zA-Z0-9]+$/);
});

test('the same once more, or another one that says the same, is not kept again', async () => {
  const store = new Store();
  await keepReport(store, hostWith(1, { cpus: { cores: 4, threads: 8 } }));
  await keepReport(store, hostWith(1, { cpus: { cores: 4, threads: 8 } }));
  await keepReport(store, hostWith(2, { cpus: { threads: 8, cores: 4 } }));
  expect(store.writes).toBe(1);
});

test('only so many are kept, and only so many bytes', async () => {
  const store = new Store();
  for (let minute = 0; minute < MAX_REPORTS + 5; minute += 1) await keepReport(store, hostWith(minute, cores(minute)));
  const kept = await keptReports(store, hostWith(59, {}));
  expect(kept).toHaveLength(MAX_REPORTS);
  expect(kept.at(-1)?.report.cpus?.cores).toBe(5);

  const wide = (minute: number): InspectionReport => ({
    disks: Array.from({ length: 800 }, (_, index) => ({
      device: `/dev/${minute}`,
      model: 'x'.repeat(200),
      sizeGB: index,
    })),
  });
  for (let minute = 20; minute < 26; minute += 1) await keepReport(store, hostWith(minute, wide(minute)));
  const sizes = Object.values(store.map?.data ?? {}).map((text) => text.length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(MAX_BYTES);
  expect((await keptReports(store, hostWith(59, {})))[0]?.at).toBe(at(25));

  const before = store.writes;
  const huge = { disks: [{ model: 'x'.repeat(MAX_BYTES) }] };
  await keepReport(store, hostWith(30, huge));
  expect(store.writes).toBe(before);
});

test('one who was faster loses nothing', async () => {
  const store = new Store();
  store.before = () => {
    store.before = () => undefined;
    store.put({
      metadata: {
        name: 'x',
        namespace: 'default',
        uid: 'x',
        resourceVersion: '1',
        ownerReferences: [{ apiVersion: 'v1', kind: 'PhysicalHost', name: 'x', uid: 'uid-1' }],
      },
      data: { '2026-11-23T12_00_00.000Z.json': '{}' },
    });
  };
  await keepReport(store, hostWith(1, cores(1)));
  expect((await keptReports(store, hostWith(9, {}))).map((one) => one.at)).toEqual([at(1), at(0)]);
});

test('those of another host that had this name are not shown, and make room', async () => {
  const store = new Store();
  await keepReport(store, hostWith(1, cores(1), 'uid-old'));
  expect(await keptReports(store, hostWith(2, {}, 'uid-new'))).toEqual([]);
  await keepReport(store, hostWith(3, cores(3), 'uid-new'));
  expect((await keptReports(store, hostWith(4, {}, 'uid-new'))).map((one) => one.at)).toEqual([at(3)]);
  expect(Object.keys(store.map?.data ?? {})).toHaveLength(1);
});

test('what somebody has edited beyond reading is left out; a long name stays a name', async () => {
  const store = new Store();
  await keepReport(store, hostWith(1, cores(1)));
  if (store.map?.data) store.map.data['2026-11-23T12_02_00.000Z.json'] = 'no JSON';
  if (store.map?.data) store.map.data['notes'] = '{}';
  expect((await keptReports(store, hostWith(9, {}))).map((one) => one.at)).toEqual([at(1)]);
  const name = reportsName('x'.repeat(253));
  expect(name.length).toBeLessThanOrEqual(253);
  expect(name).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
});
