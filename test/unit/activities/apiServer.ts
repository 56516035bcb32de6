import type { ServerResponse } from 'node:http';
import type { KubeClient } from '../../../kube/client.ts';
import { resourcePath, type Identified, type Resource } from '../../../kube/resource.ts';
import { clientFor, json, statusBody, TestServer, type Received } from '../kube/httpServer.ts';

type Json = Record<string, unknown>;

/** A request as the API server understood it. */
export interface ApiCall {
  readonly verb: 'get' | 'list' | 'create' | 'patch' | 'apply' | 'delete';
  /** `<plural>`, `<plural>/<name>` or `<plural>/<name>/status`. */
  readonly what: string;
  readonly body: Json;
}

/**
 * Objects as an API server serves them over HTTP: versions, compare-and-swap, a status of its own, lists by one label.
 */
export class ApiServer {
  /** What was written, in order, with the call that did it; refused calls are left out. */
  readonly writes: ApiCall[] = [];
  /** Waited for after a call was carried out and before it is answered. */
  answering: (call: ApiCall) => Promise<void> | void = () => undefined;
  /** What a policy refuses for good: then with 403. */
  refuses: (call: ApiCall) => boolean = () => false;
  /** Which group versions there are, by the path of a request. */
  serves: (path: string) => boolean = () => true;
  readonly #http = new TestServer();
  readonly #objects = new Map<string, Identified & { status?: Json }>();
  readonly #clients: KubeClient[] = [];
  #version = 100;

  static async start(): Promise<ApiServer> {
    const api = new ApiServer();
    api.#http.handler = (request, response) => api.#serve(request, response);
    await api.#http.start();
    return api;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close();
    await this.#http.stop();
  }

  /** A client with a connection of its own, as each process has one. */
  client(): KubeClient {
    const client = clientFor(this.#http.address, { timeoutMs: 10_000 });
    this.#clients.push(client);
    return client;
  }

  put<T extends Identified>(resource: Resource<T>, object: T): void {
    const { namespace, name } = object.metadata;
    this.#store(resourcePath(resource, namespace, name), structuredClone(object));
  }

  get<T extends Identified>(resource: Resource<T>, name: string, namespace = 'ns'): T {
    const object = this.#objects.get(resourcePath(resource, namespace, name));
    if (!object) throw new Error(`there is no ${resource.kind} ${name}`);
    return structuredClone(object) as unknown as T;
  }

  list<T extends Identified>(resource: Resource<T>, namespace = 'ns'): T[] {
    return structuredClone(this.#below(resourcePath(resource, namespace))) as unknown as T[];
  }

  /** The writes as `<verb> <what>`. */
  written(): string[] {
    return this.writes.map(({ verb, what }) => `${verb} ${what}`);
  }

  #below(path: string) {
    return [...this.#objects].filter(([key]) => key.startsWith(`${path}/`)).map(([, object]) => object);
  }

  #store(path: string, object: Identified): Identified {
    this.#version += 1;
    object.metadata.resourceVersion = String(this.#version);
    this.#objects.set(path, object);
    return object;
  }

  async #serve(request: Received, response: ServerResponse): Promise<void> {
    if (!this.serves(request.path)) {
      response.writeHead(404);
      response.end('404 page not found\n');
      return;
    }
    const path = request.path.replace(/\/status$/, '');
    const verb = verbOf(request, this.#objects.has(path));
    const body = (request.body === '' ? {} : JSON.parse(request.body)) as Json;
    const call = { verb, what: request.path.replace(/^.*\/namespaces\/[^/]+\//, ''), body };
    const [status, answer] = this.refuses(call)
      ? refusal(403, 'Forbidden', `denied by policy: ${call.what}`)
      : this.#carryOut(call, path, request.query);
    if (status < 400 && verb !== 'get' && verb !== 'list') this.writes.push(call);
    const text = structuredClone(answer);
    await this.answering(call);
    json(response, status, text);
  }

  #carryOut({ verb, what, body }: ApiCall, path: string, query: URLSearchParams): [number, unknown] {
    const live = this.#objects.get(path);
    if (verb === 'list') return [200, { metadata: {}, items: this.#below(path).filter(labelled(query)) }];
    if (verb === 'create') {
      const name = String((body.metadata as Json).name);
      if (this.#objects.has(`${path}/${name}`)) return refusal(409, 'AlreadyExists', `${what} ${name} already exists`);
      return [201, this.#store(`${path}/${name}`, withUid(body as unknown as Identified))];
    }
    if (!live) return refusal(404, 'NotFound', `${what} not found`);
    if (verb === 'get') return [200, live];
    if (verb === 'delete') {
      this.#objects.delete(path);
      return [200, live];
    }
    const { resourceVersion, uid } = (body.metadata ?? {}) as Json;
    if (resourceVersion !== undefined && resourceVersion !== live.metadata.resourceVersion)
      return refusal(409, 'Conflict', `${what} has changed`);
    if (uid !== undefined && uid !== live.metadata.uid) return refusal(409, 'Conflict', `${what} is another one`);
    // One writer applies in these tests: what it leaves out is gone.
    const status = verb === 'apply' ? body.status : merged(live.status, body.status);
    if (what.endsWith('/status'))
      return [200, this.#store(path, { ...live, metadata: { ...live.metadata }, status } as Identified)];
    const { status: _ignored, ...rest } = body;
    return [200, this.#store(path, merged(live, rest) as Identified)];
  }
}

function verbOf({ method, path, headers }: Received, isObject: boolean): ApiCall['verb'] {
  if (method === 'POST') return 'create';
  if (method === 'DELETE') return 'delete';
  if (method === 'PATCH') return headers['content-type']?.includes('apply') ? 'apply' : 'patch';
  // `…/namespaces/<ns>/<plural>` is a kind, one part more an object.
  return isObject || path.split('/namespaces/')[1]?.split('/').length !== 2 ? 'get' : 'list';
}

function labelled(query: URLSearchParams): (object: Identified) => boolean {
  const [key, value] = query.get('labelSelector')?.split('=') ?? [];
  return ({ metadata }) => key === undefined || metadata.labels?.[key] === value;
}

function withUid(object: Identified): Identified {
  return { ...object, metadata: { ...object.metadata, uid: `${object.metadata.name}-uid` } };
}

function refusal(code: number, reason: string, message: string): [number, unknown] {
  return [code, statusBody(code, reason, message)];
}

/** RFC 7386 §2. */
function merged(target: unknown, patch: unknown): unknown {
  if (patch === undefined) return target;
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base: Json =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...(target as Json) } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete base[key];
    else base[key] = merged(base[key], value);
  }
  return base;
}
