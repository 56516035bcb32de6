import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { SYSTEM, systemOf, TREE, type Json } from './model.ts';

/** One request, parsed. */
export interface Ask {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}

/** One answer; `body` is JSON unless it is text or bytes. */
export interface Say {
  readonly status: number;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: unknown;
}

/** An answer as it goes on the wire. */
export interface Wire {
  readonly line: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  readonly eol: string;
  readonly then: 'keep' | 'end' | 'reset';
}

/** What one kind of BMC does differently from a service by the book. */
export interface Habit {
  readonly name: string;
  /** Who does it, or who has told of it. */
  readonly of: string;
  /** Answers in place of the service. */
  answer?(ask: Ask, bmc: RawBmc): Say | 'reset' | undefined;
  /** Changes what a GET of a resource gives: the resource as it would be, and its path. */
  show?(resource: Json, path: string, bmc: RawBmc): unknown;
  /** Changes how an answer is written. */
  wire?(wire: Wire, say: Say, ask: Ask): Wire;
  /** Where it is right that our client does not do it, in words that say why. */
  readonly refuses?: Partial<Record<Step, RegExp>>;
  /** How the client is told to cope, as its operator would. */
  readonly options?: Json;
}

export const STEPS = ['read', 'pxe', 'on', 'off'] as const;
export type Step = (typeof STEPS)[number];

/** The same refusal of every step. */
export function refusesAll(why: RegExp): Record<Step, RegExp> {
  return { read: why, pxe: why, on: why, off: why };
}

export const USER = 'admin';
export const PASSWORD = 'Geheim-7';
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;
export const SESSIONS = '/redfish/v1/SessionService/Sessions';
export const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;
const PUBLIC = new Set(['/redfish', '/redfish/v1', '/redfish/v1/odata', '/redfish/v1/$metadata']);

/** A BMC on a raw socket with one habit: what no HTTP server of a library would send can be sent. */
export class RawBmc {
  readonly seen: Ask[] = [];
  readonly sessions = new Map<string, string>();
  readonly boot: Json = { BootSourceOverrideEnabled: 'Disabled', BootSourceOverrideTarget: 'None' };
  power = 'Off';
  readonly powers: string[] = [];
  /** Requests with name and password that were answered 401 or 403. */
  refusedLogins = 0;
  logins = 0;
  /** For habits that count. */
  readonly counts: Record<string, number> = {};
  port = 0;
  readonly #habit: Habit;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(habit: Habit) {
    this.#habit = habit;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** How often this was counted before. */
  count(what: string): number {
    const before = this.counts[what] ?? 0;
    this.counts[what] = before + 1;
    return before;
  }

  /** A session by the book. */
  openSession(headers: Say['headers'] = []): Say {
    this.logins += 1;
    const id = String(this.logins);
    this.sessions.set(id, `token-${id}`);
    const body = { '@odata.id': `${SESSIONS}/${id}`, Id: id, Name: 'Session', UserName: USER };
    return {
      status: 201,
      headers: [['X-Auth-Token', `token-${id}`], ['Location', `${SESSIONS}/${id}`], ...headers],
      body,
    };
  }

  /** What a service by the book answers. */
  byTheBook(ask: Ask): Say {
    const { method, headers } = ask;
    const path = strip(ask.path);
    if (method === 'POST' && path === SESSIONS) {
      if (ask.body['UserName'] === USER && ask.body['Password'] === PASSWORD) return this.openSession();
      return error(401, 'Base.1.8.ResourceAtUriUnauthorized', 'wrong');
    }
    const isOpen = method === 'GET' && PUBLIC.has(path);
    if (!isOpen && !this.isAuthorized(headers)) {
      return {
        ...error(401, 'Base.1.8.NoValidSession', 'who are you?'),
        headers: [['WWW-Authenticate', 'Basic realm="bmc"']],
      };
    }
    const session = /\/Sessions\/([^/]+)$/.exec(path)?.[1];
    if (method === 'DELETE' && session !== undefined) return { status: this.sessions.delete(session) ? 204 : 404 };
    if (method === 'PATCH' && path === SYSTEM) return this.setBoot(ask);
    if (method === 'POST' && path === RESET) return this.reset(ask);
    const resource = path === SYSTEM ? systemOf(this) : TREE[path];
    return method === 'GET' && resource !== undefined
      ? { status: 200, body: resource }
      : error(404, 'Base.1.8.ResourceMissingAtURI', `no ${path}`);
  }

