import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { ObjectMeta } from '../../../crds/object.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { KubeError } from '../../../kube/error.ts';
import type { Identified, Resource } from '../../../kube/resource.ts';
import { startWeb, type Web, type WebDependencies, type WebKube, type WebOptions } from '../../../web/server/index.ts';
import type { EndedRun, Failed, LastRun, Runs, Timed } from '../../../web/server/runs.ts';
import { WebClient } from '../../support/webClient.ts';

type Change<T> = { readonly type: 'added' | 'updated' | 'deleted'; readonly object: T };

/** A watch cache that the test changes. */
export class FakeCache<T extends Identified> {
  readonly #objects = new Map<string, T>();
  readonly #handlers = new Set<(change: Change<T>) => void>();
  #version = 1;

  put(object: T): T {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const type = this.#objects.has(key) ? 'updated' : 'added';
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version++) } };
    this.#objects.set(key, stored);
    for (const handler of this.#handlers) handler({ type, object: stored });
    return stored;
  }

  remove(namespace: string, name: string): void {
    const object = this.#objects.get(`${namespace}/${name}`);
    this.#objects.delete(`${namespace}/${name}`);
    if (object) for (const handler of this.#handlers) handler({ type: 'deleted', object });
  }

  get = (namespace: string, name: string) => this.#objects.get(`${namespace}/${name}`);
  list = () => [...this.#objects.values()];
  byIndex = (_index: string, value: string) =>
    this.list().filter((object) => {
      const { consumerRef } = (object as unknown as Partial<PhysicalHost>).spec ?? {};
      return `${consumerRef?.namespace}/${consumerRef?.name}` === value;
    });
  onChange = (handler: (change: Change<T>) => void) => {
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  };
}

export interface AskedAccess {
  readonly user: string;
  readonly verb: string;
  readonly resource: string;
  readonly namespace?: string;
}

/** Runs that the test makes up. */
export class FakeRuns implements Runs {
  last_: LastRun | undefined;
  failed: Failed[] = [];
  timed: Timed[] = [];
  cancelled: string[] = [];
  isOpen = true;
  error: Error | undefined;
  asked = 0;

  last = () => (this.error ? Promise.reject(this.error) : Promise.resolve(this.last_));
  cancel = ({ namespace, name }: { namespace: string; name: string }) => {
    this.cancelled.push(`${namespace}/${name}`);
    return Promise.resolve(this.isOpen);
  };
  ended = (how: 'Completed' | 'Failed'): Promise<EndedRun[]> => {
    this.asked += 1;
    return this.error ? Promise.reject(this.error) : Promise.resolve(how === 'Failed' ? this.failed : this.timed);
  };
  failuresOf = () => Promise.resolve(this.failed);
  timesOf = () => Promise.resolve(this.timed);
}

/** The server of the page on a free port, over an API server in memory that knows tokens and rights. */
export class WebScene {
  readonly hosts = new FakeCache<PhysicalHost>();
  readonly machines = new FakeCache<Beskar7Machine>();
  readonly runs = new FakeRuns();
  /** Tokens that count, and whose they are. */
  readonly users = new Map<string, string>();
  /** What is allowed, as `user verb resource namespace`; `*` is any namespace. */
  readonly rights = new Set<string>();
  readonly asked: AskedAccess[] = [];
  readonly events: string[] = [];
  readonly logs: string[] = [];
  readonly patches: { readonly as: string; readonly name: string; readonly patch: object }[] = [];
  /** Of the API server; undefined: it works. */
  outage: KubeError | undefined;
  tokenReviews = 0;
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-page-'));
  #web: Web | undefined;

  async start(options: Partial<WebOptions> = {}): Promise<WebClient> {
    const dist = path.join(this.#folder, 'dist');
    mkdirSync(path.join(dist, 'assets'), { recursive: true });
    writeFileSync(path.join(dist, 'index.html'), '<!doctype html><title>page</title>');
    writeFileSync(path.join(dist, 'assets', 'page-1a2b.js'), 'console.log(1);'.repeat(100));
    const log = (level: string) => (fields: unknown, message?: string) =>
      void this.logs.push(
        `${level} ${message ?? ''} ${JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.message : value))}`,
      );
    const deps: WebDependencies = {
      kube: this.kubeOf('beskar7'),
      asHolderOf: (token, act) => act(this.kubeOf(this.users.get(token) ?? 'nobody')),
      hosts: this.hosts,
      machines: this.machines,
      runs: this.runs,
      recorder: {
        event: (object, _type, reason, message) =>
          void this.events.push(`${object.metadata.name} ${reason} ${message}`),
      },
      logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    };
    this.#web = await startWeb(deps, {
      bindAddress: { host: '127.0.0.1', port: 0 },
      auth: 'token',
      trustedProxies: [],
      version: '0.0.0-test',
      distFolder: dist,
      kubectl: 'kubectl',
      temporalCli: 'temporal',
      temporalNamespace: 'beskar7',
      ...options,
    });
    return new WebClient(this.#web.url);
  }

  /** A client that has logged in. */
  async loggedIn(token: string): Promise<WebClient> {
    const client = new WebClient(this.#web?.url ?? '');
    const { status } = await client.logIn(token);
    if (status !== 200) throw new Error(`log-in: ${status}`);
    return client;
  }

  async stop(): Promise<void> {
    await this.#web?.stop();
    rmSync(this.#folder, { recursive: true });
  }

  /** A user with rights, by the token `token-<name>`. */
  user(name: string, ...rights: string[]): string {
    const token = `token-${name}`;
    this.users.set(token, name);
    for (const right of rights) this.rights.add(`${name} ${right}`);
    return token;
  }

  kubeOf(as: string): WebKube {
    const cacheOf = (resource: Resource) => (resource.plural === 'physicalhosts' ? this.hosts : this.machines);
    const get = (resource: Resource, namespace: string, name: string) => {
      if (this.outage) return Promise.reject(this.outage);
      const isKnown = ['physicalhosts', 'beskar7machines'].includes(resource.plural);
      const object = isKnown ? cacheOf(resource).get(namespace, name) : undefined;
      if (object) return Promise.resolve(object);
      return Promise.reject(
        new KubeError(
          { verb: 'get', resource: resource.plural, namespace, name },
          { status: 404, reason: 'NotFound', message: 'not found' },
        ),
      );
    };
    const mergePatch = (_resource: Resource, _namespace: string, name: string, patch: object) => {
      this.patches.push({ as, name, patch });
      return Promise.resolve({});
    };
    const create = (resource: Resource, object: { spec: Record<string, unknown> }) => {
      if (this.outage) return Promise.reject(this.outage);
      if (resource.plural === 'tokenreviews') return Promise.resolve(this.#reviewToken(String(object.spec['token'])));
      return Promise.resolve(this.#reviewAccess(object.spec));
    };
    const list = () => Promise.resolve({ items: [], resourceVersion: '1' });
    return { get, mergePatch, create, list } as unknown as WebKube;
  }

  #reviewToken(token: string): object {
    this.tokenReviews += 1;
    const username = this.users.get(token);
    return {
      status:
        username === undefined ? { authenticated: false } : { authenticated: true, user: { username, groups: ['g'] } },
    };
  }

  #reviewAccess(spec: Record<string, unknown>): object {
    const { verb, resource, namespace } = spec['resourceAttributes'] as AskedAccess;
    const user = String(spec['user']);
    this.asked.push({ user, verb, resource, ...(namespace === undefined ? {} : { namespace }) });
    const allowed =
      this.rights.has(`${user} ${verb} ${resource} *`) || this.rights.has(`${user} ${verb} ${resource} ${namespace}`);
    return { status: { allowed } };
  }
}

export function host(
  name: string,
  over: Partial<Omit<PhysicalHost, 'metadata'>> & { namespace?: string; metadata?: Partial<ObjectMeta> } = {},
): PhysicalHost {
  const { namespace = 'default', ...rest } = over;
  return {
    metadata: {
      namespace,
      name,
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: '2026-11-23T12:00:00Z',
      ...rest.metadata,
    },
    spec: { redfishConnection: { address: 'https://10.0.0.1', credentialsSecretRef: 'bmc' }, ...rest.spec },
    status: { state: 'Available', ...rest.status },
  };
}

export function machine(
  name: string,
  phase: NonNullable<Beskar7Machine['status']>['phase'] = 'Failed',
  namespace = 'default',
): Beskar7Machine {
  return {
    metadata: { namespace, name, uid: `uid-${name}`, resourceVersion: '1', creationTimestamp: '2026-11-23T12:00:00Z' },
    spec: { targetOSImage: 'http://images.example/os.tar.gz' },
    status: phase === undefined ? {} : { phase },
  };
}
