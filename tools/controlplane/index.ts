import { mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Agent, request } from 'undici';
import { runCommand } from '../toolchain/command.ts';
import { ensureTools } from '../toolchain/index.ts';
import { Component } from './component.ts';
import { openDataFolder } from './dataFolder.ts';
import { etcdTls, etcdTlsArguments, readEtcdTls, type EtcdTls } from './etcdTls.ts';
import { kubeconfig } from './kubeconfig.ts';
import { freePorts, type Ports } from './ports.ts';

export interface ControlPlaneOptions {
  /** Kept there; absent: a temporary folder, no fsync, everything is deleted at the end. */
  readonly dataFolder?: string;
  /** Starts with an empty control plane: what an earlier one left in the folder is removed. */
  readonly isFresh?: boolean;
  /** Absent: free ones. */
  readonly ports?: Ports;
  /** Writes an audit log at level Metadata, the only record that knows user agents. */
  readonly auditLogPath?: string;
  /** Whose requests are in it; absent: everybody's. */
  readonly auditUsers?: readonly string[];
}

/** etcd, kube-apiserver and Temporal's dev server with its Web UI, on loopback. */
export interface ControlPlane {
  readonly dataFolder: string;
  readonly apiServerUrl: string;
  /** For people: every right. */
  readonly adminKubeconfig: string;
  readonly temporalAddress: string;
  readonly temporalUiUrl: string;
  readonly kubectl: string;
  readonly temporalCli: string;
  readonly caFile: string;
  readonly adminToken: string;
  readonly components: { readonly etcd: Component; readonly apiServer: Component; readonly temporal: Component };
  stop(): Promise<void>;
}

/** The Temporal namespace of the embedded set-up. */
export const TEMPORAL_NAMESPACE = 'beskar7';

function auditPolicy(users: readonly string[] | undefined): string {
  const rules = users === undefined ? [{ level: 'Metadata' }] : [{ level: 'Metadata', users }, { level: 'None' }];
  // JSON is YAML.
  return JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'], rules });
}

/** Starts a control plane and waits until it serves. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const tools = await ensureTools(['etcd', 'kube-apiserver', 'kubectl', 'temporal']);
  const data = await openDataFolder(options.dataFolder, options.isFresh);
  const ports = options.ports ?? (await somePorts());
  const logs = path.join(data.path, 'logs');
  mkdirSync(logs, { recursive: true });
  const isKept = options.dataFolder !== undefined;
  const caFile = path.join(data.path, 'certificates', 'apiserver.crt');
  const apiServerUrl = `https://127.0.0.1:${ports.apiServer}`;

  const tls = await etcdTls(data.path);
  const etcd = new Component(
    {
      name: 'etcd',
      file: tools.etcd,
      args: etcdArguments(data.path, ports, isKept, tls),
      isReady: () => isEtcdReady(ports.etcd, tls),
    },
    logs,
  );
  const apiServer = new Component(
    {
      name: 'kube-apiserver',
      file: tools['kube-apiserver'],
      args: [...(await apiServerArguments(data, ports, options)), ...etcdClientArguments(ports, tls)],
      isReady: () => isApiServerReady(apiServerUrl, caFile, data.adminToken),
    },
    logs,
  );
  const temporal = new Component(
    {
      name: 'temporal',
      file: tools.temporal,
      args: temporalArguments(data.path, ports, isKept),
      isReady: () => isTemporalReady(tools.temporal, ports.temporal),
    },
    logs,
  );
  const components = { etcd, apiServer, temporal };
  const stop = async () => {
    await Promise.all([temporal.stop(), apiServer.stop()]);
    await etcd.stop();
    await data.close();
  };
  try {
    await Promise.all([temporal.start(), etcd.start().then(() => apiServer.start())]);
    const adminKubeconfig = path.join(data.path, 'admin.kubeconfig');
    await writeFile(
      adminKubeconfig,
      kubeconfig({ server: apiServerUrl, ca: await readFile(caFile), token: data.adminToken, user: 'admin' }),
      { mode: 0o600 },
    );
    return {
      dataFolder: data.path,
      apiServerUrl,
      adminKubeconfig,
      temporalAddress: `127.0.0.1:${ports.temporal}`,
      temporalUiUrl: `http://127.0.0.1:${ports.temporalUi}`,
      kubectl: tools.kubectl,
      temporalCli: tools.temporal,
      caFile,
      adminToken: data.adminToken,
      components,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function somePorts(): Promise<Ports> {
  const [apiServer = 0, etcd = 0, etcdPeer = 0, temporal = 0, temporalUi = 0] = await freePorts(5);
  return { apiServer, etcd, etcdPeer, temporal, temporalUi };
}

/** Flags of the embedded etcd. */
export function etcdArguments(folder: string, ports: Ports, isKept: boolean, tls: EtcdTls): string[] {
  const peer = `https://127.0.0.1:${ports.etcdPeer}`;
  const client = `https://127.0.0.1:${ports.etcd}`;
  return [
    `--data-dir=${path.join(folder, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--log-level=warn',
    ...etcdTlsArguments(tls),
    ...(isKept ? ['--auto-compaction-retention=1h'] : ['--unsafe-no-fsync']),
  ];
}

function etcdClientArguments(ports: Ports, { ca, certificate, key }: EtcdTls): string[] {
  return [
    `--etcd-servers=https://127.0.0.1:${ports.etcd}`,
    `--etcd-cafile=${ca}`,
    `--etcd-certfile=${certificate}`,
    `--etcd-keyfile=${key}`,
  ];
}