  isAuthorized(headers: Ask['headers']): boolean {
    if (headers['authorization'] === BASIC) return true;
    return [...this.sessions.values()].includes(headers['x-auth-token'] ?? '');
  }

  setBoot({ body }: Ask): Say {
    Object.assign(this.boot, body['Boot']);
    return { status: 204 };
  }

  reset({ body }: Ask): Say {
    this.power = /Off|Shutdown/.test(String(body['ResetType'])) ? 'Off' : 'On';
    this.powers.push(this.power);
    return { status: 204 };
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      bytes = Buffer.concat([bytes, data]);
      for (let asked = parse(bytes); asked !== undefined; asked = parse(bytes)) {
        bytes = asked.rest;
        this.#reply(socket, asked.ask);
      }
    });
  }

  #reply(socket: Socket, ask: Ask): void {
    this.seen.push(ask);
    const say = this.#habit.answer?.(ask, this) ?? this.byTheBook(ask);
    if (say === 'reset') return void socket.resetAndDestroy();
    const isLogin = ask.method === 'POST' && strip(ask.path) === SESSIONS;
    const isRefused = say.status === 401 || say.status === 403;
    if (isRefused && (isLogin || ask.headers['authorization'] !== undefined)) this.refusedLogins += 1;
    const isShown = ask.method === 'GET' && say.status === 200 && typeof say.body === 'object';
    const body = isShown ? (this.#habit.show?.(clone(say.body), strip(ask.path), this) ?? say.body) : say.body;
    const plain = wireOf({ ...say, body });
    const wire = this.#habit.wire?.(plain, say, ask) ?? plain;
    const head = [wire.line, ...wire.headers.map(([name, value]) => (value === '' ? name : `${name}: ${value}`))];
    const written = Buffer.concat([Buffer.from(head.join(wire.eol) + wire.eol + wire.eol, 'latin1'), wire.body]);
    socket.write(written, () => {
      if (wire.then === 'end') socket.end();
      if (wire.then === 'reset') socket.resetAndDestroy();
    });
  }
}

/** An error as of DSP0266. */
export function error(status: number, MessageId: string, Message: string, more: Json = {}): Say {
  const info = { MessageId, Message, ...more };
  return { status, body: { error: { code: MessageId, message: Message, '@Message.ExtendedInfo': [info] } } };
}

/** A header of an answer, by its name in any case. */
export function without({ headers }: Wire, ...names: readonly string[]): Wire['headers'] {
  return headers.filter(([name]) => !names.includes(name.toLowerCase()));
}

export function strip(path: string): string {
  return path.replace(/\?.*$/s, '').replace(/(?<=.)\/+$/, '');
}

function clone(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

function wireOf({ status, headers = [], body }: Say): Wire {
  const bytes =
    body === undefined ? '' : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const content = Buffer.from(bytes);
  const type: readonly (readonly [string, string])[] =
    content.length === 0 ? [] : [['Content-Type', 'application/json']];
  const length: readonly (readonly [string, string])[] =
    status === 204 ? [] : [['Content-Length', String(content.length)]];
  const line = `HTTP/1.1 ${status} ${status < 300 ? 'OK' : 'No'}`;
  return { line, headers: [...type, ...headers, ...length], body: content, eol: '\r\n', then: 'keep' };
}

function parse(bytes: Buffer): { ask: Ask; rest: Buffer } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const [method = '', path = ''] = first.split(' ');
  const headers = Object.fromEntries(
    lines.map((line) => [line.split(':', 1)[0]?.toLowerCase() ?? '', line.replace(/^[^:]*:\s*/, '').trim()]),
  );
  const length = Number(headers['content-length'] ?? 0);
  const content = bytes.subarray(end + 4, end + 4 + length);
  if (content.length < length) return undefined;
  const body = content.length === 0 ? {} : (JSON.parse(content.toString()) as Json);
  return { ask: { method, path, headers, body }, rest: bytes.subarray(end + 4 + length) };
}
