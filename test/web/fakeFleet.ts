import type {
  Failures,
  HostDetail,
  HostRow,
  InspectionReport,
  MachineDetail,
  MachineRow,
  HostState,
  MachinePhase,
} from '../../web/shared/api.ts';

/** Objects for the tests of the page, in the form of web/shared/api.ts. */

export const NOW = Date.parse('2026-11-23T12:00:00Z');
export const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

const MODELS = [
  ['Dell Inc.', 'PowerEdge R660'],
  ['HPE', 'ProLiant DL360 Gen11'],
  ['Supermicro', 'SYS-121H-TNR'],
] as const;

/** Host number `index` of a fleet: most are Ready, some of every other state. */
export function hostRow(index: number, over: Partial<HostRow> = {}): HostRow {
  const [manufacturer, model] = MODELS[index % MODELS.length] ?? MODELS[0];
  const state: HostState =
    index % 50 === 7
      ? 'Error'
      : index % 50 === 9
        ? 'Inspecting'
        : index % 50 === 11
          ? 'Enrolling'
          : index % 5 === 0
            ? 'Available'
            : 'Ready';
  const isTaken = state === 'Ready' || state === 'Inspecting';
  return {
    namespace: 'default',
    name: `rack${Math.floor(index / 40) + 1}-${String((index % 40) + 1).padStart(2, '0')}`,
    state,
    manufacturer,
    model,
    serial: `SN${String(100000 + index)}`,
    macs: [`52:54:00:${hex(index >> 16)}:${hex(index >> 8)}:${hex(index)}`],
    zone: `zone-${'abc'[index % 3] ?? 'a'}`,
    power: isTaken ? 'On' : 'Off',
    bmc: state === 'Error' ? 'Unauthorized' : 'Reachable',
    ...(isTaken ? { consumer: { namespace: 'default', name: `worker-${index}` } } : {}),
    createdAt: ago(86_400),
    revision: '1',
    ...over,
  };
}

export function machineRow(index: number, phase: MachinePhase, over: Partial<MachineRow> = {}): MachineRow {
  return {
    namespace: 'default',
    name: `worker-${index}`,
    phase,
    ...(phase === 'Pending' ? {} : { host: { namespace: 'default', name: hostRow(index).name } }),
    zone: 'zone-a',
    since: ago(300),
    revision: '1',
    ...over,
  };
}

/** A server of two packages with 16 cores each, a few DIMMs, disks of three kinds. */
export function report(over: Partial<InspectionReport> = {}): InspectionReport {
  return {
    timestamp: ago(3600),
    cpus: {
      count: 2,
      cores: 32,
      threads: 64,
      model: 'Intel(R) Xeon(R) Gold 6426Y',
      architecture: 'x86_64',
      mhz: 2500,
    },
    memory: {
      totalBytes: 256 * 2 ** 30,
      modules: [0, 1, 2, 3, 4, 5, 6, 7].map((slot) => ({
        id: `DIMM.A${slot + 1}`,
        type: 'DDR5',
        speed: '4800 MT/s',
        sizeBytes: 32 * 2 ** 30,
      })),
    },
    disks: [
      {
        device: '/dev/nvme0n1',
        sizeBytes: 3_840_755_982_336,
        type: 'NVMe',
        model: 'SAMSUNG MZQL23T8HCLS',
        serial: 'S64HNE0R1',
      },
      {
        device: '/dev/sda',
        sizeBytes: 480_103_981_056,
        type: 'SSD',
        model: 'MTFDDAK480TDS',
        serial: '2144E5D1',
      },
      {
        device: '/dev/sdb',
        sizeBytes: 16_000_900_661_248,
        type: 'HDD',
        model: 'ST16000NM001G',
        serial: 'ZL2K7RQ1',
      },
    ],
    nics: [
      {
        interface: 'eno1',
        macAddress: '52:54:00:00:00:01',
        linkStatus: 'up',
        speedMbps: 25_000,
        driver: 'mlx5_core',
      },
      { interface: 'eno2', macAddress: '52:54:00:00:00:02', linkStatus: 'down', driver: 'mlx5_core' },
    ],
    system: {
      manufacturer: 'Dell Inc.',
      model: 'PowerEdge R660',
      serialNumber: 'SN100001',
      biosVersion: '2.3.5',
      bmcAddress: '10.0.0.1',
    },
    bootMode: 'UEFI',
    storageControllers: [{ id: '0000:65:00.0', vendor: 'Broadcom', model: 'PERC H755', driver: 'megaraid_sas' }],
    accelerators: [{ id: '0000:ca:00.0', vendor: 'NVIDIA', model: 'L40S', type: 'GPU' }],
    ...over,
  };
}

