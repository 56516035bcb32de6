import type { KubeConfig } from '@kubernetes/client-node';
import { ClockSkew } from './clockSkew.ts';
import { Connection } from './connection.ts';
import { isKindAbsent, isNotFound, KubeError } from './error.ts';
import type { New } from '../crds/object.ts';
import { apiVersionOf, resourcePath, type Identified, type Resource } from './resource.ts';
import { Transport, type CallObserver } from './transport.ts';
import type { WatchEvent } from './watchStream.ts';

/** Any part of an object. */
export type DeepPartial<T> = T extends (infer Item)[]
  ? Item[]
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/** Limits of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** The deadline of the whole call: waiting for a connection, repeats and the body included. */
  readonly timeoutMs?: number;
}

/** Query of a list, as the Kubernetes API names it; `limit` and `continue` page through it. */
export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string;
}

/** Query of a watch; events later than `resourceVersion` are sent. */
export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly resourceVersion: string;
  /** When the API server ends the watch. */
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  /** Called once the API server has accepted the watch, before the first event. */
  readonly onOpen?: () => void;
}

/** A list, or a page of it. `continue` is the token of the next page, absent on the last one. */
export interface List<T> {
  items: T[];
  resourceVersion: string;
  continue?: string;
}

/** How a client introduces itself, its default deadline, and who is told of its calls. */
export interface ClientOptions {
  /** Told with every request: the API server's metrics and audit log group by it. */
  readonly userAgent: string;
  /** Default deadline of a call, 30 s. */
  readonly timeoutMs?: number;
  readonly onCall?: CallObserver;
}

/**
 * The Kubernetes API for a few kinds. Every failure is a `KubeError`. Each call has a deadline; a GET is repeated on
 * transport errors and 5xx, a changing call only on 429 (which the API server did not carry out).
 */
export class KubeClient {
  readonly #transport: Transport;
  /** The version that the API server serves of a kind with `olderVersions`: by group and plural. */
  readonly #served = new Map<string, string>();
  /** How far this process's clock is from the API server's, by its answers. */
  readonly clock: ClockSkew;

  constructor(transport: Transport, clock = new ClockSkew()) {
    this.#transport = transport;
    this.clock = clock;
  }

  /**
   * A client for the current context. Throws when the kubeconfig names no usable cluster; connects at the first call
   * only.
   */
  static fromConfig(config: KubeConfig, options: ClientOptions): KubeClient {
    const clock = new ClockSkew();
    return new KubeClient(new Transport(new Connection(config), { ...options, clock }), clock);
  }

