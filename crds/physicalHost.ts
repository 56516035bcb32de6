import { Type, type Static } from 'typebox';
import { AddressList, conditions, integer, list, namespaceName, objectName, oneOf, text, time } from './schema.ts';
import { InspectionReport } from './inspectionReport.ts';
import type { KubeObject } from './object.ts';

/** Every state that a host can be in; the contract with users (architecture text). */
export const HOST_STATES = ['Enrolling', 'Available', 'InUse', 'Inspecting', 'Ready', 'Error'] as const;
/** One of `HOST_STATES`; a host without one counts as Enrolling. */
export type HostState = (typeof HOST_STATES)[number];

/**
 * How far the inspection for a claim is: claimed, powered on, boot script fetched, report stored; or how it ended
 * without one.
 */
const INSPECTION_PHASES = ['Pending', 'Booting', 'InProgress', 'Complete', 'Failed', 'Timeout'] as const;

/** `spec.redfishConnection` of a host: where its BMC is, how to log in, how to check its certificate. */
export const RedfishConnection = Type.Object(
  {
    address: text(512, {
      minLength: 8,
      pattern: '^https?://[A-Za-z0-9._~:/%\\[\\]-]+$',
      description: 'Where the BMC answers, e.g. https://10.0.0.5 or https://[fd00::5]:8443.',
    }),
    credentialsSecretRef: objectName({
      description: 'Name of a Secret in the same namespace with the keys username and password.',
    }),
    insecureSkipVerify: Type.Optional(
      Type.Boolean({ default: false, description: 'Do not check the certificate of the BMC.' }),
    ),
    caBundleSecretRef: Type.Optional(
      objectName({
        description: 'Name of a Secret in the same namespace whose key ca.crt holds the CA of the BMC, in PEM.',
      }),
    ),
    tlsServerName: Type.Optional(
      text(253, {
        minLength: 1,
        pattern: '^[A-Za-z0-9._:-]+$',
        description: "The name or address in the BMC's certificate, where that is not the host of its address.",
      }),
    ),
    insecureSkipNameVerify: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Check only that the certificate of the BMC is of the CA in caBundleSecretRef, and not whom it is made out to.',
      }),
    ),
    authentication: Type.Optional(
      oneOf(['Auto', 'Basic', 'Session', 'PreferSession'], {
        description:
          'How to log in. Auto (default): Basic, and a session where the BMC does not offer Basic. PreferSession: a session, ' +
          'and Basic where the BMC has none. Basic, Session: nothing else.',
      }),
    ),
    timeouts: Type.Optional(
      Type.Object(
        {
          connectSeconds: Type.Optional(
            integer(1, 60, { description: 'For TCP and TLS together, before a request. Default 30.' }),
          ),
          requestSeconds: Type.Optional(
            integer(1, 60, {
              description:
                'From a request to the last byte of its answer. Default 60, and never more: what a release waits for counts on it.',
            }),
          ),
        },
        { description: 'For a BMC that is slow, or whose failure is to be known sooner.' },
      ),
    ),
    systemID: Type.Optional(
      text(256, {
        minLength: 1,
        pattern: '^[^\\s/?#%]+$',
        description: 'Which system, where the BMC has several: the last part of its @odata.id.',
      }),
    ),
    workerPool: Type.Optional(
      text(63, {
        pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
        description: 'The site whose workers reach this BMC: its activities go to the task queue bmc.<workerPool>.',
      }),
    ),
  },
  {
    description: 'How to reach the BMC.',
    'x-kubernetes-validations': [
      {
        rule: '!(has(self.insecureSkipVerify) && self.insecureSkipVerify && has(self.caBundleSecretRef))',
        message: 'redfishConnection: set insecureSkipVerify or caBundleSecretRef, not both',
      },
      {
        rule: '!(has(self.insecureSkipNameVerify) && self.insecureSkipNameVerify && (!has(self.caBundleSecretRef) || has(self.tlsServerName)))',
        message: 'redfishConnection: insecureSkipNameVerify needs caBundleSecretRef, and excludes tlsServerName',
      },
    ],
  },
);

