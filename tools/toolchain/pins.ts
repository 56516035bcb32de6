/** The tools that Beskar7 runs beside itself, and where each comes from. */
export type ToolName =
  | 'etcd'
  | 'kube-apiserver'
  | 'kubectl'
  | 'kube-controller-manager'
  | 'kubelet'
  | 'kubeadm'
  | 'temporal'
  | 'temporal-server'
  | 'temporal-test-server'
  | 'cluster-api-manager'
  | 'clusterctl'
  | 'helm'
  | 'promtool';

/** How one tool is found, downloaded or built. */
export interface Pin {
  readonly version: string;
  /** Names the file to use, whatever else is there. */
  readonly environment: string;
  /** One on PATH is taken when its output with these arguments matches `fits`; absent: PATH is not looked at. */
  readonly onPath?: { readonly versionArguments: readonly string[]; readonly fits: RegExp; readonly fitsText: string };
  readonly download?: Download;
  readonly goBuild?: GoBuild;
  /** For the message when everything failed. */
  readonly install: string;
  /** Only some tests need it: it is made when they ask for it, not with the others. */
  readonly onDemand?: true;
}

export interface Download {
  /** `{os}` and `{arch}` are replaced. */
  readonly url: string;
  /** Path inside the archive; absent: the file itself. */
  readonly member?: string;
  /**
   * SHA-256 by `<os>-<arch>`, in hex. Where a platform is missing, the checksum that the publisher serves beside the
   * file (`checksumUrl`) counts.
   */
  readonly sha256: Readonly<Record<string, string>>;
  readonly checksumUrl?: string;
}

export interface GoBuild {
  /** Folder under tools/go with go.mod and go.sum. */
  readonly module: string;
  readonly package: string;
  readonly ldflags?: string;
  readonly usually: string;
}

const KUBERNETES = '1.36.3';
const KUBERNETES_FLAGS = [
  `-X k8s.io/component-base/version.gitVersion=v${KUBERNETES}`,
  `-X k8s.io/client-go/pkg/version.gitVersion=v${KUBERNETES}`,
  '-X k8s.io/component-base/version.gitMajor=1',
  '-X k8s.io/component-base/version.gitMinor=36',
].join(' ');

type KubernetesTool = Extract<ToolName, `kube${string}`>;

function kubernetes(name: KubernetesTool, environment: string, usually: string): Pin {
  return {
    version: KUBERNETES,
    environment,
    onPath: {
      versionArguments: name === 'kubectl' ? ['version', '--client'] : ['--version'],
      fits: /v1\.(3[3-9]|[4-9]\d)\./,
      fitsText: '1.33 or newer',
    },
    download: {
      url: `https://dl.k8s.io/release/v${KUBERNETES}/bin/{os}/{arch}/${name}`,
      sha256: {},
      checksumUrl: `https://dl.k8s.io/release/v${KUBERNETES}/bin/{os}/{arch}/${name}.sha256`,
    },
    goBuild: { module: 'kubernetes', package: `k8s.io/kubernetes/cmd/${name}`, ldflags: KUBERNETES_FLAGS, usually },
    install: `${name} 1.33 or newer (https://kubernetes.io/releases/download/)`,
  };
}

/**
 * What only the tests with a real Node need. Not looked for on PATH: the kubelet and kubeadm go into the image of a
 * node, where their version and what they are linked with count.
 */
function kubernetesOfNodes(
  name: 'kube-controller-manager' | 'kubelet' | 'kubeadm',
  environment: string,
  usually: string,
): Pin {
  const { version, download, goBuild } = kubernetes(name, environment, usually);
  const install = `Go 1.26 or newer, which builds it (k8s.io/kubernetes@v${KUBERNETES})`;
  return { version, environment, ...(download && { download }), ...(goBuild && { goBuild }), install, onDemand: true };
}

const CLUSTER_API = '1.13.6';

function clusterApi(environment: string, suffix: string): Pin {
  const versionPackage = 'sigs.k8s.io/cluster-api/version';
  return {
    version: CLUSTER_API,
    environment,
    goBuild: {
      module: 'cluster-api',
      package: `sigs.k8s.io/cluster-api${suffix}`,
      ldflags: [
        `-X ${versionPackage}.gitVersion=v${CLUSTER_API}`,
        `-X ${versionPackage}.gitMajor=1`,
        `-X ${versionPackage}.gitMinor=13`,
      ].join(' '),
      usually: '3 to 5 minutes',
    },
    install: `Go 1.25 or newer, which builds it (sigs.k8s.io/cluster-api@v${CLUSTER_API})`,
    onDemand: true,
  };
}

/**
 * Versions are pinned here; what is built with Go is pinned by go.mod and go.sum under tools/go. The checksums of
 * release files could not be recorded where this was written (no way out but package registries): the publisher's own
 * checksum file is used instead, and what it said at first is remembered (checksums.ts). Add them to `sha256` when they
 * are known.
 */
