import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { New } from '../../crds/object.ts';
import { API_VERSION } from '../../crds/names.ts';
import type { InspectionReport } from '../../crds/inspectionReport.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { KubeClient } from '../../kube/client.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { NAMESPACE } from '../objects.ts';
import { forEachLimited } from '../waiting.ts';

const AT_ONCE = 48;
const MODELS = [
  ['Dell Inc.', 'PowerEdge R660'],
  ['HPE', 'ProLiant DL360 Gen11'],
  ['Supermicro', 'SYS-121H-TNR'],
] as const;

/** Makes so many hosts with a status as Beskar7 writes it; the first ones have a machine each. */
export async function makeFleet(
  kube: KubeClient,
  counts: { readonly hosts: number; readonly machines: number },
  signal: AbortSignal,
): Promise<void> {
  const numbers = Array.from({ length: counts.hosts }, (_, index) => index + 1);
  await forEachLimited(numbers, AT_ONCE, async (number) => {
    const isTaken = number <= counts.machines;
    if (isTaken) await makeMachine(kube, number, signal);
    await kube.create(HOSTS, hostObject(number, isTaken), { signal });
    await kube.mergePatch(
      HOSTS,
      NAMESPACE,
      hostName(number),
      { status: hostStatus(number, isTaken ? 'On' : 'Off') },
      {
        subresource: 'status',
        signal,
      },
    );
  });
}

/** Another power state of one host, as the monitor writes it. */
export async function changeHost(kube: KubeClient, number: number, signal: AbortSignal): Promise<void> {
  const powerState = Math.random() < 0.5 ? 'On' : 'Off';
  await kube.mergePatch(
    HOSTS,
    NAMESPACE,
    hostName(number),
    { status: { powerState, conditions: conditions() } },
    {
      subresource: 'status',
      signal,
    },
  );
}

export function hostName(number: number): string {
  return `rack${Math.floor((number - 1) / 40) + 1}-${String(((number - 1) % 40) + 1).padStart(2, '0')}`;
}

async function makeMachine(kube: KubeClient, number: number, signal: AbortSignal): Promise<void> {
  const name = machineName(number);
  const machine: New<Beskar7Machine> = {
    metadata: { name, namespace: NAMESPACE, labels: { 'cluster.x-k8s.io/cluster-name': 'bench' } },
    spec: { targetOSImage: 'http://127.0.0.1:9/images/bench-os.img', hardwareRequirements: { minCPUCores: 4 } },
  };
  await kube.create(MACHINES, machine, { signal });
  const hostRef = { namespace: NAMESPACE, name: hostName(number) };
  await kube.mergePatch(
    MACHINES,
    NAMESPACE,
    name,
    { status: { phase: 'Provisioned', hostRef, conditions: conditions() } },
    {
      subresource: 'status',
      signal,
    },
  );
}

function hostObject(number: number, isTaken: boolean): New<PhysicalHost> {
  const consumerRef = {
    apiVersion: API_VERSION,
    kind: 'Beskar7Machine',
    name: machineName(number),
    namespace: NAMESPACE,
  };
  return {
    metadata: {
      name: hostName(number),
      namespace: NAMESPACE,
      labels: { 'topology.kubernetes.io/zone': `zone-${'abc'[number % 3] ?? 'a'}`, rack: `r${Math.ceil(number / 40)}` },
    },
    spec: {
      redfishConnection: {
        address: `https://10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
        credentialsSecretRef: 'bmc',
      },
      bootMACAddress: `52:54:00:${hex(number >> 16)}:${hex(number >> 8)}:${hex(number)}`,
      ...(isTaken ? { consumerRef } : {}),
    },
  };
}

function hostStatus(number: number, powerState: 'On' | 'Off'): object {
  const [manufacturer, model] = MODELS[number % MODELS.length] ?? MODELS[0];
  return {
    state: powerState === 'On' ? 'Ready' : 'Available',
    ready: true,
    powerState,
    hardware: { manufacturer, model, serialNumber: `SN${String(100_000 + number)}` },
    macAddresses: [`52:54:00:${hex(number >> 16)}:${hex(number >> 8)}:${hex(number)}`],
    conditions: conditions(),
    inspectionPhase: 'Complete',
    inspectionReport: report(number),
  };
}

/** What an inspection image tells of a server with two processors, eight DIMMs, six disks and four ports. */
function report(number: number): InspectionReport {
  const serial = (what: string, index: number) => `${what}${number}-${index}`;
  return {
    timestamp: new Date().toISOString(),
    cpus: { count: 2, cores: 64, threads: 128, model: 'Intel(R) Xeon(R) Gold 6430', architecture: 'x86_64', mhz: 2100 },
    memory: { totalBytes: 512 * 2 ** 30 },
    disks: Array.from({ length: 6 }, (_, index) => ({
      device: `/dev/nvme${index}n1`,
      sizeBytes: 3.84e12,
      type: 'NVMe',
      model: 'SAMSUNG MZQL23T8HCLS-00A07',
      serial: serial('S64H', index),
    })),
    nics: Array.from({ length: 4 }, (_, index) => ({
      interface: `eth${index}`,
      macAddress: `06:54:0${index}:${hex(number >> 16)}:${hex(number >> 8)}:${hex(number)}`,
      linkStatus: 'up',
      speedMbps: 25_000,
      driver: 'mlx5_core',
    })),
  };
}

function conditions(): object[] {
  const lastTransitionTime = new Date().toISOString();
  return ['Ready', 'RedfishReachable'].map((type) => ({
    type,
    status: 'True',
    lastTransitionTime,
    reason: type === 'Ready' ? 'Validated' : 'Reachable',
    message: 'Written by the benchmark of the web page.',
  }));
}

function machineName(number: number): string {
  return `worker-${number}`;
}

function hex(value: number): string {
  return (value & 255).toString(16).padStart(2, '0');
}
