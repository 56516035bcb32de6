import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, request } from 'undici';
import { stringify } from 'yaml';
import { KubeClient } from '../../../kube/client.ts';
import { Component } from '../../../tools/controlplane/component.ts';
import { etcdTls, type EtcdTls } from '../../../tools/controlplane/etcdTls.ts';
import { etcdArguments, isEtcdReady } from '../../../tools/controlplane/index.ts';
import { kubeconfig } from '../../../tools/controlplane/kubeconfig.ts';
import { freePorts } from '../../../tools/controlplane/ports.ts';
import { runCommand } from '../../../tools/toolchain/command.ts';
import { ensureTools } from '../../../tools/toolchain/index.ts';

/** Where QEMU's user network shows this machine's loopback. */
const GATEWAY = '10.0.2.2';
const VERSION = 'v1.36.3';
const POD_CIDR = '10.244.0.0/16';
type Tools = Record<'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kubeadm' | 'kubectl', string>;

/**
 * The control plane of a workload cluster, as `kubeadm init` leaves it, with its processes on this machine instead of
 * in static pods (their container images cannot be had without a registry): etcd, kube-apiserver with bootstrap tokens
 * and the node authorizer, kube-controller-manager, and what kubeadm puts into the API server for those that join.
 * Virtual machines reach it at 10.0.2.2.
 */
export class WorkloadCluster {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-workload-'));
  /** For this machine; every right. */
  readonly kubeconfigFile = path.join(this.folder, 'admin.kubeconfig');
  /** As joining nodes reach it. */
  readonly host = GATEWAY;
  port = 0;
  client!: KubeClient;
  #tools!: Tools;
  #components: Component[] = [];
  readonly #token = `${randomBytes(3).toString('hex')}.${randomBytes(8).toString('hex')}`;

