import { stringify } from 'yaml';

/** How many hosts and machines stand in `examples/`. */
export const EXAMPLES = 5;

/** Hosts and machines beyond those of `examples/`, as one YAML text; empty when there are none. */
export function moreHosts(hosts: number, basePort: number): string {
  const documents: object[] = [];
  for (let index = EXAMPLES + 1; index <= hosts; index += 1) {
    const number = String(index).padStart(2, '0');
    const rack = Math.ceil(index / EXAMPLES);
    documents.push({
      apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1',
      kind: 'PhysicalHost',
      metadata: {
        name: `rack${rack}-${number}`,
        namespace: 'default',
        labels: { 'topology.kubernetes.io/zone': `zone-${'abc'[index % 3]}` },
      },
      spec: {
        bootMACAddress: macOf(index),
        redfishConnection: { address: `http://127.0.0.1:${basePort + index}`, credentialsSecretRef: 'bmc-credentials' },
      },
    });
    documents.push({
      apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1',
      kind: 'Beskar7Machine',
      metadata: { name: `worker-${number}`, namespace: 'default' },
      spec: { targetOSImage: 'http://boot-server.example/images/kairos-v2.8.1.tar.gz' },
    });
  }
  return documents.map((document) => stringify(document)).join('---\n');
}

/** The MAC address of the n-th simulated server. */
export function macOf(index: number): string {
  const bytes = [0x02, 0xb7, 0, (index >> 16) & 0xff, (index >> 8) & 0xff, index & 0xff];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
