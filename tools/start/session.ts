import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pino } from 'pino';
import { startControlPlane, TEMPORAL_NAMESPACE, type ControlPlane } from '../controlplane/index.ts';
import type { Component } from '../controlplane/component.ts';
import { requireUnused } from '../controlplane/dataFolder.ts';
import { installBeskar7, kubectl } from '../controlplane/install.ts';
import { requireFree } from '../controlplane/ports.ts';
import { ensureVmImages, type VmImages } from '../vm/images.ts';
import { Display } from './display.ts';
import { externalTarget } from './external.ts';
import { FleetView, type Row } from './fleetView.ts';
import { fleetObjects } from './fleetObjects.ts';
import { requireVms, VM_GATEWAY, vmObjects } from './vms.ts';
import type { StartOptions } from './options.ts';
import { beskar7Component, simulatorComponent } from './processes.ts';

const PLUGIN = path.join(import.meta.dirname, '..', '..', 'cli', 'kubectl-beskar7.mjs');
const CREDENTIALS = { username: 'admin', password: 'simulated' };

/** What Beskar7 works with: the embedded control plane, or the user's own. */
interface Target {
  readonly adminKubeconfig: string;
  readonly kubectl: string;
  readonly lines: readonly string[];
  readonly beskar7Args: readonly string[];
}

/** Builds the page where it is missing or old. Without it Beskar7 runs all the same. */
async function ensurePage(): Promise<void> {
  try {
    const { buildWeb } = await import('../web/build.ts');
    if (await buildWeb()) say('the web page was built');
  } catch (error) {
    // Vite is a development dependency: an installation without these brings the page along.
    say(`the web page is not built: ${(error as Error).message}`);
  }
}

/** One `npm start`, from the set-up to the orderly end. */
export class Session {
  readonly #options: StartOptions;
  readonly #logs: string;
  readonly #running: Component[] = [];
  readonly #interrupted = new AbortController();
  #plane: ControlPlane | undefined;
  #view: FleetView | undefined;
  #died: string | undefined;
  #images: VmImages | undefined;

  constructor(options: StartOptions) {
    this.#options = options;
    this.#logs = path.join(options.dataDir, 'logs');
  }

  /** Runs until Ctrl-C, or with --once until all is Provisioned; gives the exit code. */
  async run(): Promise<number> {
    const { signal } = this.#interrupted;
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => this.#interrupt());
    try {
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      // Set-up may build tools for minutes; who interrupts it does not wait for that. What it started ends with this
      // process.
      await Promise.race([this.#setUp(), aborted]);
      if (signal.aborted) return 130;
      return await this.#watch();
    } finally {
      await this.#tearDown();
    }
  }

  #interruptedAt = 0;

  /**
   * The first time: an orderly end. Once more, not at once: npm and the terminal may both pass on one Ctrl-C: an end
   * without order.
   */
  #interrupt(): void {
    if (!this.#interrupted.signal.aborted) {
      this.#interruptedAt = performance.now();
      this.#interrupted.abort();
    } else if (performance.now() - this.#interruptedAt > 1_000) process.exit(130);
  }

  /** Where the servers find this machine. */
  get #seenAs(): string {
    return this.#options.vm ? VM_GATEWAY : '127.0.0.1';
  }

  get #vms(): string {
    return path.join(this.#options.dataDir, 'vms');
  }

  get #hasFleet(): boolean {
    const { up, external, examples } = this.#options;
    return !up && (!external || examples);
  }