/** `spec.consumerRef` of a host. Set and cleared with the claim, never replaced. */
export const ConsumerRef = Type.Object(
  {
    apiVersion: text(128, { minLength: 1, pattern: '^[a-z0-9.-]+(/[a-z0-9]+)?$' }),
    kind: text(63, { minLength: 1, pattern: '^[A-Za-z][A-Za-z0-9]*$' }),
    name: objectName(),
    namespace: namespaceName({ description: "The host's own: a reference to another namespace counts for nothing." }),
    uid: Type.Optional(text(64, { pattern: '^[A-Za-z0-9-]+$' })),
  },
  { description: 'Who claimed this host. Written by Beskar7.' },
);

const same = (field: string) =>
  `(has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field}))`;

/** What a person writes about a server, and who has claimed it. */
export const PhysicalHostSpec = Type.Object(
  {
    redfishConnection: RedfishConnection,
    bootMACAddress: Type.Optional(
      text(17, {
        pattern: '^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$',
        description: 'MAC address of the NIC that boots from the network, e.g. 00:25:90:f0:79:00.',
      }),
    ),
    networkBoot: Type.Optional(
      oneOf(['PXE', 'HTTP'], {
        description:
          'How the server boots from the network: PXE (also when absent), or UEFI HTTP boot (target UefiHttp) where its BMC offers that.',
      }),
    ),
    bootMode: Type.Optional(
      oneOf(['UEFI', 'Legacy'], {
        description:
          "Firmware mode to ask for with a network boot. Absent: the server's own, and the BMC is sent none. Some BMCs make a BIOS job of a change.",
      }),
    ),
    consumerRef: Type.Optional(ConsumerRef),
  },
  {
    'x-kubernetes-validations': [
      {
        rule:
          '!has(oldSelf.consumerRef) || !has(self.consumerRef) || (self.consumerRef.kind == oldSelf.consumerRef.kind' +
          ' && self.consumerRef.__namespace__ == oldSelf.consumerRef.__namespace__ && self.consumerRef.name == oldSelf.consumerRef.name)',
        message: 'consumerRef may be set and cleared, but not replaced: the host is claimed by another machine',
      },
      {
        rule:
          '!has(oldSelf.consumerRef) || !has(self.consumerRef) || (' +
          'self.redfishConnection.address == oldSelf.redfishConnection.address && ' +
          same('redfishConnection.systemID') +
          ' && ' +
          same('redfishConnection.workerPool') +
          ' && ' +
          same('bootMACAddress') +
          ')',
        message:
          'redfishConnection.address, systemID, workerPool and bootMACAddress cannot change while the host is claimed: delete its machine first',
      },
    ],
  },
);

/** `status.bootToken` of a host: hashes alone, so that whoever reads hosts cannot call in their name. */
const BootToken = Type.Object(
  {
    hash: text(64, { description: 'SHA-256 of the bearer token, in hex.' }),
    nonceHash: Type.Optional(text(64, { description: 'SHA-256 of the boot nonce, in hex.' })),
    expiresAt: time({ description: 'A backstop: the token ends with its claim, or here.' }),
    claim: text(64, { description: 'Id of the claim that the token belongs to.' }),
  },
  { description: 'What is publicly known of the token of the claim in progress. The token itself is in a Secret.' },
);

const Inspection = Type.Object(
  {
    claim: text(64, { description: 'Id of the claim that this inspection belongs to.' }),
    deadline: Type.Optional(time({ description: 'When the wait for the report ends.' })),
    poweredOnAt: Type.Optional(time({ description: 'When power-on of the server was confirmed.' })),
    reportDigest: Type.Optional(text(71, { description: 'SHA-256 of the accepted report as it was sent.' })),
    sourceAddress: Type.Optional(text(64, { description: 'The address that the boot by MAC is pinned to.' })),
  },
  { description: 'Facts of the inspection in progress, bound to one claim.' },
);

