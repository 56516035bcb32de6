import { stringify } from 'yaml';

/** Where the bridge plugin of CNI finds its network; nodes of this test need one each. */
const CNI = {
  cniVersion: '1.0.0',
  name: 'bridge',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.244.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

/**
 * Bootstrap data of a worker, byte for byte in the form in which Cluster API's kubeadm bootstrap provider writes it
 * (bootstrap/kubeadm/internal/cloudinit/node.go): cloud-config by a template of Jinja, files, and `kubeadm join`.
 */
export function joinData(discovery: object): string {
  const join = {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'JoinConfiguration',
    discovery,
    nodeRegistration: {
      name: '{{ ds.meta_data.local_hostname }}',
      imagePullPolicy: 'IfNotPresent',
      kubeletExtraArgs: [{ name: 'provider-id', value: '{{ ds.meta_data.instance_id }}' }],
      taints: null,
    },
  };
  const file = (name: string, permissions: string, content: string) =>
    [
      `-   path: ${name}`,
      '    owner: root:root',
      `    permissions: '${permissions}'`,
      '    content: |',
      ...content
        .trimEnd()
        .split('\n')
        .map((line) => `      ${line}`),
      '',
    ].join('\n');
  return [
    '## template: jinja',
    '#cloud-config',
    '',
    'write_files:',
    file('/etc/cni/net.d/10-bridge.conflist', '0644', JSON.stringify(CNI, undefined, 2)),
    file('/run/kubeadm/kubeadm-join-config.yaml', '0640', `---\n${stringify(join)}`),
    file(
      '/run/cluster-api/placeholder',
      '0640',
      'This placeholder file is used to create the /run/cluster-api sub directory in a way that is compatible with both Linux and Windows (mkdir -p /run/cluster-api does not work with Windows)',
    ),
    'runcmd:',
    "  - 'kubeadm join --config /run/kubeadm/kubeadm-join-config.yaml  && echo success > /run/cluster-api/bootstrap-success.complete'",
    '',
  ].join('\n');
}
