import type { ServerResponse } from 'node:http';
import { json, statusBody, type Received } from '../kube/httpServer.ts';

export interface Item {
  metadata: { namespace: string; name: string; uid: string; resourceVersion: string; labels?: Record<string, string> };
  spec: { text?: string };
}

/** One kind as an API server serves it: versions, pages, watches from a version; and what can go wrong with them. */
export class FakeApi {
  readonly items = new Map<string, Item>();
  readonly watches = new Set<ServerResponse>();
  readonly lists: URLSearchParams[] = [];
  readonly watchVersions: string[] = [];
  /** Answers a request in place of the fake; false: the fake answers. */
  fault: (request: Received, response: ServerResponse) => boolean = () => false;
  #version = 100;
  #log: { version: number; line: string }[] = [];

  readonly handler = (request: Received, response: ServerResponse): void => {
    const isWatch = request.query.get('watch') === 'true';
    if (isWatch) this.watchVersions.push(request.query.get('resourceVersion') ?? '');
    else this.lists.push(request.query);
    if (this.fault(request, response)) return;
    if (isWatch) this.#watch(request, response);
    else this.#list(request, response);
  };

  put(name: string, text: string, tell = true): void {
    const known = this.items.get(name);
    this.#version += 1;
    const metadata = { namespace: 'ns', name, uid: known?.metadata.uid ?? `uid-${this.#version}` };
    const item = { metadata: { ...metadata, resourceVersion: String(this.#version) }, spec: { text } };
    this.items.set(name, item);
    if (tell) this.#tell(known ? 'MODIFIED' : 'ADDED', item);
  }

  remove(name: string, tell = true): void {
    const item = this.items.get(name);
    this.items.delete(name);
    this.#version += 1;
    if (item && tell)
      this.#tell('DELETED', { ...item, metadata: { ...item.metadata, resourceVersion: String(this.#version) } });
  }

  /** Writes a raw line to every open watch. */
  say(line: string): void {
    for (const watch of this.watches) watch.write(line);
  }

  /** The object of a bookmark at the newest version. */
  bookmark(): object {
    return { metadata: { resourceVersion: String(this.#version) } };
  }

  endWatches(): void {
    for (const watch of this.watches) watch.end();
    this.watches.clear();
  }

  #tell(type: string, object: Item): void {
    const line = `${JSON.stringify({ type, object })}\n`;
    this.#log.push({ version: this.#version, line });
    this.say(line);
  }

  #list(request: Received, response: ServerResponse): void {
    const limit = Number(request.query.get('limit') ?? 1e9);
    const from = Number(request.query.get('continue') ?? 0);
    const items = [...this.items.values()];
    const more = from + limit < items.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(this.#version), ...more };
    json(response, 200, { metadata, items: items.slice(from, from + limit) });
  }

  #watch(request: Received, response: ServerResponse): void {
    const from = Number(request.query.get('resourceVersion'));
    response.writeHead(200);
    response.flushHeaders();
    this.watches.add(response);
    response.on('close', () => this.watches.delete(response));
    for (const { version, line } of this.#log) if (version > from) response.write(line);
  }
}

export function gone(response: ServerResponse): true {
  json(response, 410, statusBody(410, 'Expired', 'too old'));
  return true;
}
