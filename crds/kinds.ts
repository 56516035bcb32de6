import type { TSchema } from 'typebox';
import { Type } from 'typebox';
import { Beskar7ClusterSpec, Beskar7ClusterStatus } from './beskar7Cluster.ts';
import { Beskar7ClusterStatusV1beta2, VERSION_V1BETA2 } from './beskar7ClusterV1beta2.ts';
import { Beskar7ClusterTemplateSpec } from './beskar7ClusterTemplate.ts';
import { Beskar7MachineSpec, Beskar7MachineStatus, machineNameRules } from './beskar7Machine.ts';
import { Beskar7MachineTemplateSpec, Beskar7MachineTemplateStatus } from './beskar7MachineTemplate.ts';
import { LABEL_MOVE } from './names.ts';
import { PhysicalHostSpec, PhysicalHostStatus } from './physicalHost.ts';
import type { CelRule } from './schema.ts';

/** A column of `kubectl get`. Priority 1 shows with `-o wide` only. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
}

/** Everything that a CustomResourceDefinition says of one kind. */
export interface KindDefinition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: TSchema;
  readonly status?: TSchema;
  readonly columns: readonly PrinterColumn[];
  /** CEL rules over the whole object, for what its name has to keep. */
  readonly rules?: readonly CelRule[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Further versions that are served, converted by the webhook; v1beta1 is the one that is stored, for good. */
  readonly otherVersions?: readonly KindVersion[];
}

/** One more version of a kind: what is not named is as in v1beta1. */
export interface KindVersion {
  readonly name: string;
  readonly status: TSchema;
}

const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const condition = (type: string, field: 'status' | 'reason' | 'message') =>
  `.status.conditions[?(@.type=="${type}")].${field}`;

/** The five kinds, in the order of docs/reference.md; the CRD YAML is generated from them. */
export const KINDS: readonly KindDefinition[] = [
  {
    kind: 'PhysicalHost',
    plural: 'physicalhosts',
    shortNames: ['ph'],
    description: 'PhysicalHost is one server that is driven through the Redfish API of its BMC.',
    spec: PhysicalHostSpec,
    status: PhysicalHostStatus,
    // Hosts move with the cluster that they serve; their Secrets get the label at enrolment.
    labels: { [LABEL_MOVE]: '' },
    columns: [
      { name: 'State', type: 'string', jsonPath: '.status.state' },
      { name: 'Power', type: 'string', jsonPath: '.status.powerState' },
      { name: 'Consumer', type: 'string', jsonPath: '.spec.consumerRef.name' },
      { name: 'Inspection', type: 'string', jsonPath: '.status.inspectionPhase' },
      { name: 'Ready', type: 'string', jsonPath: condition('Ready', 'status') },
      { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason') },
      age,
      { name: 'Model', type: 'string', jsonPath: '.status.hardware.model', priority: 1 },
      { name: 'Serial', type: 'string', jsonPath: '.status.hardware.serialNumber', priority: 1 },
      { name: 'BMC', type: 'string', jsonPath: '.spec.redfishConnection.address', priority: 1 },
      { name: 'Message', type: 'string', jsonPath: condition('Ready', 'message'), priority: 1 },
    ],
  },
  {
    kind: 'Beskar7Machine',
    plural: 'beskar7machines',
    shortNames: ['b7m'],
    description: 'Beskar7Machine is a machine of a cluster, provisioned on a PhysicalHost by a Temporal workflow.',
    spec: Beskar7MachineSpec,
    status: Beskar7MachineStatus,
    rules: machineNameRules,
    // Also those that stand alone: else their hosts would move, and they would stay behind.
    labels: { [LABEL_MOVE]: '' },
    columns: [
      { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
      { name: 'Host', type: 'string', jsonPath: '.status.hostRef.name' },
      { name: 'Ready', type: 'string', jsonPath: condition('Ready', 'status') },
      { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason') },
      { name: 'Server', type: 'string', jsonPath: condition('UnexpectedlyOff', 'reason') },
      { name: 'ProviderID', type: 'string', jsonPath: '.spec.providerID' },
      age,
      { name: 'Workflow', type: 'string', jsonPath: '.status.workflow.id', priority: 1 },
      { name: 'Message', type: 'string', jsonPath: condition('Ready', 'message'), priority: 1 },
    ],
  },
  {
    kind: 'Beskar7MachineTemplate',
    plural: 'beskar7machinetemplates',
    shortNames: ['b7mt'],
    description: 'Beskar7MachineTemplate is what Cluster API makes Beskar7Machines from.',
    spec: Beskar7MachineTemplateSpec,
    status: Beskar7MachineTemplateStatus,
    columns: [age],
  },
  {
    kind: 'Beskar7Cluster',
    plural: 'beskar7clusters',
    shortNames: ['b7c'],
    description: 'Beskar7Cluster is the infrastructure that the machines of one cluster share.',
    spec: Beskar7ClusterSpec,
    status: Beskar7ClusterStatus,
    labels: { 'cluster.x-k8s.io/v1beta2': VERSION_V1BETA2 },
    otherVersions: [{ name: VERSION_V1BETA2, status: Beskar7ClusterStatusV1beta2 }],
    columns: [
      { name: 'Cluster', type: 'string', jsonPath: '.metadata.labels.cluster\\.x-k8s\\.io/cluster-name' },
      { name: 'Ready', type: 'string', jsonPath: '.status.ready' },
      { name: 'Endpoint', type: 'string', jsonPath: '.spec.controlPlaneEndpoint.host' },
      age,
    ],
  },
  {
    kind: 'Beskar7ClusterTemplate',
    plural: 'beskar7clustertemplates',
    shortNames: ['b7ct'],
    description: 'Beskar7ClusterTemplate is what a ClusterClass makes Beskar7Clusters from.',
    spec: Beskar7ClusterTemplateSpec,
    status: Type.Object({}),
    columns: [age],
  },
];