export const PINS: Readonly<Record<ToolName, Pin>> = {
  etcd: {
    version: '3.6.16',
    environment: 'BESKAR7_ETCD',
    onPath: { versionArguments: ['--version'], fits: /etcd Version: 3\.(5|6|7)\./, fitsText: '3.5 to 3.7' },
    download: {
      url: 'https://github.com/etcd-io/etcd/releases/download/v3.6.16/etcd-v3.6.16-{os}-{arch}.tar.gz',
      member: 'etcd-v3.6.16-{os}-{arch}/etcd',
      sha256: {},
      checksumUrl: 'https://github.com/etcd-io/etcd/releases/download/v3.6.16/SHA256SUMS',
    },
    goBuild: { module: 'etcd', package: 'go.etcd.io/etcd/server/v3', usually: '1 to 2 minutes' },
    install: 'etcd 3.5 or newer (https://etcd.io/docs/latest/install/)',
  },
  'kube-apiserver': kubernetes('kube-apiserver', 'BESKAR7_KUBE_APISERVER', '4 to 7 minutes'),
  kubectl: kubernetes('kubectl', 'BESKAR7_KUBECTL', '1 to 2 minutes'),
  'kube-controller-manager': kubernetesOfNodes(
    'kube-controller-manager',
    'BESKAR7_KUBE_CONTROLLER_MANAGER',
    '2 to 4 minutes',
  ),
  kubelet: kubernetesOfNodes('kubelet', 'BESKAR7_KUBELET', '2 to 4 minutes'),
  kubeadm: kubernetesOfNodes('kubeadm', 'BESKAR7_KUBEADM', '1 to 2 minutes'),
  temporal: {
    version: '1.5.1',
    environment: 'BESKAR7_TEMPORAL',
    onPath: {
      versionArguments: ['--version'],
      fits: /temporal version (1\.([5-9]|\d\d)|[2-9])/,
      fitsText: '1.5 or newer',
    },
    download: {
      url: 'https://github.com/temporalio/cli/releases/download/v1.5.1/temporal_cli_1.5.1_{os}_{arch}.tar.gz',
      member: 'temporal',
      sha256: {},
      checksumUrl: 'https://github.com/temporalio/cli/releases/download/v1.5.1/checksums.txt',
    },
    goBuild: { module: 'temporal', package: 'github.com/temporalio/cli/cmd/temporal', usually: '4 to 6 minutes' },
    install: 'the temporal command line 1.5 or newer (https://docs.temporal.io/cli)',
  },
  /** The server of a production set-up, which unlike that of the command line has an authoriser and TLS. */
  'temporal-server': {
    version: '1.29.1',
    environment: 'BESKAR7_TEMPORAL_SERVER',
    goBuild: { module: 'temporal', package: 'go.temporal.io/server/cmd/server', usually: '1 to 5 minutes' },
    install: 'Go 1.25 or newer, which builds it (go.temporal.io/server@v1.29.1)',
    onDemand: true,
  },
  'temporal-test-server': {
    version: '1.38.0',
    environment: 'BESKAR7_TEMPORAL_TEST_SERVER',
    install: 'Java 11 or newer (Debian: apt-get install default-jre-headless), or a temporal-test-server of your own',
  },
  'cluster-api-manager': clusterApi('BESKAR7_CLUSTER_API_MANAGER', ''),
  clusterctl: clusterApi('BESKAR7_CLUSTERCTL', '/cmd/clusterctl'),
  helm: {
    version: '3.22.0',
    environment: 'BESKAR7_HELM',
    onPath: {
      versionArguments: ['version', '--short'],
      fits: /^v(3\.(1[6-9]|[2-9]\d)|4)\./m,
      fitsText: '3.16 or newer',
    },
    download: {
      url: 'https://get.helm.sh/helm-v3.22.0-{os}-{arch}.tar.gz',
      member: '{os}-{arch}/helm',
      sha256: {},
      checksumUrl: 'https://get.helm.sh/helm-v3.22.0-{os}-{arch}.tar.gz.sha256sum',
    },
    goBuild: {
      module: 'helm',
      package: 'helm.sh/helm/v3/cmd/helm',
      // The last two as its Makefile sets them, from the version of client-go: else charts are rendered for Kubernetes
      // 1.20.
      ldflags: [
        '-X helm.sh/helm/v3/internal/version.version=v3.22.0',
        '-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1',
        '-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37',
      ].join(' '),
      usually: '2 to 4 minutes',
    },
    install: 'helm 3.16 or newer (https://helm.sh/docs/intro/install/)',
    onDemand: true,
  },
  promtool: {
    version: '3.9.1',
    environment: 'BESKAR7_PROMTOOL',
    onPath: { versionArguments: ['--version'], fits: /promtool, version 3\./, fitsText: '3.0 or newer' },
    download: {
      url: 'https://github.com/prometheus/prometheus/releases/download/v3.9.1/prometheus-3.9.1.{os}-{arch}.tar.gz',
      member: 'prometheus-3.9.1.{os}-{arch}/promtool',
      sha256: {},
      checksumUrl: 'https://github.com/prometheus/prometheus/releases/download/v3.9.1/sha256sums.txt',
    },
    goBuild: {
      module: 'prometheus',
      package: 'github.com/prometheus/prometheus/cmd/promtool',
      ldflags: '-X github.com/prometheus/common/version.Version=3.9.1',
      usually: '3 to 6 minutes',
    },
    install: 'promtool 3 (https://prometheus.io/download/)',
    onDemand: true,
  },
};
