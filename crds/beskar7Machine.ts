import { Type, type Static } from 'typebox';
import { MAX_ATTEMPT_TEXT, MAX_ATTEMPTS } from './attempts.ts';
import {
  AddressList,
  conditions,
  integer,
  list,
  map,
  namespaceName,
  objectName,
  oneOf,
  text,
  url,
  URL_PATTERN,
} from './schema.ts';
import type { KubeObject } from './object.ts';

/** Every phase that a machine can be in; the contract with users (architecture text). */
export const MACHINE_PHASES = [
  'Pending',
  'Claiming',
  'Inspecting',
  'Validating',
  'Provisioning',
  'Provisioned',
  'Failed',
] as const;
/** One of `MACHINE_PHASES`; a machine without one counts as Pending. */
export type MachinePhase = (typeof MACHINE_PHASES)[number];

/** `spec.hardwareRequirements` of a machine. */
export const HardwareRequirements = Type.Object(
  {
    minCPUCores: Type.Optional(integer(0, 1_048_576, { description: 'Physical cores, all packages together.' })),
    minMemoryGB: Type.Optional(integer(0, 1_048_576, { description: 'Installed memory, in GiB (2^30 bytes).' })),
    minDiskGB: Type.Optional(
      integer(0, 1_000_000_000, { description: 'Size of the largest disk, in GB (10^9 bytes).' }),
    ),
  },
  { description: 'What the hardware must have; checked against the inspection report.' },
);
/** As read: a requirement that is absent or 0 is always met. */
export type HardwareRequirements = Static<typeof HardwareRequirements>;

/** metav1.LabelSelector, with bounds. */
export const LabelSelector = Type.Object({
  matchLabels: Type.Optional(map(text(63), 64)),
  matchExpressions: Type.Optional(
    list(
      Type.Object({
        key: text(317, { minLength: 1 }),
        operator: oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: Type.Optional(list(text(63), 64)),
      }),
      32,
    ),
  ),
});
/** As read: all of it has to match; an empty one matches every host. */
export type LabelSelector = Static<typeof LabelSelector>;

const DIGEST = `^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|${URL_PATTERN})$`;

/** The fields of a machine's spec that a person writes; also `spec.template.spec` of a Beskar7MachineTemplate. */
export const machineSpecFields = {
  providerID: Type.Optional(
    text(512, { minLength: 1, description: 'b7://<namespace>/<host>/<machine>. Written by Beskar7 at hand-over.' }),
  ),
  inspectionImage: Type.Optional(
    url({
      description:
        'The inspection image: an iPXE script (a URL ending in .ipxe), or the folder that holds vmlinuz and initrd.img. Absent: the one that Beskar7 serves.',
    }),
  ),
  targetOSImage: url({ description: 'The final OS image that the inspection image fetches.' }),
  targetOSImageDigest: Type.Optional(
    text(1024, {
      pattern: DIGEST,
      description:
        'The digest of the target OS image as it is published: sha256:<64 hex digits>, sha512:<128 hex digits>, or the URL of a checksum file that names the image (as sha256sum, sha512sum and their BSD forms write it), which the inspection image fetches.',
    }),
  ),
  configurationURL: Type.Optional(url({ description: 'OS configuration, handed to the final OS.' })),
  deployMode: Type.Optional(
    oneOf(['Kexec', 'WholeDisk'], { default: 'Kexec', description: 'How the final OS comes onto the server.' }),
  ),
  userData: Type.Optional(
    oneOf(['Auto', 'NoCloud', 'ConfigDrive', 'Talos'], {
      description:
        'Where the OS of WholeDisk looks for its user data. Absent or Auto: by the format of the bootstrap data; cloud-config as NoCloud and ConfigDrive, Ignition as ConfigDrive.',
    }),
  ),
  hostname: Type.Optional(
    oneOf(['Machine', 'Host'], {
      description:
        'Whose name the OS of WholeDisk gets as its host name: that of the PhysicalHost, or (Machine, also when absent) that of this machine.',
    }),
  ),
  readyWhen: Type.Optional(
    oneOf(['HandedOver', 'OSReported'], {
      default: 'HandedOver',
      description: 'Provisioned when the inspector handed over, or when the final OS said that it is up.',
    }),
  ),
  attempts: Type.Optional(
    integer(1, MAX_ATTEMPTS, {
      default: 1,
      description: 'How many hosts are tried after a timeout or failed validation.',
    }),
  ),
  hostSelector: Type.Optional(LabelSelector),
  hardwareRequirements: Type.Optional(HardwareRequirements),
};