  /** Starts it, and waits until it can be joined. */
  async start(): Promise<void> {
    this.#tools = await ensureTools(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubeadm', 'kubectl']);
    const [etcd = 0, etcdPeer = 0, apiServer = 0, controllers = 0] = await freePorts(4);
    this.port = apiServer;
    writeFileSync(this.#file('here.yaml'), this.#configuration(this.#file('pki')));
    // What those that join are told: where the certificates are on them.
    writeFileSync(this.#file('nodes.yaml'), this.#configuration('/etc/kubernetes/pki'));
    await this.#kubeadm('certs', 'ca');
    await this.#kubeadm('certs', 'apiserver');
    await this.#kubeadm('certs', 'sa');
    const adminToken = randomBytes(24).toString('hex');
    writeFileSync(this.#file('tokens.csv'), `${adminToken},admin,admin,system:masters\n`, { mode: 0o600 });
    const ca = readFileSync(this.#file('pki/ca.crt'));
    const server = `https://127.0.0.1:${apiServer}`;
    writeFileSync(this.kubeconfigFile, kubeconfig({ server, ca, token: adminToken, user: 'admin' }), { mode: 0o600 });
    const config = new KubeConfig();
    config.loadFromFile(this.kubeconfigFile);
    this.client = KubeClient.fromConfig(config, { userAgent: 'beskar7-test' });

    const logs = this.#file('logs');
    mkdirSync(logs);
    const tls = await etcdTls(this.folder);
    const ports = { etcd, etcdPeer, apiServer, temporal: 0, temporalUi: 0 };
    await this.#run({
      name: 'etcd',
      file: this.#tools.etcd,
      args: etcdArguments(this.folder, ports, false, tls),
      isReady: () => isEtcdReady(etcd, tls),
    });
    await this.#run({
      name: 'kube-apiserver',
      file: this.#tools['kube-apiserver'],
      args: this.#apiServerArguments(etcd, tls),
      isReady: () => answers(`${server}/readyz`, ca.toString()),
    });
    await this.#run({
      name: 'kube-controller-manager',
      file: this.#tools['kube-controller-manager'],
      args: this.#controllerArguments(controllers),
      isReady: () => answers(`https://127.0.0.1:${controllers}/healthz`),
    });
    await this.#kubeadm('upload-config', 'all');
    await this.#kubeadm('bootstrap-token', '--skip-token-print');
    await this.#publishAddress();
  }

  /** What `kubeadm join` of a node needs: a JoinConfiguration's discovery. */
  discovery(): object {
    const { publicKey } = new X509Certificate(readFileSync(this.#file('pki/ca.crt')));
    const hash = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    return {
      bootstrapToken: {
        apiServerEndpoint: `${GATEWAY}:${this.port}`,
        token: this.#token,
        caCertHashes: [`sha256:${hash}`],
      },
    };
  }

  /** Runs kubectl against it; throws when it fails. */
  kubectl(...args: string[]): Promise<string> {
    return must(this.#tools.kubectl, ['--kubeconfig', this.kubeconfigFile, ...args]);
  }

  /** `kubectl wait --for=<what> <object>`; throws after `boundMs`. */
  async until(what: string, object: string, boundMs: number): Promise<void> {
    const seconds = Math.ceil(boundMs / 1_000);
    const args = ['--kubeconfig', this.kubeconfigFile, 'wait', `--for=${what}`, object, `--timeout=${seconds}s`];
    await must(this.#tools.kubectl, args, boundMs + 10_000);
  }

  async stop(): Promise<void> {
    await this.client?.close();
    for (const component of this.#components.reverse()) await component.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  #file(name: string): string {
    return path.join(this.folder, name);
  }

  async #run(spec: ConstructorParameters<typeof Component>[0]): Promise<void> {
    const component = new Component(spec, this.#file('logs'));
    this.#components.push(component);
    await component.start();
  }

  #kubeadm(phase: string, ...args: string[]): Promise<string> {
    const config =
      phase === 'certs'
        ? ['--config', this.#file('here.yaml')]
        : ['--config', this.#file('nodes.yaml'), '--kubeconfig', this.kubeconfigFile];
    return must(this.#tools.kubeadm, ['init', 'phase', phase, ...args, ...config]);
  }

  #configuration(certificatesDir: string): string {
    const documents = [
      {
        apiVersion: 'kubeadm.k8s.io/v1beta4',
        kind: 'InitConfiguration',
        bootstrapTokens: [{ token: this.#token, ttl: '1h' }],
        localAPIEndpoint: { advertiseAddress: GATEWAY, bindPort: this.port },
      },
      {
        apiVersion: 'kubeadm.k8s.io/v1beta4',
        kind: 'ClusterConfiguration',
        kubernetesVersion: VERSION,
        certificatesDir,
        controlPlaneEndpoint: `${GATEWAY}:${this.port}`,
        apiServer: { certSANs: ['127.0.0.1', GATEWAY] },
        networking: { podSubnet: POD_CIDR },
      },
    ];
    return documents.map((document) => stringify(document)).join('---\n');
  }

  #apiServerArguments(etcd: number, tls: EtcdTls): string[] {
    const pki = (name: string) => this.#file(`pki/${name}`);
    return [
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      '--endpoint-reconciler-type=none',
      `--secure-port=${this.port}`,
      `--etcd-servers=https://127.0.0.1:${etcd}`,
      `--etcd-cafile=${tls.ca}`,
      `--etcd-certfile=${tls.certificate}`,
      `--etcd-keyfile=${tls.key}`,
      `--client-ca-file=${pki('ca.crt')}`,
      `--tls-cert-file=${pki('apiserver.crt')}`,
      `--tls-private-key-file=${pki('apiserver.key')}`,
      `--service-account-key-file=${pki('sa.pub')}`,
      `--service-account-signing-key-file=${pki('sa.key')}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      '--service-cluster-ip-range=10.96.0.0/12',
      `--token-auth-file=${this.#file('tokens.csv')}`,
      '--enable-bootstrap-token-auth',
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
    ];
  }

  #controllerArguments(port: number): string[] {
    const pki = (name: string) => this.#file(`pki/${name}`);
    return [
      `--kubeconfig=${this.kubeconfigFile}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      '--leader-elect=false',
      '--controllers=*,bootstrap-signer-controller,token-cleaner-controller',
      `--cluster-signing-cert-file=${pki('ca.crt')}`,
      `--cluster-signing-key-file=${pki('ca.key')}`,
      `--root-ca-file=${pki('ca.crt')}`,
      `--service-account-private-key-file=${pki('sa.key')}`,
      '--allocate-node-cidrs',
      `--cluster-cidr=${POD_CIDR}`,
    ];
  }

  /** kubeadm took the address from the kubeconfig of this machine; joining nodes need theirs, signed again. */
  async #publishAddress(): Promise<void> {
    const text = await this.kubectl(
      '-n',
      'kube-public',
      'get',
      'configmap',
      'cluster-info',
      '-o',
      'jsonpath={.data.kubeconfig}',
    );
    const data = { kubeconfig: text.replace('https://127.0.0.1:', `https://${GATEWAY}:`) };
    await this.kubectl(
      '-n',
      'kube-public',
      'patch',
      'configmap',
      'cluster-info',
      '--type=merge',
      '-p',
      JSON.stringify({ data }),
    );
  }
}

async function must(file: string, args: readonly string[], timeoutMs = 120_000): Promise<string> {
  const { code, output, stdout } = await runCommand(file, args, { timeoutMs });
  if (code !== 0) throw new Error(`${path.basename(file)} ${args.join(' ')}: ${output}`);
  return stdout;
}

async function answers(url: string, ca?: string): Promise<boolean> {
  const agent = new Agent({ connect: ca === undefined ? { rejectUnauthorized: false } : { ca } });
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent, headersTimeout: 5_000 });
    await body.dump();
    return statusCode === 200;
  } finally {
    await agent.destroy();
  }
}
