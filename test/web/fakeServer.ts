import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import type { Change, HostRow, MachineRow, Session } from '../../web/shared/api.ts';
import { failures, hostDetail, hostRow, machineDetail, machineRow } from './fakeFleet.ts';

const DIST = path.join(process.cwd(), 'web', 'dist');
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
/** Rows in one `snapshot` event. */
const SNAPSHOT_ROWS = 1000;

/** Builds the page when its sources changed; in a process of its own, for Vite is ESM and Jest's modules are not. */
export function ensurePageBuilt(): void {
  const done = spawnSync(process.execPath, ['tools/commands/webBuild.ts', '--if-changed'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (done.status !== 0) throw new Error(`the page does not build: ${done.stderr}${done.stdout}`);
}

interface Options {
  readonly hosts: HostRow[];
  readonly machines: MachineRow[];
  /** When given, a log-in with this token is asked for. */
  readonly token?: string;
}

/**
 * A server that speaks web/shared/api.ts out of memory, over real HTTP, with the Content-Security-Policy of the real
 * one.
 */
export class FakeServer {
  readonly hosts: Map<string, HostRow>;
  readonly machines: Map<string, MachineRow>;
  /** Actions that were posted: `machines/default/worker-1/cancel`, with the body. */
  readonly actions: { path: string; body: unknown; csrf: string | undefined }[] = [];
  /** `Last-Event-ID` or `after` of each stream that was opened. */
  readonly resumedFrom: (string | undefined)[] = [];
  /** The next streams are refused so many times, with 503, as by a server that is not ready. */
  refusals = 0;
  /** So many pictures of the fleet end after their first part. */
  cutSnapshots = 0;
  url = '';
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #history: { id: number; change: Change }[] = [];
  readonly #token: string | undefined;
  #isLoggedIn: boolean;
  #lastId = 1;

  constructor({ hosts, machines, token }: Options) {
    this.hosts = new Map(hosts.map((row) => [`${row.namespace}/${row.name}`, row]));
    this.machines = new Map(machines.map((row) => [`${row.namespace}/${row.name}`, row]));
    this.#token = token;
    this.#isLoggedIn = token === undefined;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
    return this;
  }

  async stop(): Promise<void> {
    this.dropStreams();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Changes rows and tells every open stream. */
  change(change: Change): void {
    for (const row of change.hosts ?? []) this.hosts.set(`${row.namespace}/${row.name}`, row);
    for (const row of change.machines ?? []) this.machines.set(`${row.namespace}/${row.name}`, row);
    for (const { namespace, name } of change.goneHosts ?? []) this.hosts.delete(`${namespace}/${name}`);
    this.#lastId += 1;
    this.#history.push({ id: this.#lastId, change });
    for (const stream of this.#streams) this.#write(stream, 'change', change, this.#lastId);
  }

  /** Tells every open stream that it lives. */
  beat(): void {
    for (const stream of this.#streams) stream.write('event: beat\ndata: {}\n\n');
  }

  /** Ends every open stream, as a restart of the server does. */
  dropStreams(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  endSession(): void {
    this.#isLoggedIn = false;
    this.dropStreams();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const parts = url.pathname.split('/').filter(Boolean);
    response.setHeader('Content-Security-Policy', "default-src 'self'; frame-ancestors 'none'; base-uri 'none'");
    if (parts[0] !== 'api') return this.#file(url.pathname, response);
    const body: unknown = request.method === 'POST' ? await bodyOf(request) : undefined;
    if (parts[1] === 'session') return json(response, 200, this.#session());
    if (parts[1] === 'login') {
      if ((body as { token: string }).token !== this.#token)
        return json(response, 401, { error: 'The API server does not accept this token.' });
      this.#isLoggedIn = true;
      return json(response, 200, this.#session());
    }
    if (!this.#isLoggedIn) return json(response, 401, { error: 'Log in first.' });
    if (parts[1] === 'logout') {
      this.#isLoggedIn = false;
      return json(response, 200, {});
    }
    if (parts[1] === 'events') return this.#stream(request, url, response);
    if (parts[1] === 'failures') return json(response, 200, failures());
    const [, kind = '', namespace = '', name = '', action] = parts;
    const key = `${namespace}/${name}`;
    if (request.method === 'POST' && action) {
      const csrf = request.headers['x-csrf-token'];
      this.actions.push({
        path: `${kind}/${key}/${action}`,
        body,
        csrf: Array.isArray(csrf) ? csrf[0] : csrf,
      });
      return json(response, 202, { message: `Asked for: ${action} of ${key}.` });
    }
    const host = kind === 'hosts' ? this.hosts.get(key) : undefined;
    if (host) return json(response, 200, hostDetail(host));
    const machine = kind === 'machines' ? this.machines.get(key) : undefined;
    if (machine) return json(response, 200, machineDetail(machine));
    return json(response, 404, { error: `There is no ${kind} ${key}.` });
  }

  #session(): Session {
    return {
      isLoginRequired: this.#token !== undefined,
      ...(this.#token !== undefined && this.#isLoggedIn ? { user: 'alice@example.com' } : {}),
      csrfToken: 'csrf-1',
      version: 'test',
    };
  }

  #stream(request: IncomingMessage, url: URL, response: ServerResponse): void {
    const after = request.headers['last-event-id']?.toString() ?? url.searchParams.get('after') ?? undefined;
    if (this.refusals > 0) {
      this.refusals -= 1;
      return json(response, 503, { error: 'not ready' });
    }
    this.resumedFrom.push(after);
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write('retry: 100\n\n');
    if (after === undefined) {
      if (this.cutSnapshots > 0) {
        // The first part of a picture, and no more of it.
        this.cutSnapshots -= 1;
        this.#write(response, 'snapshot', { hosts: [], machines: [], isFirst: true, isLast: false }, undefined);
        response.end();
        return;
      }
      const hosts = [...this.hosts.values()];
      const machines = [...this.machines.values()];
      for (let at = 0; at === 0 || at < hosts.length; at += SNAPSHOT_ROWS)
        this.#write(
          response,
          'snapshot',
          {
            hosts: hosts.slice(at, at + SNAPSHOT_ROWS),
            machines: at === 0 ? machines : [],
            isFirst: at === 0,
            isLast: at + SNAPSHOT_ROWS >= hosts.length,
          },
          at + SNAPSHOT_ROWS >= hosts.length ? this.#lastId : undefined,
        );
    } else {
      for (const { id, change } of this.#history) if (id > Number(after)) this.#write(response, 'change', change, id);
    }
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
  }

  #write(stream: ServerResponse, event: string, data: unknown, id: number | undefined): void {
    stream.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  async #file(pathname: string, response: ServerResponse): Promise<void> {
    const file = path.join(DIST, pathname === '/' ? 'index.html' : path.normalize(pathname));
    const bytes = await readFile(file).catch(() => undefined);
    response.writeHead(bytes ? 200 : 404, { 'Content-Type': TYPES[path.extname(file)] ?? 'text/plain' });
    response.end(bytes ?? 'not there');
  }
}

/** A fleet of `hosts` hosts with the machines on them, one that waits, and one that failed. */
export function fleetOf(hosts: number): Pick<Options, 'hosts' | 'machines'> {
  const rows = Array.from({ length: hosts }, (_, index) => hostRow(index));
  const machines = rows.flatMap((row, index) =>
    row.consumer ? [machineRow(index, row.state === 'Ready' ? 'Provisioned' : 'Inspecting')] : [],
  );
  return {
    hosts: rows,
    machines: [
      ...machines,
      machineRow(900_001, 'Pending', { name: 'late', reason: 'NoMatchingHost', message: 'no free host fits' }),
      machineRow(900_002, 'Failed', { name: 'broken', reason: 'BootFailed', message: 'rack1-08 did not switch on' }),
    ],
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text ? JSON.parse(text) : {};
}