/** CEL rules over several fields; also of `spec.template.spec` of a Beskar7MachineTemplate. */
export const machineSpecRules = [
  {
    rule: "!has(self.deployMode) || self.deployMode != 'WholeDisk' || has(self.targetOSImageDigest)",
    message:
      'targetOSImageDigest is required when deployMode is WholeDisk: a disk is not overwritten with unchecked bytes',
  },
];

/**
 * The name of a machine stands in its providerID beside a namespace and a host's name, of up to 63 and 253 characters,
 * and Cluster API takes no providerID above 512.
 */
export const machineNameRules = [
  {
    rule: 'self.metadata.name.size() <= 189',
    message: 'the name of a Beskar7Machine has at most 189 characters, so that its providerID has at most 512',
  },
];

/** The fields with their rules, and providerID fixed once it is set (InfraMachine contract of Cluster API). */
export const Beskar7MachineSpec = Type.Object(machineSpecFields, {
  'x-kubernetes-validations': [
    ...machineSpecRules,
    {
      rule: '!has(oldSelf.providerID) || (has(self.providerID) && self.providerID == oldSelf.providerID)',
      message: 'providerID cannot change once it is set',
    },
  ],
});

/** Status for the contracts v1beta1 (`ready`) and v1beta2 (`initialization.provisioned`) of Cluster API. */
export const Beskar7MachineStatus = Type.Object({
  phase: Type.Optional(oneOf(MACHINE_PHASES)),
  ready: Type.Optional(Type.Boolean({ description: 'Contract v1beta1: the infrastructure is ready.' })),
  initialization: Type.Optional(
    Type.Object({
      provisioned: Type.Optional(Type.Boolean({ description: 'Contract v1beta2: the infrastructure is provisioned.' })),
    }),
  ),
  conditions: Type.Optional(conditions()),
  addresses: Type.Optional(AddressList),
  failureDomain: Type.Optional(text(256)),
  hostRef: Type.Optional(
    Type.Object(
      { name: objectName(), namespace: namespaceName() },
      { description: 'The host that this machine runs on.' },
    ),
  ),
  waitingFor: Type.Optional(
    Type.Object(
      {
        failureDomain: Type.Optional(text(256, { description: 'The zone that the owner Machine asks for.' })),
        triedHosts: Type.Optional(
          list(text(253), 10, { description: 'Hosts that this provisioning has tried already.' }),
        ),
      },
      { description: 'While no host fits: what is requested in addition to hostSelector.' },
    ),
  ),
  earlierAttempts: Type.Optional(
    list(text(MAX_ATTEMPT_TEXT), MAX_ATTEMPTS, {
      description: 'During a provisioning: why its attempts on other hosts have failed, in order.',
    }),
  ),
  workflow: Type.Optional(
    Type.Object(
      { id: text(1000), runID: text(64) },
      { description: 'The last provisioning, for `temporal workflow`.' },
    ),
  ),
});

/** As read: what is optional may be absent, though the schema has a default. */
export type Beskar7MachineSpec = Static<typeof Beskar7MachineSpec>;
/** As read: every field may be absent. */
export type Beskar7MachineStatus = Static<typeof Beskar7MachineStatus>;
/** A machine of a cluster (InfraMachine contract of Cluster API), or a standalone one. */
export type Beskar7Machine = KubeObject<Beskar7MachineSpec, Beskar7MachineStatus>;