async function apiServerArguments(
  data: { path: string; tokenFile: string; serviceAccountKey: string },
  ports: Ports,
  { auditLogPath, auditUsers }: ControlPlaneOptions,
): Promise<string[]> {
  const audit: string[] = [];
  if (auditLogPath !== undefined) {
    const policy = path.join(data.path, 'audit-policy.yaml');
    await writeFile(policy, auditPolicy(auditUsers));
    audit.push(`--audit-policy-file=${policy}`, `--audit-log-path=${auditLogPath}`, '--audit-log-maxsize=10000');
  }
  return [
    `--cert-dir=${path.join(data.path, 'certificates')}`,
    '--bind-address=127.0.0.1',
    // Else it looks for the address of the default route, and ends on a machine without one. Nobody reaches it by the
    // Service `kubernetes`.
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none',
    `--secure-port=${ports.apiServer}`,
    `--token-auth-file=${data.tokenFile}`,
    '--authorization-mode=RBAC',
    `--service-account-key-file=${data.serviceAccountKey}`,
    `--service-account-signing-key-file=${data.serviceAccountKey}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-account-max-token-expiration=87600h',
    '--service-cluster-ip-range=10.0.0.0/24',
    // No token Secrets here: there is no controller manager.
    '--disable-admission-plugins=ServiceAccount',
    // As in hardened clusters: who names an owner that must not be deleted first needs a right at that owner.
    '--enable-admission-plugins=OwnerReferencesPermissionEnforcement',
    ...audit,
  ];
}

function temporalArguments(folder: string, ports: Ports, isKept: boolean): string[] {
  return [
    'server',
    'start-dev',
    '--ip=127.0.0.1',
    `--port=${ports.temporal}`,
    `--ui-port=${ports.temporalUi}`,
    `--namespace=${TEMPORAL_NAMESPACE}`,
    '--log-level=warn',
    // Priority and fairness of tasks (docs/temporal.md).
    '--dynamic-config-value=matching.useNewMatcher=true',
    '--dynamic-config-value=matching.enableFairness=true',
    '--search-attribute=Beskar7Namespace=Keyword',
    '--search-attribute=Beskar7Machine=Keyword',
    '--search-attribute=Beskar7Host=Keyword',
    '--search-attribute=Beskar7Phase=Keyword',
    ...(isKept ? [`--db-filename=${path.join(folder, 'temporal.db')}`] : []),
  ];
}

/** Whether it answers those who have its certificate. */
export async function isEtcdReady(port: number, tls: EtcdTls): Promise<boolean> {
  const agent = new Agent({ connect: { ...(await readEtcdTls(tls)), timeout: 2_000 } });
  try {
    const { statusCode, body } = await request(`https://127.0.0.1:${port}/health`, {
      dispatcher: agent,
      headersTimeout: 2_000,
      bodyTimeout: 2_000,
    });
    await body.dump();
    return statusCode === 200;
  } finally {
    await agent.destroy();
  }
}

async function isApiServerReady(url: string, caFile: string, token: string): Promise<boolean> {
  const agent = new Agent({ connect: { ca: await readFile(caFile), timeout: 2_000 } });
  try {
    const { statusCode, body } = await request(`${url}/readyz`, {
      dispatcher: agent,
      headers: { authorization: `Bearer ${token}` },
      headersTimeout: 5_000,
    });
    await body.dump();
    return statusCode === 200;
  } finally {
    await agent.destroy();
  }
}

async function isTemporalReady(cli: string, port: number): Promise<boolean> {
  const args = ['operator', 'namespace', 'describe', '-n', TEMPORAL_NAMESPACE, '--address', `127.0.0.1:${port}`];
  const { code } = await runCommand(cli, args, { timeoutMs: 10_000 });
  return code === 0;
}
