import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import type { KubeObject } from '../../../crds/object.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../kube/error.ts';
import type { Resource } from '../../../kube/resource.ts';
import { clusterApiSource } from '../../../tools/clusterapi/source.ts';

interface Ref {
  kind: string;
  name: string;
}
type ControlPlane = KubeObject<
  { replicas?: number; version: string; machineTemplate: { spec: { infrastructureRef: Ref } } },
  { version?: string }
>;
type Config = KubeObject<object, { dataSecretName?: string }>;
type Template = KubeObject<{ template: { spec: object } }, object>;

const FINALIZER = 'test.beskar7.io/kubeadm';
const CLUSTER_LABEL = 'cluster.x-k8s.io/cluster-name';
const CONTROL_PLANES: Resource<ControlPlane> = {
  group: 'controlplane.cluster.x-k8s.io',
  version: 'v1beta2',
  plural: 'kubeadmcontrolplanes',
  kind: 'KubeadmControlPlane',
  namespaced: true,
};
const CONFIGS: Resource<Config> = {
  group: 'bootstrap.cluster.x-k8s.io',
  version: 'v1beta2',
  plural: 'kubeadmconfigs',
  kind: 'KubeadmConfig',
  namespaced: true,
};
const TEMPLATES: Resource<Template> = {
  group: 'infrastructure.cluster.x-k8s.io',
  version: 'v1beta1',
  plural: 'beskar7machinetemplates',
  kind: 'Beskar7MachineTemplate',
  namespaced: true,
};
const OWN: Resource<KubeObject<object, object>> = { ...TEMPLATES, plural: 'beskar7machines', kind: 'Beskar7Machine' };
const MACHINES: Resource<KubeObject<object, object>> = {
  ...CONTROL_PLANES,
  group: 'cluster.x-k8s.io',
  plural: 'machines',
  kind: 'Machine',
};

/**
 * The kinds of the kubeadm providers as they are released, in the version that the core asks for alone (there is no
 * webhook of theirs).
 */
export async function kubeadmDefinitions(): Promise<string> {
  const source = await clusterApiSource();
  const files = [
    'bootstrap/kubeadm/config/crd/bases/bootstrap.cluster.x-k8s.io_kubeadmconfigs.yaml',
    'bootstrap/kubeadm/config/crd/bases/bootstrap.cluster.x-k8s.io_kubeadmconfigtemplates.yaml',
    'controlplane/kubeadm/config/crd/bases/controlplane.cluster.x-k8s.io_kubeadmcontrolplanes.yaml',
    'controlplane/kubeadm/config/crd/bases/controlplane.cluster.x-k8s.io_kubeadmcontrolplanetemplates.yaml',
  ];
  const all = await Promise.all(
    files.map(async (file) => {
      const definition = parse(await readFile(path.join(source, file), 'utf8')) as {
        metadata: { name: string };
        spec: { versions: { name: string }[] };
      };
      const versions = definition.spec.versions.filter(({ name }) => name === 'v1beta2');
      const labels = { 'cluster.x-k8s.io/v1beta2': 'v1beta2' };
      return {
        ...definition,
        metadata: { name: definition.metadata.name, labels },
        spec: { ...definition.spec, versions },
      };
    }),
  );
  return all.map((definition) => stringify(definition, { aliasDuplicateObjects: false })).join('---\n');
}

/**
 * Plays the kubeadm providers of a namespace: every KubeadmConfig has its bootstrap data at once, every
 * KubeadmControlPlane makes its machines out of its template and says that they are ready.
 */
export class Kubeadm {
  readonly #kube: KubeClient;
  readonly #namespace: string;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(kube: KubeClient, namespace: string) {
    this.#kube = kube;
    this.#namespace = namespace;
  }

  start(): void {
    this.#running = Promise.all([
      this.#follow(CONFIGS, (config) => this.#bootstrap(config)),
      this.#follow(CONTROL_PLANES, (controlPlane) => this.#control(controlPlane)),
    ]);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the test ends'));
    await this.#running;
  }

  async #follow<T extends KubeObject<unknown, unknown>>(
    resource: Resource<T>,
    act: (object: T) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#stop;
    const namespace = this.#namespace;
    const tried = (object: T) =>
      act(object).catch((error: unknown) => {
        // Changed or gone meanwhile: the watch tells what it is now.
        if (!isConflict(error) && !isNotFound(error)) throw error;
      });
    while (!signal.aborted) {
      try {
        const { items, resourceVersion } = await this.#kube.list(resource, { namespace, signal });
        for (const object of items) await tried(object);
        const watch = this.#kube.watch(resource, { namespace, resourceVersion, signal, timeoutSeconds: 300 });
        for await (const { type, object } of watch) if (type === 'ADDED' || type === 'MODIFIED') await tried(object);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  async #bootstrap({ metadata, status }: Config): Promise<void> {
    const cluster = metadata.labels?.[CLUSTER_LABEL];
    if (cluster === undefined || status?.dataSecretName !== undefined) return;
    const said = { dataSecretName: `${cluster}-bootstrap`, initialization: { dataSecretCreated: true } };
    await this.#kube.mergePatch(CONFIGS, this.#namespace, metadata.name, { status: said }, { subresource: 'status' });
  }

  async #control({ metadata, spec, status }: ControlPlane): Promise<void> {
    const cluster = metadata.labels?.[CLUSTER_LABEL] ?? '';
    const namespace = this.#namespace;
    if (metadata.deletionTimestamp !== undefined) return this.#end(metadata.name, spec.replicas ?? 1);
    if (status?.version === spec.version) return;
    await this.#kube.mergePatch(CONTROL_PLANES, namespace, metadata.name, { metadata: { finalizers: [FINALIZER] } });
    const { name: template } = spec.machineTemplate.spec.infrastructureRef;
    const { template: made } = (await this.#kube.get(TEMPLATES, namespace, template)).spec;
    const replicas = spec.replicas ?? 1;
    const labels = { [CLUSTER_LABEL]: cluster, 'cluster.x-k8s.io/control-plane': '' };
    for (let index = 0; index < replicas; index += 1) {
      const name = `${metadata.name}-${index}`;
      await this.#create(OWN, { metadata: { name, namespace, labels }, spec: made.spec });
      await this.#create(MACHINES, {
        metadata: { name, namespace, labels },
        spec: {
          clusterName: cluster,
          version: spec.version,
          bootstrap: { dataSecretName: `${cluster}-bootstrap` },
          infrastructureRef: { apiGroup: OWN.group, kind: OWN.kind, name },
        },
      });
    }
    const count = {
      replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
      upToDateReplicas: replicas,
    };
    const said = { ...count, version: spec.version, initialization: { controlPlaneInitialized: true } };
    const patch = { status: said };
    await this.#kube.mergePatch(CONTROL_PLANES, namespace, metadata.name, patch, { subresource: 'status' });
  }

  /** The machines of a control plane go before it does. */
  async #end(name: string, replicas: number): Promise<void> {
    const namespace = this.#namespace;
    for (let index = 0; index < replicas; index += 1) await this.#kube.delete(MACHINES, namespace, `${name}-${index}`);
    await this.#kube.mergePatch(CONTROL_PLANES, namespace, name, { metadata: { finalizers: [] } });
  }

  async #create<T extends KubeObject<unknown, unknown>>(resource: Resource<T>, object: object): Promise<void> {
    try {
      await this.#kube.create(resource, object as Parameters<KubeClient['create']>[1] as never);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}
