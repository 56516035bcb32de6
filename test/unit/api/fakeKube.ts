import { KubeError } from '../../../kube/error.ts';
import type { Identified, Resource } from '../../../kube/resource.ts';

type Json = Record<string, unknown>;
export interface KubeCall {
  readonly verb: 'get' | 'patch';
  readonly resource: string;
  readonly name: string;
}

/**
 * The API server in memory, with real compare-and-swap: a patch whose resourceVersion or uid is not the live one
 * conflicts.
 */
export class FakeKube {
  readonly calls: KubeCall[] = [];
  /** Runs before each call; may change objects, throw, or wait. */
  before: (call: KubeCall) => void | Promise<void> = () => undefined;
  readonly #objects = new Map<string, Identified>();
  #version = 100;

  put<T extends Identified>(resource: Resource<T>, object: T): T {
    const stored = structuredClone(object);
    stored.metadata.resourceVersion = String(++this.#version);
    this.#objects.set(keyOf(resource, stored.metadata.namespace ?? '', stored.metadata.name), stored);
    return structuredClone(stored);
  }

  /** The live object, for assertions and for writers who are faster. */
  peek<T extends Identified>(resource: Resource<T>, namespace: string, name: string): T {
    return structuredClone(this.#find(resource, 'get', namespace, name));
  }

  remove(resource: Resource, namespace: string, name: string): void {
    this.#objects.delete(keyOf(resource, namespace, name));
  }

  count(verb: KubeCall['verb'], resource: string): number {
    return this.calls.filter((call) => call.verb === verb && call.resource === resource).length;
  }

  async get<T extends Identified>(resource: Resource<T>, namespace: string, name: string): Promise<T> {
    await this.#called('get', resource, name);
    return structuredClone(this.#find(resource, 'get', namespace, name));
  }

  async mergePatch<T extends Identified>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    patch: object,
    options: { subresource?: 'status' } = {},
  ): Promise<T> {
    await this.#called('patch', resource, name);
    const live = this.#find(resource, 'patch', namespace, name);
    const { metadata = {}, status } = patch as { metadata?: Json; status?: Json };
    if (options.subresource !== 'status' || status === undefined) throw new Error('callbacks write the status only');
    for (const key of ['resourceVersion', 'uid'] as const) {
      if (metadata[key] !== undefined && metadata[key] !== live.metadata[key]) {
        throw failure('patch', resource, namespace, name, 409, 'Conflict');
      }
    }
    const next = { ...live, status: merged((live as { status?: Json }).status, status) } as unknown as T;
    return this.put(resource, next);
  }

  async #called(verb: KubeCall['verb'], resource: Resource, name: string): Promise<void> {
    const call = { verb, resource: resource.plural, name };
    this.calls.push(call);
    await this.before(call);
  }

  #find<T extends Identified>(resource: Resource<T>, verb: string, namespace: string, name: string): T {
    const object = this.#objects.get(keyOf(resource, namespace, name));
    if (object === undefined) throw failure(verb, resource, namespace, name, 404, 'NotFound');
    return object as T;
  }
}

/** A failure as the client throws it. */
export function failure(
  verb: string,
  resource: Resource,
  namespace: string,
  name: string,
  status: number,
  reason: string,
) {
  return new KubeError({ verb, resource: resource.plural, namespace, name }, { status, reason, message: 'as told' });
}

function keyOf(resource: Resource, namespace: string, name: string): string {
  return `${resource.plural} ${namespace}/${name}`;
}

/** RFC 7386 §2. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...(target as Json) } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete base[key];
    else base[key] = merged(base[key], value);
  }
  return base;
}
