import { Command, CommanderError, Option } from 'commander';
import { requireSafe } from '../web/server/safety.ts';
import { parseDurationMs } from './duration.ts';
import {
  bind,
  parseBoolean,
  parseClusterId,
  parseHttpsUrl,
  parseLabelValue,
  parseNetworks,
  parsePositive,
  parseRoles,
  parseSecret,
  parseService,
  parseShards,
  parseUrl,
  ROLES,
  type BindAddress,
  type NamespacedName,
  type Role,
} from './flagValues.ts';

export { ROLES, type BindAddress, type Role } from './flagValues.ts';

/** The configuration of a process, checked. Durations in milliseconds. */
export interface Config {
  readonly roles: readonly Role[];
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly namespace: string | undefined;
  readonly watchFilter: string | undefined;
  readonly clusterId: string | undefined;
  readonly temporalAddress: string | undefined;
  readonly temporalNamespace: string | undefined;
  readonly temporalCodecKeys: string | undefined;
  readonly temporalCodecStrict: boolean;
  readonly callbackBindAddress: BindAddress;
  readonly callbackUrl: string | undefined;
  readonly tlsCertDir: string | undefined;
  readonly callbackCertificateSecret: NamespacedName | undefined;
  readonly trustedProxies: readonly string[];
  readonly bootBindAddress: BindAddress;
  readonly webhookBindAddress: BindAddress;
  readonly webhookService: NamespacedName;
  readonly webhookUrl: string | undefined;
  readonly webhookCertDir: string | undefined;
  readonly webBindAddress: BindAddress | undefined;
  readonly webAuth: 'token' | 'none';
  readonly webTlsCertDir: string | undefined;
  readonly webTemporalUiUrl: string | undefined;
  readonly webKubectl: string;
  readonly webTemporalCli: string;
  readonly metricsBindAddress: BindAddress;
  readonly healthBindAddress: BindAddress;
  readonly bootByMac: boolean;
  readonly imagesFolder: string | undefined;
  readonly bootTimeout: number;
  readonly inspectionTimeout: number;
  readonly provisioningTimeout: number;
  readonly gracefulShutdownTimeout: number;
  readonly resync: number;
  readonly powerOnRate: number;
  readonly workerPool: string | undefined;
  readonly bmcNetworks: readonly string[];
  readonly requireBmcHttps: boolean;
  readonly orphanReleaseAfter: number;
  readonly monitorShards: number;
  readonly monitorInterval: number;
  readonly concurrentActivities: number;
  readonly concurrentBmcActivities: number;
  readonly searchAttributes: boolean;
  readonly logLevel: string;
  readonly logFile: string | undefined;
}

/** A wrong flag or value: one line for the user; the process ends with exit code 2. */
export class UsageError extends Error {}

/** `--help` or `--version` was asked for and has been printed. */
export class HelpPrinted extends Error {}

