import { appendFileSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { KubeClient } from '../../kube/client.ts';
import { EVENTS, HOSTS, MACHINES, SECRETS, type Identified, type Resource, type Secret } from '../../kube/resource.ts';

const RETRY_MS = 200;
/** Keys of Secrets that everybody may know. */
const PUBLIC_KEYS = new Set(['username', 'format', 'ca.crt', 'tls.crt', 'spec']);

/**
 * Sees all that happens in a namespace while a test runs: every Secret (tokens, nonces, passwords, bootstrap data; what
 * each is, by its text), and every version of what people can read: hosts, machines, events, and what else is noted.
 * For the search at the end.
 */
export class Witness {
  readonly secrets = new Map<string, string>();
  /** What was seen, one JSON text a line. */
  readonly seenFile: string;
  readonly #file: number;
  readonly #kube: KubeClient;
  readonly #namespace: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];

  constructor(kube: KubeClient, namespace: string, dataFolder: string) {
    this.#kube = kube;
    this.#namespace = namespace;
    const folder = path.join(dataFolder, 'witness');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.seenFile = path.join(folder, `${namespace}-${process.hrtime.bigint()}.seen`);
    this.#file = openSync(this.seenFile, 'a', 0o600);
  }

  start(): void {
    this.#running.push(
      this.#follow(SECRETS, (secret) => this.#learn(secret)),
      ...[HOSTS, MACHINES, EVENTS].map((resource) =>
        this.#follow<Identified>(resource, (object) => this.note(resource.plural, object)),
      ),
    );
  }

  /** Keeps something that people can read, such as the body of an error. */
  note(place: string, what: unknown): void {
    writeSync(this.#file, `${JSON.stringify({ place, what })}\n`);
  }

  /** Of what kinds the things are in which a text was seen. */
  seenWith(text: string): Set<string> {
    const lines = readFileSync(this.seenFile, 'utf8').split('\n');
    return new Set(
      lines.filter((line) => line.includes(text)).map((line) => (JSON.parse(line) as { place: string }).place),
    );
  }

  /** Learns what is new to it, and stops. What it knows is left for the last test of the run. */
  async stop(): Promise<void> {
    const { items } = await this.#kube.list(SECRETS, { namespace: this.#namespace });
    for (const secret of items) this.#learn(secret);
    this.#stop.abort();
    await Promise.all(this.#running);
    const folder = path.dirname(this.seenFile);
    for (const known of this.secrets)
      appendFileSync(path.join(folder, 'secrets.jsonl'), `${JSON.stringify(known)}\n`, { mode: 0o600 });
  }

  #learn({ metadata: { name }, data = {} }: Secret): void {
    for (const [key, value] of Object.entries(data)) {
      if (PUBLIC_KEYS.has(key)) continue;
      const text = Buffer.from(value, 'base64').toString('utf8');
      const kind = `${key} of Secret ${this.#namespace}/${name}`;
      this.secrets.set(text.trim(), kind);
      // Of bootstrap data each line counts; a kubeconfig has lines that are no secret.
      if (key !== 'value' || name.endsWith('-kubeconfig')) continue;
      for (const line of text.split('\n')) if (line.trim().length >= 24) this.secrets.set(line.trim(), kind);
    }
  }

  async #follow<T extends Identified>(resource: Resource<T>, see: (object: T) => void): Promise<void> {
    const { signal } = this.#stop;
    const namespace = this.#namespace;
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        if (version === undefined) {
          const { items, resourceVersion } = await this.#kube.list(resource, { namespace, signal });
          items.forEach(see);
          version = resourceVersion;
        }
        const watch = this.#kube.watch(resource, { namespace, resourceVersion: version, signal, timeoutSeconds: 300 });
        for await (const { type, object } of watch) {
          version = object.metadata.resourceVersion ?? version;
          if (type !== 'BOOKMARK') see(object);
        }
      } catch (error) {
        if ((error as { status?: number }).status === 410) version = undefined;
      }
      // The API server may be away: a test has stopped it.
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** What all witnesses of this run have learnt and seen so far. */
export function testimony(dataFolder: string): { secrets: Map<string, string>; seenFiles: string[] } {
  const folder = path.join(dataFolder, 'witness');
  const lines = readFileSync(path.join(folder, 'secrets.jsonl'), 'utf8').trim().split('\n');
  return {
    secrets: new Map(lines.map((line) => JSON.parse(line) as [string, string])),
    seenFiles: readdirSync(folder)
      .filter((name) => name.endsWith('.seen'))
      .map((name) => path.join(folder, name)),
  };
}
