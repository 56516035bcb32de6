import type { ClaimRef } from '../../../contracts/claimRef.ts';
import type { Dependencies } from '../../../activities/dependencies.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { KubeObject } from '../../../crds/object.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { ANNOTATION_SERVER } from '../../../crds/names.ts';
import type { Duplicate } from '../../../model/sameServer.ts';
import { bmcPlace, parseServer, serializeServer } from '../../../model/serverIdentity.ts';
import { KubeError } from '../../../kube/error.ts';
import { RedfishPool } from '../../../redfish/index.ts';
import { CLAIM, machine } from '../controllers/builders.ts';
import type { FakeBmc } from '../redfish/fakeBmc.ts';

export const MACHINE = { namespace: 'ns', name: 'm', uid: 'm-uid' };
export const REF: ClaimRef = { namespace: 'ns', host: 'h', hostUid: 'h-uid', id: CLAIM, machine: MACHINE };
export const RUN = { machine: MACHINE, workflow: { id: 'provision/ns/m', runID: 'run-1' } };
export const NEVER = new AbortController().signal;

export interface Resource {
  readonly plural: string;
}
export interface Patch {
  readonly metadata: { uid?: string; resourceVersion?: string };
  readonly spec?: object;
  readonly status?: object;
}

export const kubeError = (status: number, reason: string) =>
  new KubeError({ verb: 'x', resource: 'y' }, { status, reason, message: `${reason} said` });

/** JSON merge patch (RFC 7386). */
export function merged<T>(target: T, patch: object): T {
  const result = { ...target } as Record<string, unknown>;
  for (const [key, value] of Object.entries(patch) as [string, unknown][]) {
    if (value === null) delete result[key];
    else if (typeof value === 'object' && !Array.isArray(value)) result[key] = merged(result[key] ?? {}, value);
    else result[key] = value;
  }
  return result as T;
}

/** An API server with one host, which compares and swaps, and Secrets by name; and what activities need beside it. */
export class OneHost {
  /** As it is now; undefined: gone. */
  live: PhysicalHost | undefined;
  /** As the watch cache has it. */
  cached: PhysicalHost | undefined;
  /** The machine of the claim, live. */
  machine: Beskar7Machine = machine();
  /** The machine whose providerID names the host, as the watch cache has it. */
  named: Beskar7Machine | undefined;
  /** Another host for its server, as the cache has it. */
  duplicate: Duplicate | undefined;
  readonly secrets = new Map<string, KubeObject>();
  readonly said: string[] = [];
  /** Comes before each write; throws to refuse it. */
  beforeWrite: (what: 'host' | 'status' | 'secret') => void = () => undefined;
  readonly #pool = new RedfishPool();
  readonly deps: Dependencies;

  constructor(start: PhysicalHost, bmc?: FakeBmc) {
    const { redfishConnection } = start.spec;
    const at = bmc ? { ...redfishConnection, address: bmc.address } : redfishConnection;
    this.live = { ...start, spec: { ...start.spec, redfishConnection: at } };
    // Enrolled where its BMC is.
    const recorded = parseServer(start.metadata.annotations?.[ANNOTATION_SERVER]);
    if (recorded !== undefined)
      this.live = merged(this.live, {
        metadata: {
          annotations: { [ANNOTATION_SERVER]: serializeServer({ ...recorded, ...bmcPlace(this.live.spec) }) },
        },
      });
    const data = Buffer.from('x').toString('base64');
    const kube = {
      get: (resource: Resource, _namespace: string, name: string) => this.#get(resource, name),
      create: (_resource: Resource, object: KubeObject) => this.#create(object),
      delete: (_resource: Resource, _namespace: string, name: string) => {
        this.secrets.delete(name);
        return Promise.resolve();
      },
      mergePatch: (resource: Resource, _namespace: string, _name: string, patch: Patch) =>
        Promise.resolve().then(() => this.#patch(resource, patch)),
      applyStatus: () => Promise.reject(kubeError(404, 'NotFound')),
    };
    const deps = {
      kube,
      redfish: this.#pool,
      caches: {
        host: () => this.cached,
        machine: () => undefined,
        machineOn: () => this.named,
        duplicateOf: () => this.duplicate,
      },
      credentials: { get: () => Promise.resolve({ data: { username: data, password: data }, isMarked: true }) },
      recorder: { event: (_about: unknown, _type: string, reason: string) => void this.said.push(reason) },
      options: { inspectionTimeoutMs: 600_000, gracefulShutdownMs: 0 },
    };
    this.deps = deps as unknown as Dependencies;
  }

  /** Somebody else changes the host. */
  change(patch: object): void {
    if (this.live === undefined) throw new Error('the host is gone');
    const version = Number(this.live.metadata.resourceVersion ?? '1');
    this.live = merged(this.live, merged(patch, { metadata: { resourceVersion: String(version + 1) } }));
  }

  /** `Type=Status Reason` of the host's conditions. */
  conditions(): string[] {
    return (this.live?.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);
  }

  close(): Promise<void> {
    return this.#pool.closeAll();
  }

  #get(resource: Resource, name: string): Promise<KubeObject> {
    if (resource.plural === 'beskar7machines') return Promise.resolve(this.machine as KubeObject);
    const found: KubeObject | undefined =
      resource.plural === 'secrets' ? this.secrets.get(name) : (this.live as KubeObject | undefined);
    return found === undefined ? Promise.reject(kubeError(404, 'NotFound')) : Promise.resolve(found);
  }

  #create(object: KubeObject): Promise<KubeObject> {
    const { name } = object.metadata;
    this.beforeWrite('secret');
    if (this.secrets.has(name)) return Promise.reject(kubeError(409, 'AlreadyExists'));
    this.secrets.set(name, object);
    return Promise.resolve(object);
  }

  #patch(resource: Resource, patch: Patch): KubeObject {
    if (resource.plural === 'secrets') throw new Error('no Secret is patched here');
    this.beforeWrite(patch.status === undefined ? 'host' : 'status');
    if (this.live === undefined) throw kubeError(404, 'NotFound');
    const { uid, resourceVersion } = this.live.metadata;
    if (patch.metadata.uid !== uid || patch.metadata.resourceVersion !== resourceVersion) {
      throw kubeError(409, 'Conflict');
    }
    this.change(patch);
    return this.live as KubeObject;
  }
}