  async #setUp(): Promise<void> {
    const options = this.#options;
    if (options.vm) requireVms(options.vmFirmware);
    if (!options.external) await requireUnused(options.dataDir);
    await this.#requirePorts();
    const target = options.external ? await externalTarget(options) : await this.#embedded();
    await mkdir(this.#logs, { recursive: true });
    if (options.vm) this.#images = await ensureVmImages(say);
    if (this.#hasFleet) await this.#startFleet();
    await this.#startBeskar7(target);
    if (this.#hasFleet) await this.#applyExamples(target);
    this.#view = new FleetView(target.adminKubeconfig, pino({ level: 'silent' }));
    this.#display = new Display(process.stdout, [...target.lines, ...this.#lines()]);
  }

  #display: Display | undefined;

  async #requirePorts(): Promise<void> {
    const o = this.#options;
    const own = {
      callback: o.callbackPort,
      boot: o.bootPort,
      metrics: o.metricsPort,
      health: o.healthPort,
      web: o.webPort,
    };
    const plane = {
      'api-server': o.apiServerPort,
      etcd: o.etcdPort,
      'etcd-peer': o.etcdPeerPort,
      temporal: o.temporalPort,
      'temporal-ui': o.temporalUiPort,
    };
    const fleet = { simulator: o.simulatorPort, 'first BMC': o.bmcBasePort + 1 };
    await requireFree(
      { ...own, ...(o.external ? {} : plane), ...(this.#hasFleet ? fleet : {}) },
      { 'first BMC': '--bmc-base-port' },
    );
  }

  async #embedded(): Promise<Target> {
    const o = this.#options;
    say('starts etcd, kube-apiserver and Temporal ...');
    const plane = await startControlPlane({
      dataFolder: o.dataDir,
      isFresh: o.fresh,
      ports: {
        apiServer: o.apiServerPort,
        etcd: o.etcdPort,
        etcdPeer: o.etcdPeerPort,
        temporal: o.temporalPort,
        temporalUi: o.temporalUiPort,
      },
    });
    this.#plane = plane;
    for (const component of Object.values(plane.components)) component.onDeath((name, how) => this.#onDeath(name, how));
    say('installs the CustomResourceDefinitions and the service account of Beskar7 ...');
    const kubeconfig = await installBeskar7(plane);
    return {
      adminKubeconfig: plane.adminKubeconfig,
      kubectl: plane.kubectl,
      beskar7Args: [
        `--kubeconfig=${kubeconfig}`,
        `--temporal-address=${plane.temporalAddress}`,
        `--temporal-namespace=${TEMPORAL_NAMESPACE}`,
        `--web-temporal-ui-url=${plane.temporalUiUrl}`,
        `--web-kubectl=${plane.kubectl} --kubeconfig ${plane.adminKubeconfig}`,
        `--web-temporal-cli=${plane.temporalCli} --address ${plane.temporalAddress}`,
      ],
      lines: [
        `Temporal UI:  ${plane.temporalUiUrl}/namespaces/${TEMPORAL_NAMESPACE}/workflows`,
        `kubectl:      ${plane.kubectl} --kubeconfig ${plane.adminKubeconfig} get physicalhosts,beskar7machines -A`,
        `Cancel:       ${cliLine(plane, 'cancel')} -w provision/default/worker-01`,
        `Retry:        ${cliLine(plane, 'reset')} --type FirstWorkflowTask --reason retry -w provision/default/worker-01`,
        `       or:    ${plane.kubectl} --kubeconfig ${plane.adminKubeconfig} annotate beskar7machine worker-01 beskar7.io/retry="$(date +%s)" --overwrite`,
        `Trace:        ${cliLine(plane, 'show')} -w provision/default/worker-01`,
        `Explain:      KUBECONFIG=${plane.adminKubeconfig} TEMPORAL_ADDRESS=${plane.temporalAddress} ${PLUGIN} explain worker-01`,
      ],
    };
  }

  async #startFleet(): Promise<void> {
    const o = this.#options;
    say(`starts a fleet of ${o.hosts} ${o.vm ? 'virtual machines' : 'simulated servers'} ...`);
    const fleet = simulatorComponent(
      {
        hosts: o.hosts,
        latency: o.latency,
        bootTime: o.bootTime,
        basePort: o.bmcBasePort,
        controlPort: o.simulatorPort,
        bootUrl: `http://${this.#seenAs}:${o.bootPort}/api/v1/boot?mac=\${netX/mac}`,
        ...CREDENTIALS,
        stateFile: path.join(o.dataDir, 'fleet.json'),
      },
      this.#logs,
      o.vm ? ['--vm', `--vm-firmware=${o.vmFirmware}`, `--vm-folder=${this.#vms}`] : [],
    );
    await this.#start(fleet);
  }

  async #startBeskar7(target: Target): Promise<void> {
    const o = this.#options;
    await ensurePage();
    say('starts Beskar7 ...');
    const beskar7 = beskar7Component({
      healthPort: o.healthPort,
      logFolder: this.#logs,
      args: [
        '--roles=all',
        ...target.beskar7Args,
        `--callback-bind-address=127.0.0.1:${o.callbackPort}`,
        `--callback-url=http://${this.#seenAs}:${o.callbackPort}`,
        ...(this.#images === undefined ? [] : [`--images-folder=${this.#images.folder}`]),
        `--boot-bind-address=127.0.0.1:${o.bootPort}`,
        `--metrics-bind-address=127.0.0.1:${o.metricsPort}`,
        `--health-bind-address=127.0.0.1:${o.healthPort}`,
        `--web-bind-address=127.0.0.1:${o.webPort}`,
        '--web-auth=none',
        '--boot-by-mac',
      ],
    });
    await this.#start(beskar7);
  }

  async #start(component: Component): Promise<void> {
    component.onDeath((name, how) => this.#onDeath(name, how));
    this.#running.push(component);
    await component.start();
  }

  async #applyExamples(target: Target): Promise<void> {
    say(this.#images ? 'applies a host and a machine for each virtual machine ...' : 'applies examples/ ...');
    const plane = { kubectl: target.kubectl, adminKubeconfig: target.adminKubeconfig };
    const file = path.join(this.#options.dataDir, 'examples.yaml');
    const { hosts, bmcBasePort, bootPort } = this.#options;
    const objects = this.#images
      ? vmObjects(hosts, bmcBasePort, `http://${VM_GATEWAY}:${bootPort}/images`, this.#images)
      : await fleetObjects(hosts, bmcBasePort);
    await writeFile(file, objects);
    await kubectl(plane, 'apply', '-f', file);
  }

  #lines(): string[] {
    const { webPort, metricsPort } = this.#options;
    return [
      `Web page:     http://127.0.0.1:${webPort}/`,
      `Metrics:      http://127.0.0.1:${metricsPort}/metrics`,
      `Logs:         ${this.#logs}`,
    ];
  }

  /** Shows the fleet until the end. */
  async #watch(): Promise<number> {
    const { once, timeoutMinutes } = this.#options;
    const { signal } = this.#interrupted;
    const view = this.#view;
    const display = this.#display;
    if (!view || !display) return 1;
    let wake = () => undefined as void;
    await view.start(() => wake(), signal);
    const until = Date.now() + timeoutMinutes * 60_000;
    for (;;) {
      const rows = view.rows();
      display.show(rows);
      if (this.#died !== undefined) return fail(this.#died, rows);
      if (signal.aborted) return once ? 1 : 0;
      if (once && isAllProvisioned(rows)) return succeed(rows);
      if (once && rows.some((row) => row.phase === 'Failed')) return fail('a machine has failed', rows);
      if (once && Date.now() > until)
        return fail(`not all machines were Provisioned within ${timeoutMinutes} minutes`, rows);
      // Woken by every change, and once a second for the clock of the table; changes are gathered for a moment.
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = setTimeout(end, 1_000);
        wake = () => void setTimeout(end, 100);
        signal.addEventListener('abort', end);
      });
    }
  }

  #onDeath(name: string, how: string): void {
    this.#died ??= `${name} ended by itself (${how}); see ${path.join(this.#logs, `${name}.log`)}`;
  }

