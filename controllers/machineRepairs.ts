import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { machineRepair } from '../model/repairs.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { MACHINES } from '../kube/resource.ts';
import type { Outcome } from '../kube/queue.ts';
import { applyRepair, type RepairDeps } from './repair.ts';

/** What it takes to repair machines. */
export interface MachineRepairsOptions extends RepairDeps {
  /**
   * How long a machine has to lack the finalizer: whoever takes it off to delete the machine has that much time, in ms.
   */
  readonly graceMs: number;
}

/**
 * Repairs what a live machine has lost that holds a host (`machineRepair`): `kubectl replace` takes its finalizer off.
 */
export class MachineRepairs {
  readonly #options: MachineRepairsOptions;
  /** Since when a machine has lacked it, on the monotonic clock: by uid. */
  readonly #since = new Map<string, number>();

  constructor(options: MachineRepairsOptions) {
    this.#options = options;
  }

  /**
   * `held`: the hosts that carry the machine's uid, from the cache. Gives when to look again; undefined: nothing is
   * due.
   */
  async keep(machine: Beskar7Machine, held: readonly PhysicalHost[]): Promise<Outcome | undefined> {
    const { uid } = machine.metadata;
    const repair = machineRepair(machine, held);
    if (repair === undefined) {
      this.forget(uid);
      return undefined;
    }
    const since = this.#since.get(uid) ?? performance.now();
    this.#since.set(uid, since);
    const waitMs = since + this.#options.graceMs - performance.now();
    if (waitMs > 0) return { kind: 'after', ms: waitMs };
    if (!(await applyRepair(this.#options, MACHINES, machine, repair))) return undefined;
    this.forget(uid);
    return undefined;
  }

  forget(uid: string): void {
    this.#since.delete(uid);
  }
}
