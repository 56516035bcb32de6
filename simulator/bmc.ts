import { setTimeout as delay } from 'node:timers/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { FaultSet, type Faults } from './faults.ts';
import type { FleetOptions } from './options.ts';
import type { PoweredServer } from './poweredServer.ts';
import type { Profile } from './profiles.ts';
import { Recorder } from './recorder.ts';
import type { RedfishAnswer } from './redfishAnswer.ts';
import { RedfishService } from './redfishService.ts';
import { SimulatedServer } from './server.ts';
import { Sessions } from './sessions.ts';
import { VirtualMachine } from './vm/virtualMachine.ts';

const BODY_LIMIT = 65_536;
const REOPEN_TRIES = 100;
const REOPEN_PAUSE_MS = 200;

/** One BMC with its own port, and the server behind it. */
export class Bmc {
  readonly name: string;
  readonly mac: string;
  readonly serial: string;
  readonly profile: Profile;
  readonly server: PoweredServer;
  readonly recorder: Recorder;
  readonly sessions: Sessions;
  readonly credentials: { username: string; password: string };
  readonly #options: FleetOptions;
  readonly #service: RedfishService;
  readonly #connectionIds = new WeakMap<Socket, number>();
  readonly #sockets = new Set<Socket>();
  /** Requests that have no answer yet. */
  readonly #unanswered = new Set<ServerResponse>();
  readonly #formerPasswords = new Set<string>();
  readonly #faults = new FaultSet(() => {
    this.#followRefusal().catch((error: Error) => this.server.say(`the BMC stays away: ${error.message}`));
  });
  #http: Server | undefined;
  #port = 0;
  #isStopped = false;
  #portChange: Promise<void> = Promise.resolve();

  constructor(index: number, profile: Profile, options: FleetOptions, random: () => number) {
    this.name = `sim-${String(index).padStart(4, '0')}`;
    this.mac = macOf(index);
    this.serial = `SN${String(options.seed).padStart(2, '0')}${String(index).padStart(6, '0')}`;
    this.profile = profile;
    this.#options = options;
    this.recorder = new Recorder(options.hosts);
    this.credentials = { username: options.username, password: options.password };
    this.sessions = new Sessions(profile.sessionSlots);
    const faults = this.#faults;
    const localAddress = options.ownSourceAddresses
      ? `127.${1 + (index >> 16)}.${(index >> 8) & 0xff}.${index & 0xff}`
      : undefined;
    const { name, mac, serial } = this;
    this.server = options.vm
      ? new VirtualMachine({ name, mac, serial, profile, options, vm: options.vm, faults, random })
      : new SimulatedServer({ mac, serial, profile, options, faults, localAddress, random });
    this.#service = new RedfishService({
      profile,
      server: this.server,
      sessions: this.sessions,
      credentials: this.credentials,
      formerPasswords: this.#formerPasswords,
      faults,
    });
  }

  get address(): string {
    return `http://${this.#options.bind}:${this.#port}`;
  }

  /** What holds now. */
  get faults(): Faults {
    return this.#faults.current;
  }

  /** How often each fault was met by a request, under the fault's name or its `countedAs`. */
  get met(): ReadonlyMap<string, number> {
    return this.#faults.met;
  }

  /** Opens the port; again on the same one after a refusal. */
  listen(port: number): Promise<void> {
    const http = createServer((request, response) => this.#serve(request, response));
    http.keepAliveTimeout = 65_000;
    http.on('connection', (socket) => {
      this.recorder.connections += 1;
      this.#connectionIds.set(socket, this.recorder.connections);
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      if (this.#faults.take('cutConnections')) socket.resetAndDestroy();
    });
    this.#http = http;
    return new Promise((resolve, reject) => {
      http.once('error', (error) => {
        this.#http = undefined;
        reject(error);
      });
      http.listen(port, this.#options.bind, () => {
        this.#port = (http.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  /** Adds faults to those that hold; `false` ends one. */
  async fault(faults: Faults): Promise<void> {
    const { sessionLoss, ...lasting } = faults;
    this.#faults.add(lasting);
    if (sessionLoss) this.sessions.forgetAll('sessionLoss');
    if (faults.password !== undefined) {
      this.#formerPasswords.add(this.credentials.password);
      this.credentials.password = faults.password;
      this.sessions.forgetAll('password');
    }
    await this.#followRefusal();
  }

  /** Ends all faults; a changed password stays changed. */
  async heal(): Promise<void> {
    this.#faults.clear();
    await this.#followRefusal();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#faults.clear();
    await this.server.stop();
    await this.#portChange;
    await this.#close();
  }

  /** Closes the port while connections are refused, and opens it again; one change after the other. */
  #followRefusal(): Promise<void> {
    const change = async () => {
      const isRefusing = this.#faults.current.refuse === true;
      if (isRefusing) await this.#refuse();
      else if (!this.#http && !this.#isStopped) await this.#reopen();
    };
    const changed = this.#portChange.then(change);
    this.#portChange = changed.catch(() => undefined);
    return changed;
  }

  /** For a while some outgoing connection may have got the port. */
  async #reopen(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.listen(this.#port);
      } catch (error) {
        if (tries >= REOPEN_TRIES || this.#isStopped) throw error;
        await delay(REOPEN_PAUSE_MS);
      }
    }
  }

  /** A refused connection is nothing that this process sees: only what it breaks off is counted as met. */
  async #refuse(): Promise<void> {
    for (const _response of this.#unanswered) this.#faults.meet('refuse');
    await this.#close();
  }

  #close(): Promise<void> {
    const http = this.#http;
    this.#http = undefined;
    if (!http) return Promise.resolve();
    return new Promise((resolve) => {
      http.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    let size = 0;
    this.#unanswered.add(response);
    response.on('close', () => this.#unanswered.delete(response));
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= BODY_LIMIT) chunks.push(chunk);
    });
    request.on('end', () => this.#answer(request, response, Buffer.concat(chunks).toString()));
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const method = request.method ?? 'GET';
    const path = (request.url ?? '/').split('?')[0]?.replace(/(.)\/+$/, '$1') ?? '/';
    const isSession = path.includes('/SessionService');
    const entry = {
      time: new Date().toISOString(),
      monotonicMs: performance.now(),
      method,
      path,
      userAgent: request.headers['user-agent'] ?? '',
      mutating: method !== 'GET' && method !== 'HEAD' && !isSession,
      body: isSession ? '' : body.slice(0, 1_000),
      connection: this.#connectionIds.get(request.socket) ?? 0,
      status: 0,
    };
    this.recorder.add(entry);
    if (this.#faults.take('cutConnections')) return void request.socket.resetAndDestroy();
    if (this.#faults.take('hang')) return;
    const unavailable = this.#faults.take('unavailable');
    setTimeout(
      () => {
        const answer: RedfishAnswer =
          unavailable === undefined
            ? this.#service.handle({ method, path, headers: request.headers, body })
            : { status: 503, headers: { 'retry-after': String(unavailable) }, body: {} };
        if (entry.mutating && answer.status < 300 && this.#faults.take('hangAfterAccept')) return;
        entry.status = answer.status;
        const text = answer.body === undefined ? '' : JSON.stringify(answer.body);
        response.writeHead(answer.status, {
          ...(text === '' ? {} : { 'content-type': 'application/json' }),
          'content-length': Buffer.byteLength(text),
          'odata-version': '4.0',
          ...answer.headers,
        });
        response.end(text);
      },
      this.#options.latencyMs + (this.#faults.take('slowMs') ?? 0),
    );
  }
}

/** The MAC address of the n-th server, from 1. */
export function macOf(index: number): string {
  const bytes = [0x02, 0xb7, 0, (index >> 16) & 0xff, (index >> 8) & 0xff, index & 0xff];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