  async #tearDown(): Promise<void> {
    if (this.#plane || this.#running.length > 0) say('stops ...');
    await this.#view?.stop().catch(() => undefined);
    for (const component of this.#running.reverse()) await component.stop();
    await this.#plane?.stop();
  }
}

function cliLine(plane: ControlPlane, verb: string): string {
  return `${plane.temporalCli} workflow ${verb} --address ${plane.temporalAddress} -n ${TEMPORAL_NAMESPACE}`;
}

function isAllProvisioned(rows: readonly Row[]): boolean {
  const machines = rows.filter((row) => row.machine !== '');
  return machines.length > 0 && machines.every((row) => row.phase === 'Provisioned');
}

function succeed(rows: readonly Row[]): number {
  const machines = rows.filter((row) => row.machine !== '');
  process.stdout.write(`\nAll ${machines.length} machines are Provisioned:\n`);
  for (const row of machines) process.stdout.write(`  ${row.machine} on ${row.host}\n`);
  return 0;
}

function fail(why: string, rows: readonly Row[]): number {
  process.stderr.write(`\nbeskar7: ${why}\n`);
  for (const row of rows.filter((entry) => entry.machine !== '' && entry.phase !== 'Provisioned')) {
    process.stderr.write(
      `  ${row.machine}: ${row.phase}${row.host ? ` on ${row.host}` : ''}: ${row.waitsFor || 'nothing told yet'}\n`,
    );
  }
  return 1;
}

function say(line: string): void {
  process.stderr.write(`beskar7: ${line}\n`);
}
