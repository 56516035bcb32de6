import {
  address,
  boolean,
  count,
  duration,
  durationOrZero,
  httpsUrl,
  identifier,
  labelValue,
  networks,
  oneOf,
  rate,
  labelPrefixes,
  roles,
  ROLES,
  secret,
  service,
  text,
  url,
  type Value,
} from './flagValues.ts';

/** One flag of the process: its name is that of its property in FLAGS, `--callback-url` of `callbackUrl`. */
export interface Flag<T> {
  readonly value: Value<Exclude<T, undefined>>;
  /** One line for `--help` and docs/flags.md; starts with the role where only one role reads it. */
  readonly meaning: string;
  /** As it would be given; absent: without the flag its property is undefined. */
  readonly initial?: string;
  /** Markdown: what happens when the time is over, for the table of time limits in docs/configuration.md. */
  readonly over?: string;
}

/** What stands beside the meaning of a flag. */
type More = Pick<Flag<unknown>, 'over'>;

function flag<T>(value: Value<T>, meaning: string): Flag<T | undefined>;
function flag<T>(value: Value<T>, meaning: string, initial: string, more?: More): Flag<T>;
function flag<T>(value: Value<Exclude<T, undefined>>, meaning: string, initial?: string, more?: More): Flag<T> {
  return { value, meaning, ...more, ...(initial === undefined ? {} : { initial }) };
}

const MAX_COUNT = 100_000;

/**
 * Every flag of the process, in the order of `--help`. Configuration, `--help`, docs/flags.md, the tables of
 * docs/configuration.md and the chart's `values.schema.json` are made from this table (`npm run generate`).
 */
