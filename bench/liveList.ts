import type { KubeClient } from '../kube/client.ts';
import type { Identified, Resource } from '../kube/resource.ts';
import { orAborted, pause } from './waiting.ts';

const RETRY_MS = 200;
const WATCH_SECONDS = 1_800;

/** Told of every change; undefined: the object is gone. */
export type ChangeObserver<T> = (name: string, object: T | undefined) => void;

/**
 * The objects of one kind in one namespace as a watch tells them, at once and in order. A watch that breaks is started
 * again with a list; `interruptions` says how often, since changes in between are not seen.
 */
export class LiveList<T extends Identified> {
  readonly objects = new Map<string, T>();
  interruptions = 0;
  readonly #observers = new Set<ChangeObserver<T>>();
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  readonly #kube: KubeClient;
  readonly #resource: Resource<T>;
  readonly #namespace: string;

  constructor(kube: KubeClient, resource: Resource<T>, namespace: string) {
    this.#kube = kube;
    this.#resource = resource;
    this.#namespace = namespace;
  }

  /** Resolves when the first list is in. */
  async start(): Promise<void> {
    const version = await this.#list();
    this.#running = this.#follow(version);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the watch is over'));
    await this.#running;
  }

  onChange(observer: ChangeObserver<T>): void {
    this.#observers.add(observer);
  }

  /**
   * Resolves true as soon as `isSo` holds (asked at each change), false after `timeoutMs`; rejects when the signal
   * aborts.
   */
  async until(isSo: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    let observer: ChangeObserver<T> | undefined;
    const outcome = new Promise<boolean>((resolve) => {
      observer = () => {
        if (isSo()) resolve(true);
      };
      this.#observers.add(observer);
      timer = setTimeout(() => resolve(isSo()), timeoutMs);
      if (isSo()) resolve(true);
    });
    try {
      return await orAborted(outcome, signal);
    } finally {
      clearTimeout(timer);
      if (observer) this.#observers.delete(observer);
    }
  }

  async #list(): Promise<string> {
    const { items, resourceVersion } = await this.#kube.list(this.#resource, { namespace: this.#namespace });
    const names = new Set(items.map((item) => item.metadata.name));
    for (const name of this.objects.keys()) if (!names.has(name)) this.#change(name, undefined);
    for (const item of items) this.#change(item.metadata.name, item);
    return resourceVersion;
  }

  async #follow(from: string): Promise<void> {
    const { signal } = this.#stop;
    let version = from;
    while (!signal.aborted) {
      try {
        const options = { namespace: this.#namespace, timeoutSeconds: WATCH_SECONDS, signal };
        for await (const event of this.#kube.watch(this.#resource, { ...options, resourceVersion: version })) {
          version = event.object.metadata.resourceVersion ?? version;
          if (event.type === 'BOOKMARK') continue;
          this.#change(event.object.metadata.name, event.type === 'DELETED' ? undefined : event.object);
        }
      } catch {
        if (signal.aborted) return;
        this.interruptions += 1;
        await pause(RETRY_MS, signal).catch(() => undefined);
        version = await this.#list().catch(() => version);
      }
    }
  }

  #change(name: string, object: T | undefined): void {
    if (object === undefined) this.objects.delete(name);
    else this.objects.set(name, object);
    for (const observer of this.#observers) observer(name, object);
  }
}