export function hostDetail(row: HostRow, over: Partial<HostDetail> = {}): HostDetail {
  const isGood = row.bmc === 'Reachable';
  return {
    row,
    bmc: {
      address: 'https://10.0.0.1',
      systemID: 'System.Embedded.1',
      reachable: {
        type: 'RedfishReachable',
        status: isGood ? 'True' : 'False',
        reason: row.bmc ?? 'Unreachable',
        message: '',
        lastTransitionTime: ago(600),
      },
      ...(isGood
        ? {}
        : {
            lastError: 'the BMC refused the credentials of Secret default/bmc (401)',
            nextAttemptAt: ago(-60),
            failedAttempts: 4,
          }),
    },
    addresses: [],
    labels: { 'topology.kubernetes.io/zone': row.zone ?? 'zone-a' },
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Validated',
        message: 'the hardware is good',
        lastTransitionTime: ago(500),
      },
    ],
    events: [
      { type: 'Normal', reason: 'Claimed', message: 'claimed by default/worker-1', count: 1, at: ago(700) },
      { type: 'Warning', reason: 'RedfishError', message: 'one answer was cut short', count: 3, at: ago(900) },
    ],
    reports: [
      { id: 'r2', at: ago(600), report: report() },
      {
        id: 'r1',
        at: ago(86_400 * 3),
        report: report({ memory: { modules: report().memory?.modules?.slice(0, 6) ?? [] } }),
      },
    ],
    workflows: [
      { text: 'Enrolment', workflowId: `enroll/default/${row.name}`, url: 'http://127.0.0.1:8233/namespaces/x' },
    ],
    commands: [{ what: 'The whole object', line: `kubectl get ph ${row.name} -n default -o yaml` }],
    actions: row.state === 'Error' ? [{ kind: 'force-release', consequences: ['The claim ends at once.'] }] : [],
    ...over,
  };
}

export function machineDetail(row: MachineRow, over: Partial<MachineDetail> = {}): MachineDetail {
  return {
    row,
    targetOSImage: 'https://images.example.com/kernel',
    steps: [
      {
        id: '1',
        name: 'Claim a host',
        state: 'done',
        startedAt: ago(400),
        endedAt: ago(399),
        detail: 'rack1-02',
        retries: [],
      },
      {
        id: '2',
        name: 'Power off',
        state: 'done',
        startedAt: ago(399),
        endedAt: ago(380),
        retries: [{ at: ago(395), error: 'the BMC answered 503' }],
      },
      { id: '3', name: 'Boot from the network', state: 'done', startedAt: ago(380), endedAt: ago(350), retries: [] },
      { id: '4', name: 'Wait for the report', state: 'waiting', startedAt: ago(350), retries: [] },
    ],
    waiting: { text: 'the inspection report of rack1-02', since: ago(350), deadline: ago(-250) },
    requirements: [
      { name: 'CPU cores', unit: 'cores', asked: 16, found: 32 },
      { name: 'Memory', unit: 'GiB', asked: 512, found: 256 },
      { name: 'Largest disk', unit: 'GB', asked: 100 },
    ],
    conditions: [
      {
        type: 'InfrastructureReady',
        status: 'False',
        reason: 'WaitingForInspection',
        message: 'waits for the report',
        lastTransitionTime: ago(350),
      },
    ],
    events: [{ type: 'Normal', reason: 'Claimed', message: 'claimed rack1-02', count: 1, at: ago(400) }],
    workflows: [
      { text: 'Provisioning', workflowId: `provision/default/${row.name}`, url: 'http://127.0.0.1:8233/namespaces/x' },
    ],
    commands: [{ what: 'Cancel it', line: `temporal workflow cancel -w provision/default/${row.name}` }],
    actions: [
      { kind: 'retry', consequences: ['A new run starts.'], refusal: 'A provisioning is under way.' },
      {
        kind: 'cancel',
        consequences: ['The server is switched off and seen off.', 'The machine becomes Failed, reason Cancelled.'],
      },
    ],
    ...over,
  };
}

export function failures(): Failures {
  return {
    bucketMs: 3_600_000,
    buckets: Array.from({ length: 24 }, (_, index) => ({
      at: ago((24 - index) * 3600),
      byReason: index % 4 === 0 ? { InspectionTimeout: index % 3, BootFailed: 2 } : {},
    })),
    reasons: [
      {
        reason: 'BootFailed',
        count: 12,
        lastAt: ago(3600),
        lastMessage: 'rack1-08 did not switch on',
        lastMachine: { namespace: 'default', name: 'worker-1' },
      },
      {
        reason: 'InspectionTimeout',
        count: 6,
        lastAt: ago(7200),
        lastMessage: 'no report within 10 m',
        lastMachine: { namespace: 'default', name: 'worker-2' },
      },
    ],
    durations: [
      { step: 'Claim a host', count: 200, p50Ms: 80, p95Ms: 400, maxMs: 900 },
      { step: 'Boot from the network', count: 200, p50Ms: 31_000, p95Ms: 74_000, maxMs: 120_000 },
      { step: 'Wait for the report', count: 188, p50Ms: 95_000, p95Ms: 240_000, maxMs: 590_000 },
    ],
    covers: 'the last 24 hours, 218 provisionings',
  };
}

function hex(value: number): string {
  return (value & 0xff).toString(16).padStart(2, '0');
}
