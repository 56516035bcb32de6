import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { RedfishClient, type MutateOptions, type RedfishConnectionOptions } from '../../../redfish/index.ts';

export const PASSWORD = 'Geheim-7!/ü';
export const USER = 'operator';

export interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
  /** The stream that it came over: TLS where there is TLS. */
  socket?: Socket;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** JSON, or text as it is. */
  body?: unknown;
  /** Break the connection, or never answer. */
  instead?: 'reset' | 'hang';
  /** Answer with what this comes to, when it does. */
  later?: Promise<Answer>;
}

export type Handler = (seen: Seen, bmc: FakeBmc) => Answer | undefined;
type Json = Record<string, unknown>;

export const SYSTEM = '/redfish/v1/Systems/1';

/**
 * An in-process BMC of no vendor in particular; tests give it habits. Only requests it knows are answered, the rest is
 * 404.
 */
export class FakeBmc {
  readonly seen: Seen[] = [];
  connections = 0;
  /** Ends each connection after an answer, which does not announce it. */
  closesSilently = false;
  power: unknown = 'Off';
  boot: Json = { BootSourceOverrideEnabled: 'Disabled', BootSourceOverrideTarget: 'None' };
  extra: Json = {};
  resetTypes: unknown = ['On', 'ForceOff', 'GracefulShutdown', 'ForceRestart'];
  actionExtra: Json = {};
  members: string[] = [SYSTEM];
  /** Resources by path, beside the built-in ones. */
  readonly resources = new Map<string, unknown>();
  readonly sockets = new Set<Socket>();
  /** Looked at before the built-in behaviour, in order; the first answer counts. */
  readonly habits: Handler[] = [];
  #server: Server | undefined;
  address = '';

  async start(tls?: { key: string; cert: string }): Promise<this> {
    const listener = (request: IncomingMessage, response: ServerResponse): void => void this.#serve(request, response);
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.address = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => void this.#server?.close(() => resolve()));
  }

  /** A habit for one method and path, answering the next `times` requests. */
  on(method: string, path: string, answer: Answer | Handler, times = Number.POSITIVE_INFINITY): void {
    let left = times;
    this.habits.push((seen) => {
      if (seen.method !== method || seen.path !== path || left <= 0) return undefined;
      const given = typeof answer === 'function' ? answer(seen, this) : answer;
      if (given !== undefined) left -= 1;
      return given;
    });
  }

  /** What was sent of a method, or to a path of it. */
  sent(method: string, path?: string): Seen[] {
    return this.seen.filter((one) => one.method === method && (path === undefined || one.path === path));
  }

  /** Everything that would change a server. */
  get changes(): string[] {
    return this.seen
      .filter((one) => one.method !== 'GET')
      .map((one) => `${one.method} ${one.path} ${JSON.stringify(one.body)}`);
  }

  system(): Json {
    const action = { target: `${SYSTEM}/Actions/ComputerSystem.Reset`, ...this.actionExtra } as Json;
    if (this.resetTypes !== undefined) action['ResetType@Redfish.AllowableValues'] = this.resetTypes;
    return {
      '@odata.id': SYSTEM,
      Id: '1',
      Manufacturer: 'Acme',
      Model: 'Anvil 9000',
      SerialNumber: 'SN-1',
      PowerState: this.power,
      Boot: this.boot,
      Actions: { '#ComputerSystem.Reset': action },
      ...this.extra,
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const seen: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
      socket: request.socket,
    };
    this.seen.push(seen);
    const first = this.#answer(seen);
    const answer = (await first.later) ?? first;
    if (answer.instead === 'hang') return;
    if (answer.instead === 'reset') return void request.socket.destroy();
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
    const { body } = answer;
    response.end(
      body === undefined ? '' : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      () => this.closesSilently && request.socket.end(),
    );
  }

  #answer(seen: Seen): Answer {
    for (const habit of this.habits) {
      const answer = habit(seen, this);
      if (answer !== undefined) return answer;
    }
    return this.builtIn(seen);
  }

  builtIn(seen: Seen): Answer {
    const { method, path } = seen;
    if (method === 'GET') {
      if (this.resources.has(path)) return { body: this.resources.get(path) };
      if (path === '/redfish/v1/') return { body: { Systems: { '@odata.id': '/redfish/v1/Systems' } } };
      if (path === '/redfish/v1/Systems') {
        return { body: { Members: this.members.map((id) => ({ '@odata.id': id })) } };
      }
      if (path === SYSTEM) return { body: this.system() };
    }
    if (method === 'PATCH' && path === SYSTEM) {
      this.boot = { ...this.boot, ...((seen.body as { Boot?: Json }).Boot ?? {}) };
      return { status: 204 };
    }
    if (method === 'POST' && path === `${SYSTEM}/Actions/ComputerSystem.Reset`) {
      const type = String((seen.body as Json)['ResetType']);
      this.power = /Off|Shutdown/.test(type) ? 'Off' : 'On';
      return { status: 204 };
    }
    return { status: 404, body: extendedError('Base.1.8.ResourceMissingAtURI', `no ${path}`) };
  }
}

/** An error body as of DSP0266. */
export function extendedError(MessageId: string, Message: string, MessageArgs: string[] = []): Json {
  return {
    error: {
      code: 'Base.1.8.GeneralError',
      message: 'see',
      '@Message.ExtendedInfo': [{ MessageId, Message, MessageArgs }],
    },
  };
}

const stops: (() => Promise<unknown>)[] = [];

/** A running BMC, stopped by `stopAll`. */
export async function fakeBmc(habits: (bmc: FakeBmc) => void = () => undefined, tls?: { key: string; cert: string }) {
  const bmc = new FakeBmc();
  habits(bmc);
  await bmc.start(tls);
  stops.push(() => bmc.stop());
  return bmc;
}

/** A client of it, closed by `stopAll`. */
export function clientOf(bmc: FakeBmc, options: Partial<RedfishConnectionOptions> = {}): RedfishClient {
  const client = new RedfishClient({
    address: bmc.address,
    username: USER,
    password: PASSWORD,
    callTimeoutMs: 5_000,
    ...options,
  });
  stops.unshift(() => client.close());
  return client;
}

/** For `afterEach`. */
export async function stopAll(): Promise<void> {
  for (const stop of stops.splice(0)) await stop();
}

/** A fence that allows everything. */
export const allow: MutateOptions = { fence: () => Promise.resolve(() => undefined), userAgent: 'beskar7 (claim-1)' };

/** The error that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => new Error(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** Waits, for 2 s at most, until the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 2_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error('the awaited state did not come');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