  /** Reads one object live. Throws NotFound. */
  get<T extends Identified>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    options: CallOptions = {},
  ): Promise<T> {
    const subject = { verb: 'get', resource: resource.plural, namespace, name };
    return this.#asServed(resource, (served) =>
      this.#transport.call<T>({ ...options, subject, method: 'GET', path: resourcePath(served, namespace, name) }),
    );
  }

  /** One page of a kind. `continue` is there when there are more. Throws 410 when `continue` is too old. */
  list<T extends Identified>(resource: Resource<T>, options: ListOptions = {}): Promise<List<T>> {
    return this.#asServed(resource, (served) => this.#list(served, options));
  }

  /**
   * Tries the versions of a kind until one is served, that of the last time first: `KindNotServed` of one says nothing
   * of the others.
   */
  async #asServed<T extends Identified, R>(
    resource: Resource<T>,
    call: (served: Resource<T>) => Promise<R>,
  ): Promise<R> {
    const { olderVersions } = resource;
    if (olderVersions === undefined) return call(resource);
    const first = this.#servedVersion(resource);
    const versions = [first.version, ...[resource.version, ...olderVersions].filter((one) => one !== first.version)];
    for (const [index, version] of versions.entries()) {
      try {
        const result = await call({ ...resource, version });
        this.#served.set(`${resource.group}/${resource.plural}`, version);
        return result;
      } catch (error) {
        if (isNotFound(error)) this.#served.set(`${resource.group}/${resource.plural}`, version);
        if (!isKindAbsent(error) || index === versions.length - 1) throw error;
      }
    }
    throw new TypeError(`${resource.kind} has no version`);
  }

  #servedVersion<T extends Identified>(resource: Resource<T>): Resource<T> {
    return { ...resource, version: this.#served.get(`${resource.group}/${resource.plural}`) ?? resource.version };
  }

  async #list<T extends Identified>(resource: Resource<T>, options: ListOptions): Promise<List<T>> {
    const { namespace, labelSelector, fieldSelector, limit, resourceVersion } = options;
    const query = { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion };
    const body = await this.#transport.call<{
      metadata?: { resourceVersion?: string; continue?: string };
      items?: T[];
    }>({
      ...options,
      subject: { verb: 'list', resource: resource.plural, namespace },
      method: 'GET',
      path: resourcePath(resource, namespace),
      query,
    });
    const more = body.metadata?.continue;
    return {
      // Items of built-in kinds come without apiVersion and kind.
      items: (body.items ?? []).map((item) => Object.assign(item, typeMeta(resource))),
      resourceVersion: body.metadata?.resourceVersion ?? '',
      ...(more ? { continue: more } : {}),
    };
  }

  /** Creates an object in its own namespace. Throws AlreadyExists. */
  create<T extends Identified>(resource: Resource<T>, object: New<T>, options: CallOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata;
    return this.#transport.call<T>({
      ...options,
      subject: { verb: 'create', resource: resource.plural, namespace, name },
      method: 'POST',
      path: resourcePath(resource, namespace),
      body: { ...typeMeta(resource), ...object },
      contentType: 'application/json',
    });
  }

  /**
   * JSON merge patch (RFC 7386). Put `metadata.resourceVersion` and `metadata.uid` into the patch to make it a
   * compare-and-swap: throws Conflict when another one was first.
   */
  mergePatch<T extends Identified>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    patch: object,
    options: CallOptions & { subresource?: 'status' } = {},
  ): Promise<T> {
    const { subresource, ...rest } = options;
    return this.#transport.call<T>({
      ...rest,
      subject: { verb: 'patch', resource: plural(resource, subresource), namespace, name },
      method: 'PATCH',
      path: resourcePath(resource, namespace, name, subresource),
      body: patch,
      contentType: 'application/merge-patch+json',
    });
  }

  /**
   * Server-side apply on `/status`: what this field manager wrote before and leaves out now is removed. Put
   * `metadata.resourceVersion` in as well where another object of the same name must not be written: on `/status` the
   * API server does not compare the uid (seen with 1.36). Without it such a write is found out afterwards, and thrown
   * as Conflict. Refuses an object without `metadata.uid` (rule 19).
   */
  async applyStatus<T extends Identified>(
    resource: Resource<T>,
    object: DeepPartial<T>,
    options: CallOptions & { fieldManager: string; force?: boolean },
  ): Promise<T> {
    const { fieldManager, force = false, ...rest } = options;
    const { namespace, name, uid } = (object as DeepPartial<Identified>).metadata ?? {};
    if (!name || !uid || (resource.namespaced && !namespace)) {
      throw new TypeError(
        `status of ${resource.kind} ${namespace ?? ''}/${name ?? ''} is not applied: name, namespace or uid is missing`,
      );
    }
    const subject = { verb: 'apply', resource: plural(resource, 'status'), namespace, name };
    const written = await this.#transport.call<T>({
      ...rest,
      subject,
      method: 'PATCH',
      path: resourcePath(resource, namespace, name, 'status'),
      query: { fieldManager, force },
      body: { ...typeMeta(resource), ...object },
      contentType: 'application/apply-patch+yaml',
    });
    if (written.metadata.uid === uid) return written;
    const message = `another object has this name now (uid ${written.metadata.uid ?? 'unknown'}, not ${uid})`;
    throw new KubeError(subject, { status: 409, reason: 'Conflict', message });
  }

  /** Deletes an object; one that is gone already is fine. With a precondition that does not hold: throws Conflict. */
  async delete(
    resource: Resource,
    namespace: string,
    name: string,
    options: CallOptions & { uid?: string; resourceVersion?: string } = {},
  ): Promise<void> {
    const { uid, resourceVersion, ...rest } = options;
    const preconditions = {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    try {
      await this.#transport.call({
        ...rest,
        subject: { verb: 'delete', resource: resource.plural, namespace, name },
        method: 'DELETE',
        path: resourcePath(resource, namespace, name),
        body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions },
        contentType: 'application/json',
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /**
   * Events after a resourceVersion, bookmarks included, until the API server ends the watch (then the iteration ends).
   * Throws 410 when the version is too old, `InvalidResponse` on a broken line, `Unreachable` on a dropped connection,
   * `Aborted` by the signal.
   */
  watch<T extends Identified>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    const { namespace, labelSelector, resourceVersion, timeoutSeconds, signal, onOpen } = options;
    return this.#transport.watch<T>({
      subject: { verb: 'watch', resource: resource.plural, namespace },
      path: resourcePath(this.#servedVersion(resource), namespace),
      query: { watch: true, allowWatchBookmarks: true, labelSelector, resourceVersion, timeoutSeconds },
      signal,
      ...(onOpen === undefined ? {} : { onOpen }),
    });
  }

  /** Ends connections; calls in flight fail. */
  close(): Promise<void> {
    return this.#transport.close();
  }
}

function typeMeta(resource: Resource): { apiVersion: string; kind: string } {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind };
}

function plural(resource: Resource, subresource: string | undefined): string {
  return subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
}
