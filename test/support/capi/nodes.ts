import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { isAlreadyExists } from '../../../kube/error.ts';
import { MACHINES } from '../../../kube/resource.ts';
import { NODES } from './kinds.ts';

/**
 * Plays the final OS of every server of a namespace: when its machine is provisioned, the kubelet registers a Node with
 * the machine's providerID, in the same API server. Cluster API deletes the Node with the Machine.
 */
export class Kubelets {
  readonly #kube: KubeClient;
  readonly #namespace: string;
  readonly #stop = new AbortController();
  readonly #registered = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(kube: KubeClient, namespace: string) {
    this.#kube = kube;
    this.#namespace = namespace;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the test ends'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const { items, resourceVersion } = await this.#kube.list(MACHINES, { namespace: this.#namespace, signal });
        for (const machine of items) await this.#register(machine);
        const watch = { namespace: this.#namespace, resourceVersion, signal, timeoutSeconds: 300 };
        for await (const { type, object } of this.#kube.watch(MACHINES, watch)) {
          if (type !== 'BOOKMARK' && type !== 'DELETED') await this.#register(object);
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  async #register({ metadata, spec, status }: Beskar7Machine): Promise<void> {
    const { uid = '' } = metadata;
    if (spec.providerID === undefined || status?.phase !== 'Provisioned' || this.#registered.has(uid)) return;
    this.#registered.add(uid);
    const conditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({
      type,
      status: type === 'Ready' ? 'True' : 'False',
      reason: 'KubeletReady',
      message: 'the kubelet says so',
    }));
    // A server that runs another OS now is no longer the Node that it was: Cluster API refuses two of one providerID.
    // And a Node that another test has left under this name is not this one: all clusters of the tests register theirs
    // in one API server.
    const { items } = await this.#kube.list(NODES, {});
    for (const { metadata: old, spec: was } of items)
      if ((was.providerID === spec.providerID) !== (old.name === metadata.name))
        await this.#kube.delete(NODES, '', old.name);
    try {
      await this.#kube.create(NODES, {
        metadata: { name: `${metadata.name}` },
        spec: { providerID: spec.providerID },
        status: { conditions },
      });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}