const Handover = Type.Object(
  {
    claim: text(64, { description: 'Id of the claim that these facts belong to.' }),
    openedAt: Type.Optional(time({ description: 'When the hardware had passed and bootstrap data could be read.' })),
    bootstrapSecret: Type.Optional(
      objectName({ description: 'Name of the bootstrap data Secret; absent: none is due.' }),
    ),
    outcome: Type.Optional(oneOf(['Provisioned', 'Failed'])),
    reason: Type.Optional(text(256, { description: 'What the inspector said when it failed.' })),
    reportedAt: Type.Optional(time()),
    osReadyAt: Type.Optional(time({ description: 'When the final OS said that it is up.' })),
  },
  { description: 'Facts of the hand-over to the final OS, bound to one claim.' },
);

const Enrollment = Type.Object(
  {
    connectionHash: text(64, { description: 'What of the spec the last attempt was made with.' }),
    attempt: integer(0, 1_000_000_000, { description: 'Failed attempts in a row.' }),
    nextAttemptAt: Type.Optional(time()),
    foundOn: Type.Optional(
      Type.Boolean({
        description:
          'The server was on when it was enrolled, and power-off was not confirmed since: it may run. False: it has to be off while it is free.',
      }),
    ),
    secrets: Type.Optional(
      list(objectName(), 16, { description: 'Secrets that may carry our finalizer for this host.' }),
    ),
    credentials: Type.Optional(
      text(256, {
        description:
          'Uid and resourceVersion of the credentials Secret from which the BMC has accepted the last log-in.',
      }),
    ),
  },
  { description: 'Bookkeeping of enrolment.' },
);

/** What is known of a host. The claim itself is in the annotation `beskar7.io/claim`, which survives a lost status. */
export const PhysicalHostStatus = Type.Object({
  state: Type.Optional(oneOf(HOST_STATES, { description: 'Where the host is in its life.' })),
  ready: Type.Optional(Type.Boolean({ description: 'The host is enrolled and nothing is known to be wrong with it.' })),
  inspectionPhase: Type.Optional(oneOf(INSPECTION_PHASES)),
  inspectionTimestamp: Type.Optional(time({ description: 'When the last report was accepted.' })),
  inspectionReport: Type.Optional(InspectionReport),
  inspection: Type.Optional(Inspection),
  handover: Type.Optional(Handover),
  enrollment: Type.Optional(Enrollment),
  bootToken: Type.Optional(BootToken),
  releasedAt: Type.Optional(
    time({ description: 'When its last claim ended. Machines take hosts first that have been free for longer.' }),
  ),
  lastFailure: Type.Optional(
    text(64, {
      description:
        'Why the last run on it failed, where its server may be to blame, e.g. ProvisionFailed: machines take other hosts first.',
    }),
  ),
  powerState: Type.Optional(text(32, { description: 'Power state as the BMC last told it.' })),
  hardware: Type.Optional(
    Type.Object({
      manufacturer: Type.Optional(text(256)),
      model: Type.Optional(text(256)),
      serialNumber: Type.Optional(text(256)),
      uuid: Type.Optional(text(256, { description: 'UUID of the system as its BMC told it.' })),
    }),
  ),
  addresses: Type.Optional(AddressList),
  macAddresses: Type.Optional(list(text(17), 128, { description: 'MAC addresses that the BMC told, lower case.' })),
  conditions: Type.Optional(conditions()),
});

/** As read: `bootMACAddress` may be in upper case, and what has a default may be absent. */
export type PhysicalHostSpec = Static<typeof PhysicalHostSpec>;
/** As read: every field may be absent. */
export type PhysicalHostStatus = Static<typeof PhysicalHostStatus>;
/** As read; only model/references.ts resolves it. */
export type ConsumerRef = Static<typeof ConsumerRef>;
/** As read: what is optional may be absent, though the schema has a default. */
export type RedfishConnection = Static<typeof RedfishConnection>;
/** One server, driven through its BMC. */
export type PhysicalHost = KubeObject<PhysicalHostSpec, PhysicalHostStatus>;