export const FLAGS = {
  roles: flag(roles, `comma separated: ${ROLES.join(', ')}, or all`, 'all'),
  kubeconfig: flag(text('<file>'), 'kubeconfig; default: in a pod its service account, else as kubectl'),
  context: flag(text('<name>'), 'context of the kubeconfig; default: its current one'),
  namespace: flag(text('<name>'), 'watch this namespace only; default: all'),
  watchFilter: flag(
    labelValue,
    'look after hosts, machines, clusters and templates with the label cluster.x-k8s.io/watch-filter=<value> only',
  ),
  clusterId: flag(
    identifier,
    'what tells this cluster from others that use the same Temporal; default: the uid of the namespace kube-system',
  ),
  temporalAddress: flag(
    text('<host:port>'),
    'Temporal frontend; default: as the temporal CLI (TEMPORAL_ADDRESS, profile), else localhost:7233',
  ),
  temporalNamespace: flag(
    text('<name>'),
    'Temporal namespace, made when missing; default: TEMPORAL_NAMESPACE, else beskar7',
  ),
  temporalApiKeyFile: flag(
    text('<file>'),
    'API key for Temporal (a JWT, where its authoriser asks for one), read again when the file changes; default: TEMPORAL_API_KEY, as it is at the start',
  ),
  temporalCodecKeys: flag(
    text('<folder>'),
    'encrypt what is kept in Temporal: files <key id> with 32 bytes in base64 (AES-256-GCM), and active with the id of the one that encrypts',
  ),
  temporalCodecStrict: flag(boolean, 'with --temporal-codec-keys: reject payloads in clear text', 'false'),
  callbackBindAddress: flag(address, 'callbacks of booting servers', '0.0.0.0:8082'),
  callbackUrl: flag(url, 'how booting servers reach the callbacks, e.g. http://10.0.0.1:8082'),
  tlsCertDir: flag(
    text('<folder>'),
    'callbacks over HTTPS with its tls.crt and tls.key; ca.crt (P-256, one certificate) goes to the servers; reloaded when they change',
  ),
  callbackCertificateSecret: flag(
    secret,
    'callbacks over HTTPS with a certificate for the host of --callback-url that is created, renewed and kept in this Secret',
  ),
  trustedProxies: flag(networks, 'addresses or CIDR blocks, comma separated, whose X-Forwarded-For is believed', ''),
  bootBindAddress: flag(address, 'boot scripts and images, plain HTTP', '0.0.0.0:8083'),
  webhookBindAddress: flag(address, 'webhook: conversion of Beskar7Cluster, HTTPS', '0.0.0.0:9443'),
  webhookService: flag(
    service,
    'webhook: the Service by which the API server calls it; its certificate is kept in the Secret <name>-certificate there',
    'beskar7-system/beskar7-webhook',
  ),
  webhookUrl: flag(
    httpsUrl,
    'webhook: how the API server calls it instead, e.g. https://10.0.0.1:9443; needed outside of the cluster',
  ),
  webhookCertDir: flag(
    text('<folder>'),
    'webhook: external tls.crt, tls.key and ca.crt (cert-manager); default: created and renewed by itself',
  ),
  webBindAddress: flag(address, 'web: the page, e.g. 0.0.0.0:8090; default: it is not served'),
  webAuth: flag(
    oneOf('<how>', ['token', 'none']),
    'web: token asks for a bearer token of Kubernetes, none for nothing and listens on 127.0.0.1 or [::1] only',
    'token',
  ),
  webTlsCertDir: flag(text('<folder>'), 'web: over HTTPS with its tls.crt and tls.key; reloaded when they change'),
  webTemporalUiUrl: flag(
    url,
    "web: where people reach Temporal's Web UI, for links, e.g. https://temporal.example.com",
  ),
  webKubectl: flag(text('<command>'), 'web: prefix of the kubectl commands that it shows', 'kubectl'),
  webTemporalCli: flag(text('<command>'), 'web: prefix of the temporal commands that it shows', 'temporal'),
  metricsBindAddress: flag(address, 'GET /metrics', '0.0.0.0:8080'),
  healthBindAddress: flag(address, 'GET /healthz and /readyz', '0.0.0.0:8081'),
  bootByMac: flag(
    boolean,
    'serve boot scripts by MAC address: then the provisioning network is the trust boundary',
    'false',
  ),
  nodeLabelPrefix: flag(
    labelPrefixes,
    'api: labels <prefix>/<name> of a host, of these prefixes (comma separated), become labels of its Node; zone and region always do',
    '',
  ),
  imagesFolder: flag(text('<path>'), 'files served under /images/ on the boot listener'),
  bootTimeout: flag(duration, 'from the claim until the server is confirmed on', '10m', {
    over: 'machine `Failed`, `BootFailed`',
  }),
  inspectionTimeout: flag(duration, 'from confirmed on until the report is accepted', '10m', {
    over: 'machine `Failed`, `InspectionTimeout`',
  }),
  provisioningTimeout: flag(duration, 'from validated until handed over', '20m', {
    over: 'machine `Failed`, `ProvisioningTimeout`',
  }),
  gracefulShutdownTimeout: flag(durationOrZero, 'how long a running server may take to shut down at release', '30s', {
    over: 'its power is cut',
  }),
  resync: flag(
    duration,
    'how often unfinished work is reconciled: finds terminated runs; up to 4 times as long while a machine keeps its run',
    '60s',
  ),
  powerOnRate: flag(rate, 'servers switched on per second, all workers together', '5'),
  workerPool: flag(text('<name>'), 'bmc-worker: serve the hosts of this site (redfishConnection.workerPool) only'),
  bmcNetworks: flag(
    networks,
    'bmc-worker: addresses or CIDR blocks, comma separated, where BMCs may be; default: anywhere but link-local, multicast and, in a cluster, loopback, this Pod and the API server',
    '',
  ),
  requireBmcHttps: flag(boolean, 'bmc-worker: reject http:// addresses of BMCs', 'false'),
  orphanReleaseAfter: flag(
    durationOrZero,
    'controllers: how long a machine is missing before its host, never handed over, is released',
    '10m',
    { over: 'its host is released' },
  ),
  monitorInterval: flag(
    durationOrZero,
    'controllers: how often the BMC of each host is asked how it is; 0s: never',
    '60s',
  ),
  monitorShards: flag(
    count(1, 256),
    'controllers: how many workflows share the monitoring of the hosts of a pool',
    '4',
  ),
  concurrentActivities: flag(count(1, MAX_COUNT), 'Kubernetes activities at once', '100'),
  concurrentBmcActivities: flag(count(1, MAX_COUNT), 'BMC activities at once', '500'),
  searchAttributes: flag(boolean, 'use Temporal search attributes', 'true'),
  logLevel: flag(oneOf('<level>', ['trace', 'debug', 'info', 'warn', 'error']), 'how much is logged', 'info'),
  logFile: flag(text('<path>'), 'log to a file; default: standard output'),
} as const satisfies Record<string, Flag<unknown>>;

/** The configuration of a process, checked. Durations in milliseconds. */
export type Config = {
  readonly [K in keyof typeof FLAGS]: (typeof FLAGS)[K] extends Flag<infer T> ? T : never;
};

/** A flag with its names. */
export interface NamedFlag extends Flag<unknown> {
  /** As a user gives it: `--callback-url`. */
  readonly name: string;
  /** The environment variable that is read where the flag is not given: `BESKAR7_CALLBACK_URL`. */
  readonly variable: string;
}

/** All flags in the order of the table. */
export function namedFlags(): NamedFlag[] {
  return Object.entries<Flag<unknown>>(FLAGS).map(([key, one]) => {
    const words = key.split(/(?=[A-Z])/);
    return {
      ...one,
      name: `--${words.join('-').toLowerCase()}`,
      variable: `BESKAR7_${words.join('_').toUpperCase()}`,
    };
  });
}
