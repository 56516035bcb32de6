import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimIn } from '../model/claim.ts';
import { missesFinalizer, ownMachinePatch } from '../model/ownMachine.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { MACHINES } from '../kube/resource.ts';
import { pinned, unlessChanged } from '../kube/swap.ts';
import type { Outcome } from '../kube/queue.ts';

/** What it takes to restore finalizers. */
export interface MachineFinalizersOptions {
  readonly kube: Pick<KubeClient, 'mergePatch'>;
  readonly recorder: Pick<EventRecorder, 'event'>;
  /**
   * How long a machine has to lack the finalizer: whoever takes it off to delete the machine has that much time, in ms.
   */
  readonly graceMs: number;
}

/**
 * Puts our finalizer back on a live machine that holds a host (`kubectl replace` takes it off): without it the machine
 * would be deleted without its deprovision, its server would run on and its host would stay claimed.
 */
export class MachineFinalizers {
  readonly #options: MachineFinalizersOptions;
  /** Since when a machine has lacked it, on the monotonic clock: by uid. */
  readonly #since = new Map<string, number>();

  constructor(options: MachineFinalizersOptions) {
    this.#options = options;
  }

  /**
   * `held`: the hosts that carry the machine's uid, from the cache. Gives when to look again; undefined: nothing is
   * due.
   */
  async keep(machine: Beskar7Machine, held: readonly PhysicalHost[]): Promise<Outcome | undefined> {
    const { namespace, name, uid } = machine.metadata;
    if (held.length === 0 || !missesFinalizer(machine)) {
      this.forget(uid);
      return undefined;
    }
    const { kube, recorder, graceMs } = this.#options;
    const since = this.#since.get(uid) ?? performance.now();
    this.#since.set(uid, since);
    const waitMs = since + graceMs - performance.now();
    if (waitMs > 0) return { kind: 'after', ms: waitMs };
    // A run is under way for it: clusterctl waits for that (rule 16).
    const isInFlight = held.some((host) => claimIn(host, 'Claimed', 'Armed') !== undefined);
    const patch = pinned(machine, ownMachinePatch(machine, isInFlight));
    if ((await unlessChanged(() => kube.mergePatch(MACHINES, namespace, name, patch))) === undefined) return undefined;
    const hosts = held.map(({ metadata: host }) => host.name).join(', ');
    recorder.event(
      machine,
      'Warning',
      'FinalizerRestored',
      `The machine holds host ${hosts} and had lost its finalizer beskar7.io/machine: it was put back, so that deleting the machine ` +
        'releases the host. Change Beskar7Machines by apply, patch or edit, and not by replace.',
    );
    this.forget(uid);
    return undefined;
  }

  forget(uid: string): void {
    this.#since.delete(uid);
  }
}
