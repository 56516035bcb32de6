import { mismatch, type Demand } from './demand.ts';
import { LABEL_ZONE } from '../crds/names.ts';
import { knownHardware, REQUIREMENTS, type Requirement } from './knownHardware.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/** Hosts that no demand distinguishes. `left`: how many of them are not assigned yet. */
export interface HostClass {
  readonly hosts: PhysicalHost[];
  left: number;
}

/** How many hosts are looked at between two yields. */
const HOSTS_A_STEP = 100;

/**
 * Hosts grouped by what a set of demands looks at (the labels that they name, what the last report says of the
 * requirements that they name, and who has been tried), and found by label. There are many hosts and many demands;
 * comparing each with each held the event loop for seconds.
 */
export class HostClasses {
  readonly all: HostClass[] = [];
  readonly #classOf = new Map<PhysicalHost, HostClass>();
  readonly #byLabel = new Map<string, HostClass[]>();

  private constructor() {
    // Made by `steps` only.
  }

  /** Groups `hosts` for `demands`. */
  static *steps(hosts: readonly PhysicalHost[], demands: Iterable<Demand>): Generator<undefined, HostClasses> {
    const made = new HostClasses();
    const { keys, requirements, tried } = namedBy(demands);
    yield;
    const bySignature = new Map<string, HostClass>();
    for (const [at, host] of hosts.entries()) {
      if (at % HOSTS_A_STEP === 0) yield;
      const labels = namedLabels(host, keys);
      const { name } = host.metadata;
      const found = knownHardware(host);
      const signature = [labels.join(), ...requirements.map((of) => found[of]), tried.has(name) ? name : ''].join(' ');
      let group = bySignature.get(signature);
      if (!group) {
        group = { hosts: [], left: 0 };
        bySignature.set(signature, group);
        made.#add(group, labels);
      }
      group.hosts.push(host);
      group.left += 1;
      made.#classOf.set(host, group);
    }
    return made;
  }

  of(host: PhysicalHost): HostClass | undefined {
    return this.#classOf.get(host);
  }

  /**
   * The classes that may fit, by the most telling label that the demand names; undefined: any may. `fitsClass` decides.
   */
  candidates({ selector, failureDomain }: Demand): readonly HostClass[] | undefined {
    const lists: (readonly HostClass[])[] = [];
    for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) lists.push(this.#having(key, value));
    for (const { key, operator, values = [] } of selector?.matchExpressions ?? [])
      if (operator === 'In') lists.push([...new Set(values)].flatMap((value) => this.#having(key, value)));
    if (failureDomain !== undefined) lists.push(this.#having(LABEL_ZONE, failureDomain));
    return lists.reduce<readonly HostClass[] | undefined>(
      (best, list) => (best === undefined || list.length < best.length ? list : best),
      undefined,
    );
  }

  #having(key: string, value: string): readonly HostClass[] {
    return this.#byLabel.get(`${key}=${value}`) ?? [];
  }

  #add(group: HostClass, labels: readonly string[]): void {
    this.all.push(group);
    for (const label of labels) {
      const list = this.#byLabel.get(label);
      if (list) list.push(group);
      else this.#byLabel.set(label, [group]);
    }
  }
}

/** Whether the hosts of a class are what is asked for. */
export function fitsClass({ hosts: [first] }: HostClass, demand: Demand): boolean {
  return first !== undefined && mismatch(first, demand) === undefined;
}

/** The label keys, requirements and host names by which demands tell hosts apart. */
function namedBy(demands: Iterable<Demand>) {
  const keys = new Set<string>();
  const required = new Set<Requirement>();
  const tried = new Set<string>();
  for (const { selector, requirements, failureDomain, tried: names } of demands) {
    for (const key of Object.keys(selector?.matchLabels ?? {})) keys.add(key);
    for (const { key } of selector?.matchExpressions ?? []) keys.add(key);
    if (failureDomain !== undefined) keys.add(LABEL_ZONE);
    for (const name of REQUIREMENTS) if ((requirements?.[name] ?? 0) > 0) required.add(name);
    for (const name of names) tried.add(name);
  }
  return { keys, requirements: [...required], tried };
}

/** `key=value`, sorted: neither contains `=` or `,` in Kubernetes. */
function namedLabels({ metadata: { labels = {} } }: PhysicalHost, keys: ReadonlySet<string>): string[] {
  const named: string[] = [];
  for (const key of Object.keys(labels)) if (keys.has(key)) named.push(`${key}=${labels[key]}`);
  return named.sort();
}