/** Every flag, with its environment variable BESKAR7_<FLAG>, default and meaning. */
export function command(): Command {
  const flag = (flags: string, description: string) => new Option(flags, description).env(envOf(flags));
  return new Command('beskar7')
    .description('Cluster API infrastructure provider for bare metal: every provisioning is a Temporal workflow.')
    .addOption(
      flag('--roles <list>', `comma separated: ${ROLES.join(', ')}, or all`)
        .default([...ROLES], 'all')
        .argParser(parseRoles),
    )
    .addOption(flag('--kubeconfig <file>', 'kubeconfig; default: in a pod its service account, else as kubectl'))
    .addOption(flag('--context <name>', 'context of the kubeconfig; default: its current one'))
    .addOption(flag('--namespace <name>', 'watch this namespace only; default: all'))
    .addOption(
      flag(
        '--watch-filter <value>',
        'look after hosts, machines, clusters and templates with the label cluster.x-k8s.io/watch-filter=<value> only',
      ).argParser(parseLabelValue),
    )
    .addOption(
      flag(
        '--cluster-id <id>',
        'what tells this cluster from others that use the same Temporal; default: the uid of the namespace kube-system',
      ).argParser(parseClusterId),
    )
    .addOption(
      flag(
        '--temporal-address <host:port>',
        'Temporal frontend; default: as the temporal CLI (TEMPORAL_ADDRESS, profile), else localhost:7233',
      ),
    )
    .addOption(
      flag(
        '--temporal-namespace <name>',
        'Temporal namespace, made when missing; default: TEMPORAL_NAMESPACE, else beskar7',
      ),
    )
    .addOption(
      flag(
        '--temporal-codec-keys <folder>',
        'encrypt what is kept in Temporal: files <key id> with 32 bytes in base64 (AES-256-GCM), and active with the id of the one that encrypts',
      ),
    )
    .addOption(
      flag(
        '--temporal-codec-strict [boolean]',
        'with --temporal-codec-keys: do not believe what stands in Temporal in clear text',
      )
        .preset('true')
        .default(false)
        .argParser(parseBoolean),
    )
    .addOption(
      flag('--callback-bind-address <host:port>', 'callbacks of booting servers')
        .default(bind('0.0.0.0:8082'), '0.0.0.0:8082')
        .argParser(bind),
    )
    .addOption(
      flag('--callback-url <url>', 'how booting servers reach the callbacks, e.g. http://10.0.0.1:8082').argParser(
        parseUrl,
      ),
    )
    .addOption(
      flag(
        '--tls-cert-dir <folder>',
        'callbacks by HTTPS with its tls.crt and tls.key; ca.crt (P-256, one certificate) goes to the servers; read again when they change',
      ),
    )
    .addOption(
      flag(
        '--callback-certificate-secret <namespace/name>',
        'callbacks by HTTPS with a certificate for the host of --callback-url that is made, renewed and kept in this Secret',
      ).argParser(parseSecret),
    )
    .addOption(
      flag('--trusted-proxies <list>', 'addresses or CIDR blocks, comma separated, whose X-Forwarded-For is believed')
        .default([], '')
        .argParser(parseNetworks),
    )
    .addOption(
      flag('--boot-bind-address <host:port>', 'boot scripts and images, plain HTTP')
        .default(bind('0.0.0.0:8083'), '0.0.0.0:8083')
        .argParser(bind),
    )
    .addOption(
      flag('--webhook-bind-address <host:port>', 'webhook: conversion of Beskar7Cluster, HTTPS')
        .default(bind('0.0.0.0:9443'), '0.0.0.0:9443')
        .argParser(bind),
    )
    .addOption(
      flag(
        '--webhook-service <namespace/name>',
        'webhook: the Service by which the API server calls it; its certificate is kept in the Secret <name>-certificate there',
      )
        .default({ namespace: 'beskar7-system', name: 'beskar7-webhook' }, 'beskar7-system/beskar7-webhook')
        .argParser(parseService),
    )
    .addOption(
      flag(
        '--webhook-url <url>',
        'webhook: how the API server calls it instead, e.g. https://10.0.0.1:9443; needed outside of the cluster',
      ).argParser(parseHttpsUrl),
    )
    .addOption(
      flag(
        '--webhook-cert-dir <folder>',
        'webhook: tls.crt, tls.key and ca.crt that somebody else makes (cert-manager); default: made and renewed by itself',
      ),
    )
    .addOption(
      flag('--web-bind-address <host:port>', 'web: the page, e.g. 0.0.0.0:8090; default: it is not served').argParser(
        bind,
      ),
    )
    .addOption(
      flag(
        '--web-auth <how>',
        'web: token asks for a bearer token of Kubernetes, none for nothing and listens on 127.0.0.1 or [::1] only',
      )
        .choices(['token', 'none'])
        .default('token'),
    )
    .addOption(
      flag('--web-tls-cert-dir <folder>', 'web: by HTTPS with its tls.crt and tls.key; read again when they change'),
    )
    .addOption(
      flag(
        '--web-temporal-ui-url <url>',
        "web: where people reach Temporal's Web UI, for links, e.g. https://temporal.example.com",
      ).argParser(parseUrl),
    )
    .addOption(flag('--web-kubectl <command>', 'web: how the kubectl lines that it shows begin').default('kubectl'))
    .addOption(
      flag('--web-temporal-cli <command>', 'web: how the temporal lines that it shows begin').default('temporal'),
    )
    .addOption(
      flag('--metrics-bind-address <host:port>', 'GET /metrics')
        .default(bind('0.0.0.0:8080'), '0.0.0.0:8080')
        .argParser(bind),
    )
    .addOption(
      flag('--health-bind-address <host:port>', 'GET /healthz and /readyz')
        .default(bind('0.0.0.0:8081'), '0.0.0.0:8081')
        .argParser(bind),
    )
    .addOption(
      flag(
        '--boot-by-mac [boolean]',
        'serve boot scripts by MAC address: then the provisioning network is the trust boundary',
      )
        .preset('true')
        .default(false)
        .argParser(parseBoolean),
    )
    .addOption(flag('--images-folder <path>', 'files served under /images/ on the boot listener'))
    .addOption(
      flag('--boot-timeout <duration>', 'from the claim until the server is seen on')
        .default(600_000, '10m')
        .argParser(parseDurationMs),
    )
    .addOption(
      flag('--inspection-timeout <duration>', 'from seen on until the report is there')
        .default(600_000, '10m')
        .argParser(parseDurationMs),
    )
    .addOption(
      flag('--provisioning-timeout <duration>', 'from validated until handed over')
        .default(1_200_000, '20m')
        .argParser(parseDurationMs),
    )
    .addOption(
      flag('--graceful-shutdown-timeout <duration>', 'how long a running server may take to shut down at release')
        .default(30_000, '30s')
        .argParser(parseDurationMs),
    )
    .addOption(
      flag(
        '--resync <duration>',
        'how often unfinished work is looked at again: finds runs that were terminated; up to 4 times as long while a machine keeps its run',
      )
        .default(60_000, '60s')
        .argParser(parseDurationMs),
    )
    .addOption(
      flag('--power-on-rate <number>', 'servers switched on per second, all workers together')
        .default(5)
        .argParser(parsePositive),
    )
    .addOption(
      flag('--worker-pool <name>', 'bmc-worker: serve the hosts of this site (redfishConnection.workerPool) only'),
    )
    .addOption(
      flag(
        '--bmc-networks <list>',
        'bmc-worker: addresses or CIDR blocks, comma separated, where BMCs may be; default: anywhere but link-local, multicast and, in a cluster, loopback, this Pod and the API server',
      )
        .default([], '')
        .argParser(parseNetworks),
    )
    .addOption(
      flag('--require-bmc-https [boolean]', 'bmc-worker: refuse BMC addresses that begin with http://')
        .preset('true')
        .default(false)
        .argParser(parseBoolean),
    )
    .addOption(
      flag(
        '--orphan-release-after <duration>',
        'controllers: how long a machine is missing before its host, never handed over, is released',
      )
        .default(600_000, '10m')
        .argParser(parseDurationMs),
    )
    .addOption(
      flag('--monitor-interval <duration>', 'controllers: how often the BMC of each host is asked how it is; 0s: never')
        .default(60_000, '60s')
        .argParser(parseDurationMs),
    )
    .addOption(
      flag('--monitor-shards <number>', 'controllers: how many workflows share the monitoring of the hosts of a pool')
        .default(4)
        .argParser(parseShards),
    )
    .addOption(
      flag('--concurrent-activities <number>', 'Kubernetes activities at once').default(100).argParser(parsePositive),
    )
    .addOption(
      flag('--concurrent-bmc-activities <number>', 'BMC activities at once').default(500).argParser(parsePositive),
    )
    .addOption(
      flag('--search-attributes [boolean]', 'use Temporal search attributes')
        .preset('true')
        .default(true)
        .argParser(parseBoolean),
    )
    .addOption(
      flag('--log-level <level>', 'how much is logged')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(flag('--log-file <path>', 'log to a file; default: standard output'))
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
}

/** Reads flags and environment. Throws UsageError with one line, or HelpPrinted. */
export function parseConfig(args: readonly string[]): Config {
  const program = command();
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) throw new HelpPrinted();
    throw new UsageError(`beskar7: ${error.message.replace(/^error: /, '')} (see --help)`);
  }
  const config = program.opts<Config>();
  if (config.tlsCertDir !== undefined && config.callbackUrl?.startsWith('http://')) {
    throw new UsageError(
      'beskar7: --callback-url begins with http://, but with --tls-cert-dir the callbacks speak HTTPS (see --help)',
    );
  }
  if (config.temporalCodecStrict && config.temporalCodecKeys === undefined)
    throw new UsageError('beskar7: --temporal-codec-strict needs --temporal-codec-keys (see --help)');
  requireOwnCertificate(config);
  requireServable(config);
  return config;
}

function requireOwnCertificate({ callbackCertificateSecret, tlsCertDir, callbackUrl }: Config): void {
  if (callbackCertificateSecret === undefined) return;
  if (tlsCertDir !== undefined)
    throw new UsageError('beskar7: give --tls-cert-dir or --callback-certificate-secret, not both (see --help)');
  if (callbackUrl?.startsWith('https://') !== true)
    throw new UsageError(
      'beskar7: --callback-certificate-secret needs a --callback-url that begins with https://, whose host the certificate is for (see --help)',
    );
}

function requireServable({ roles, webBindAddress, webAuth }: Config): void {
  if (webBindAddress === undefined) {
    if (roles.length > 1 || roles[0] !== 'web') return;
    throw new UsageError('beskar7: the role web needs --web-bind-address (see --help)');
  }
  try {
    requireSafe({ auth: webAuth, bindAddress: webBindAddress });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function envOf(flags: string): string {
  const name = /--([a-z-]+)/.exec(flags)?.[1] ?? '';
  return `BESKAR7_${name.replaceAll('-', '_').toUpperCase()}`;
}
