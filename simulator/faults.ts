/** What can go wrong on command. All that is set holds at once. */
export interface Faults {
  /** The BMC refuses connections. */
  refuse?: boolean;
  /** The BMC takes requests and never answers. */
  hang?: boolean;
  /** The BMC takes connections and resets them, also in the middle of a request, which is not done. */
  cutConnections?: boolean;
  /** Every request is answered 401. */
  unauthorized?: boolean;
  /** Every request is answered 503, with Retry-After in seconds. */
  unavailable?: number;
  /** More latency, in ms. */
  slowMs?: number;
  /** Power commands are accepted and not done. */
  powerStuck?: boolean;
  /** Probability that a power command is accepted and silently not done. */
  powerLost?: number;
  /**
   * A power-on is accepted and carried out this long after it, in ms: until then the server shows Off, and an Off does
   * not overtake it.
   */
  powerOnLateMs?: number;
  /** How long powering off takes, in ms; repeated commands do not hasten it. */
  powerOffMs?: number;
  /** The BMC says Off whatever the server does. */
  liesOff?: boolean;
  /** Another server answers behind the address: it has this serial number, and no UUID. */
  swappedFor?: string;
  /** A change is made, but its answer never comes. */
  hangAfterAccept?: boolean;
  /** All sessions are forgotten now. */
  sessionLoss?: boolean;
  /** The password is changed now. */
  password?: string;
  /** The inspection image never reports. */
  neverReports?: boolean;
  /** The report is not one. */
  wrongReport?: boolean;
  /** The hardware is tiny. */
  smallHardware?: boolean;
  /** The inspection image gives up after validation, with this reason. */
  provisionFails?: string;
  /** Callbacks are not sent (probability). */
  dropCallbacks?: number;
  /** Callbacks arrive, and their answers do not (probability). */
  loseAnswers?: number;
  /** Callbacks are sent twice. */
  duplicateCallbacks?: boolean;
  /** Callbacks are late, in ms. */
  delayCallbacksMs?: number;
  /** The faults that are given together with it end by themselves after this many ms. */
  forMs?: number;
  /**
   * The faults that are given together with it end after each of them took effect this many times (`refuse` cannot be
   * counted).
   */
  times?: number;
  /**
   * The faults that are given together with it are counted under this name when they are met, in place of their own.
   */
  countedAs?: string;
}

/** The type of each fault's value, for checks of control requests. */
const TYPES: Readonly<Record<keyof Faults, 'boolean' | 'number' | 'string'>> = {
  refuse: 'boolean',
  hang: 'boolean',
  cutConnections: 'boolean',
  unauthorized: 'boolean',
  unavailable: 'number',
  slowMs: 'number',
  powerStuck: 'boolean',
  powerLost: 'number',
  powerOnLateMs: 'number',
  powerOffMs: 'number',
  liesOff: 'boolean',
  swappedFor: 'string',
  hangAfterAccept: 'boolean',
  sessionLoss: 'boolean',
  password: 'string',
  neverReports: 'boolean',
  wrongReport: 'boolean',
  smallHardware: 'boolean',
  provisionFails: 'string',
  dropCallbacks: 'number',
  loseAnswers: 'number',
  duplicateCallbacks: 'boolean',
  delayCallbacksMs: 'number',
  forMs: 'number',
  times: 'number',
  countedAs: 'string',
};

type FaultName = Exclude<keyof Faults, 'forMs' | 'times' | 'countedAs'>;
type Chance = 'powerLost' | 'dropCallbacks' | 'loseAnswers';

/** Faults from outside. Throws for an unknown name and for a value of the wrong type, naming it. */
export function parseFaults(body: unknown): Faults {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new Error('faults are a JSON object');
  for (const [name, value] of Object.entries(body)) {
    const type = Object.hasOwn(TYPES, name) ? TYPES[name as keyof Faults] : undefined;
    if (type === undefined) throw new Error(`there is no fault "${name}"; faults are ${Object.keys(TYPES).join(', ')}`);
    if (typeof value !== type || (typeof value === 'number' && value < 0))
      throw new Error(`fault ${name} needs a ${type}${type === 'number' ? ' of 0 or more' : ''}`);
  }
  return body;
}

interface Holding {
  readonly value: boolean | number | string;
  left: number;
  readonly countedAs: string;
  readonly timer: NodeJS.Timeout | undefined;
}

/** The faults that hold at one host, each with its end. */
export class FaultSet {
  /**
   * How often a fault was met: a fault that no request met does not count. `refuse` counts requests that it
   * broke off only.
   */
  readonly met = new Map<string, number>();
  readonly #holding = new Map<FaultName, Holding>();
  readonly #ended: () => void;

  /** `ended` is called after a fault ended by time. */
  constructor(ended: () => void = () => undefined) {
    this.#ended = ended;
  }

  /** What holds now. */
  get current(): Faults {
    return Object.fromEntries([...this.#holding].map(([name, { value }]) => [name, value]));
  }

  /** Adds faults to those that hold; one of the same name is replaced, and ended by `false`. */
  add({ forMs, times, countedAs, ...faults }: Faults): void {
    for (const [key, value] of Object.entries(faults) as [FaultName, Holding['value']][]) {
      this.#end(key);
      if (value === false) continue;
      const timer = forMs === undefined ? undefined : setTimeout(() => this.#expire(key), forMs);
      this.#holding.set(key, {
        value,
        left: times ?? Number.POSITIVE_INFINITY,
        countedAs: countedAs ?? key,
        timer,
      });
    }
  }

  /** The value of a fault that bites now, which is counted; undefined when it does not hold. */
  take<N extends FaultName>(name: N): Faults[N] | undefined {
    const holding = this.#holding.get(name);
    if (!holding) return undefined;
    this.meet(name);
    holding.left -= 1;
    if (holding.left <= 0) this.#end(name);
    return holding.value as Faults[N];
  }

  /** A request has met a fault, also one that does not hold any more, such as a session that was lost. */
  meet(name: FaultName): void {
    const countedAs = this.#holding.get(name)?.countedAs ?? name;
    this.met.set(countedAs, (this.met.get(countedAs) ?? 0) + 1);
  }

  /** Whether a fault of chance bites now. */
  strikes(name: Chance, random: () => number): boolean {
    const holding = this.#holding.get(name);
    if (!holding || random() >= Number(holding.value)) return false;
    this.take(name);
    return true;
  }

  clear(): void {
    for (const name of [...this.#holding.keys()]) this.#end(name);
  }

  #expire(name: FaultName): void {
    this.#end(name);
    this.#ended();
  }

  #end(name: FaultName): void {
    clearTimeout(this.#holding.get(name)?.timer);
    this.#holding.delete(name);
  }
}
