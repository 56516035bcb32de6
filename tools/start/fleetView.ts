import { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from 'pino';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { findCondition } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { Informer } from '../../kube/informer.ts';
import { KubeClient } from '../../kube/client.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';

/** One line of the table. */
export interface Row {
  readonly host: string;
  readonly state: string;
  readonly machine: string;
  readonly phase: string;
  /** Seconds since the phase, or the state, was last seen to change. */
  readonly seconds: number;
  readonly waitsFor: string;
}

/** The fleet as the API server tells it, kept up by watches. */
export class FleetView {
  readonly hosts: Informer<PhysicalHost>;
  readonly machines: Informer<Beskar7Machine>;
  readonly #kube: KubeClient;
  readonly #since = new Map<string, { what: string; at: number }>();

  constructor(kubeconfigFile: string, logger: Logger) {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfigFile);
    this.#kube = KubeClient.fromConfig(config, { userAgent: 'beskar7-start' });
    this.hosts = new Informer(this.#kube, HOSTS, { logger });
    this.machines = new Informer(this.#kube, MACHINES, { logger });
  }

  /** Starts the watches; `onChange` is called after every change. */
  async start(onChange: () => void, signal: AbortSignal): Promise<void> {
    this.hosts.onChange(onChange);
    this.machines.onChange(onChange);
    this.hosts.start();
    this.machines.start();
    await Promise.all([this.hosts.waitForSync(signal), this.machines.waitForSync(signal)]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.hosts.stop(), this.machines.stop()]);
    await this.#kube.close();
  }

  /** A line for each host, and one for each machine without a host. */
  rows(): Row[] {
    const machines = new Map(this.machines.list().map((machine) => [nameOf(machine), machine]));
    const rows = this.hosts.list().map((host) => {
      const { namespace = '', name = '' } = host.spec.consumerRef ?? {};
      const machine = machines.get(`${namespace}/${name}`);
      machines.delete(`${namespace}/${name}`);
      return this.#row(host, machine);
    });
    const waiting = [...machines.values()].map((machine) => this.#row(undefined, machine));
    const byName = (a: Row, b: Row) =>
      (a.host || '~').localeCompare(b.host || '~') || a.machine.localeCompare(b.machine);
    return [...rows, ...waiting].sort(byName);
  }

  #row(host: PhysicalHost | undefined, machine: Beskar7Machine | undefined): Row {
    const state = host ? (host.status?.state ?? 'Enrolling') : '-';
    const phase = machine ? (machine.status?.phase ?? 'Pending') : '-';
    const key = host ? `host ${nameOf(host)}` : `machine ${machine ? nameOf(machine) : ''}`;
    const what = `${state} ${phase}`;
    const known = this.#since.get(key);
    const at = known?.what === what ? known.at : Date.now();
    if (known?.what !== what) this.#since.set(key, { what, at });
    const told = findCondition((machine ?? host)?.status?.conditions, 'Ready');
    return {
      host: host?.metadata.name ?? '',
      state,
      machine: machine?.metadata.name ?? '',
      phase,
      seconds: Math.round((Date.now() - at) / 1000),
      waitsFor: phase === 'Provisioned' ? '' : (told?.message ?? ''),
    };
  }
}

function nameOf(object: { metadata: { namespace?: string; name: string } }): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}
