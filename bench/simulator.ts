import { join } from 'node:path';
import { request } from 'undici';
import { startChild, untilUp, type MeasuredChild } from './childProcess.ts';

/** A server of the fleet, as the simulator's control route tells it. */
export interface SimulatedHost {
  readonly name: string;
  readonly address: string;
  readonly mac: string;
  /** The true power state, whatever the BMC tells. */
  readonly state: { readonly power: string };
  /** The boot override: `enabled` is `Disabled`, `Once` or `Continuous`. */
  readonly override: { readonly enabled: string };
}

/** Totals that all BMCs of the fleet saw since the simulator started. */
export interface FleetTotals {
  readonly requests: number;
  readonly connections: number;
}

export interface FleetSpec {
  readonly root: string;
  readonly hosts: number;
  readonly latency: string;
  readonly bootTime: string;
  readonly powerDelay: string;
  readonly profile: string;
  readonly bootUrl: string;
  readonly username: string;
  readonly password: string;
  readonly logFile: string;
}

const START_MS = 30_000;
const CALL_MS = 15_000;
/** Ports of the fleet are tried from a random one in this range, below those that Linux hands out by itself. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;
const TRIES = 5;

/** The fleet as a process of its own, so that its CPU time and memory are told apart. */
export class Simulator {
  readonly process: MeasuredChild;
  readonly #control: string;

  constructor(process: MeasuredChild, control: string) {
    this.process = process;
    this.#control = control;
  }

  /** Starts the fleet on ports that are free. Rejects with the simulator's own words when it does not come up. */
  static async start(spec: FleetSpec, signal: AbortSignal): Promise<Simulator> {
    for (let attempt = 1; ; attempt += 1) {
      const ports = spec.hosts + 2;
      const controlPort = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT - ports));
      const process = await startChild(childSpec(spec, controlPort));
      const simulator = new Simulator(process, `http://127.0.0.1:${controlPort}`);
      try {
        await untilUp(process, () => simulator.#isComplete(spec.hosts), { timeoutMs: START_MS, signal });
        return simulator;
      } catch (error) {
        await process.stop();
        // Most likely a port in use: others are tried.
        if (attempt === TRIES || signal.aborted) throw error;
      }
    }
  }

  async hosts(): Promise<SimulatedHost[]> {
    return (await this.#get('/hosts')) as SimulatedHost[];
  }

  /** Requests and TCP connections at all BMCs since the simulator started. */
  async totals(): Promise<FleetTotals> {
    const body = (await this.#get('/summary')) as Partial<FleetTotals>;
    if (typeof body.requests !== 'number' || typeof body.connections !== 'number') {
      throw new Error(
        `the simulator's /summary tells no requests or connections: ${JSON.stringify(body).slice(0, 300)}`,
      );
    }
    return { requests: body.requests, connections: body.connections };
  }

  /** From now on the BMC accepts connections and answers nothing. */
  async hang(name: string): Promise<void> {
    await this.#post(`/hosts/${name}/fault`, { hang: true });
  }

  /** Ends all faults. */
  async heal(): Promise<void> {
    await this.#post('/heal', {});
  }

  async #isComplete(hosts: number): Promise<true | undefined> {
    return (await this.hosts()).length === hosts ? true : undefined;
  }

  async #post(path: string, body: object): Promise<void> {
    const signal = AbortSignal.timeout(CALL_MS);
    const answer = await request(`${this.#control}${path}`, { method: 'POST', body: JSON.stringify(body), signal });
    await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`the simulator answered ${answer.statusCode} to POST ${path}`);
  }

  async #get(path: string): Promise<unknown> {
    const answer = await request(`${this.#control}${path}`, { signal: AbortSignal.timeout(CALL_MS) });
    if (answer.statusCode !== 200) throw new Error(`the simulator answered ${answer.statusCode} to GET ${path}`);
    return answer.body.json();
  }
}

function childSpec(spec: FleetSpec, controlPort: number) {
  const flags = {
    '--hosts': String(spec.hosts),
    '--latency': spec.latency,
    '--boot-time': spec.bootTime,
    '--power-delay': spec.powerDelay,
    '--profile': spec.profile,
    '--base-port': String(controlPort + 1),
    '--control-port': String(controlPort),
    '--boot-url': spec.bootUrl,
    '--username': spec.username,
    '--password': spec.password,
  };
  return {
    name: 'the simulator',
    args: [join(spec.root, 'simulator/main.ts'), ...Object.entries(flags).flat()],
    logFile: spec.logFile,
    cwd: spec.root,
  };
}
