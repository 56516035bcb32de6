import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { clusterApiSource } from '../../../tools/clusterapi/source.ts';
import { writeRelease } from '../../../tools/release/index.ts';
import { ensureTools } from '../../../tools/toolchain/index.ts';
import type { Finished } from '../../../tools/toolchain/command.ts';
import type { TestControlPlane } from '../controlPlane.ts';
import { certManagerKinds } from './certManager.ts';

const CORE_VERSION = 'v1.13.6';
const CERT_MANAGER_VERSION = 'v1.21.1';
const RELEASE = 'v0.1.0';
const LIMIT_MS = 180_000;

/** A command that runs. */
export interface Running {
  /** Resolves when its output has a match; rejects when it ends before. */
  said(what: RegExp): Promise<void>;
  readonly done: Promise<Finished>;
}

/**
 * The real clusterctl with a local repository: our release as `npm run release` makes it; of the core and kubeadm
 * providers and of cert-manager the kinds only, out of the Go module, since nothing runs Deployments here.
 */
export class Clusterctl {
  readonly #file: string;
  readonly #folder: string;

  private constructor(file: string, folder: string) {
    this.#file = file;
    this.#folder = folder;
  }

  /**
   * `plane` is where `init` will be run: its core kinds are installed as they are there, with the core manager's
   * webhooks.
   */
  static async make(plane: Pick<TestControlPlane, 'dataFolder'>): Promise<Clusterctl> {
    const { clusterctl, helm } = await ensureTools(['clusterctl', 'helm']);
    const source = await clusterApiSource();
    const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-clusterctl-'));
    const place = (provider: string, version: string) => path.join(folder, provider, version);
    await writeRelease({ helm, version: RELEASE, folder: place('infrastructure-beskar7', RELEASE) });

    const write = (provider: string, version: string, file: string, text: string) => {
      mkdirSync(place(provider, version), { recursive: true });
      writeFileSync(path.join(place(provider, version), file), text);
    };
    const metadata = await readFile(path.join(source, 'metadata.yaml'), 'utf8');
    const core = await readFile(path.join(plane.dataFolder, 'cluster-api', 'definitions.yaml'), 'utf8');
    const crds = async (kind: string, names: string[]) => {
      const files = names.map((name) => path.join(source, kind, 'kubeadm/config/crd/bases', `${name}.yaml`));
      return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).map(withContract).join('---\n');
    };
    const bootstrap = ['kubeadmconfigs', 'kubeadmconfigtemplates'].map((name) => `bootstrap.cluster.x-k8s.io_${name}`);
    const controlPlane = ['kubeadmcontrolplanes', 'kubeadmcontrolplanetemplates'];
    const components: [provider: string, file: string, namespace: string, text: string][] = [
      ['cluster-api', 'core-components.yaml', 'capi-system', core],
      [
        'bootstrap-kubeadm',
        'bootstrap-components.yaml',
        'capi-kubeadm-bootstrap-system',
        await crds('bootstrap', bootstrap),
      ],
      [
        'control-plane-kubeadm',
        'control-plane-components.yaml',
        'capi-kubeadm-control-plane-system',
        await crds(
          'controlplane',
          controlPlane.map((name) => `controlplane.cluster.x-k8s.io_${name}`),
        ),
      ],
    ];
    for (const [provider, file, namespace, text] of components) {
      write(provider, CORE_VERSION, 'metadata.yaml', metadata);
      write(provider, CORE_VERSION, file, `${namespaceManifest(namespace)}---\n${text}`);
    }
    write('cert-manager', CERT_MANAGER_VERSION, 'cert-manager.yaml', certManagerKinds());
    const url = (provider: string, version: string, file: string) =>
      `file://${path.join(place(provider, version), file)}`;
    const config = {
      providers: [
        { name: 'cluster-api', type: 'CoreProvider', url: url('cluster-api', CORE_VERSION, 'core-components.yaml') },
        {
          name: 'kubeadm',
          type: 'BootstrapProvider',
          url: url('bootstrap-kubeadm', CORE_VERSION, 'bootstrap-components.yaml'),
        },
        {
          name: 'kubeadm',
          type: 'ControlPlaneProvider',
          url: url('control-plane-kubeadm', CORE_VERSION, 'control-plane-components.yaml'),
        },
        {
          name: 'beskar7',
          type: 'InfrastructureProvider',
          url: url('infrastructure-beskar7', RELEASE, 'infrastructure-components.yaml'),
        },
      ],
      'cert-manager': {
        url: url('cert-manager', CERT_MANAGER_VERSION, 'cert-manager.yaml'),
        version: CERT_MANAGER_VERSION,
        timeout: '60s',
      },
    };
    writeFileSync(path.join(folder, 'clusterctl.yaml'), stringify(config));
    return new Clusterctl(clusterctl, folder);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Runs it to its end and gives standard output; throws with its output when it fails. */
  async run(words: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const { code, output, stdout } = await this.start(words, variables).done;
    if (code !== 0) throw new Error(`clusterctl ${words.join(' ')}: ${output}`);
    return stdout;
  }

  start(words: readonly string[], variables: Readonly<Record<string, string>> = {}): Running {
    const env = {
      ...process.env,
      ...variables,
      CLUSTERCTL_DISABLE_VERSIONCHECK: 'true',
      XDG_CONFIG_HOME: path.join(this.#folder, 'config'),
    };
    const child = spawn(this.#file, ['--config', path.join(this.#folder, 'clusterctl.yaml'), ...words], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [output, stdout] = ['', ''];
    let isOver = false;
    const listeners = new Set<() => void>();
    const tell = () => listeners.forEach((listener) => listener());
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      output += text;
      tell();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      tell();
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    const done = new Promise<Finished>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        isOver = true;
        tell();
        resolve({ code, output, stdout });
      });
    });
    const said = (what: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (what.test(output)) resolve();
          else if (isOver) reject(new Error(`clusterctl ended without saying ${what.source}: ${output}`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      });
    return { said, done };
  }

  /** A file of our release. */
  release(file: string): string {
    return readFileSync(path.join(this.#folder, 'infrastructure-beskar7', RELEASE, file), 'utf8');
  }
}

function namespaceManifest(name: string): string {
  return stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

/** As kustomize does it when Cluster API is released. */
function withContract(text: string): string {
  const crds = parseAllDocuments(text).map((document) => document.toJS() as { metadata: { labels?: object } });
  const labels = { 'cluster.x-k8s.io/v1beta1': 'v1beta1', 'cluster.x-k8s.io/v1beta2': 'v1beta2' };
  return crds
    .map((crd) => stringify({ ...crd, metadata: { ...crd.metadata, labels } }, { aliasDuplicateObjects: false }))
    .join('---\n');
}
