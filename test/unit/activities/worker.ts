import { MockActivityEnvironment } from '@temporalio/testing';
import type { ClaimRef, RunContext } from '../../../contracts/claimRef.ts';
import { CredentialCache } from '../../../activities/bmc/credentialCache.ts';
import type { Caches, Dependencies } from '../../../activities/dependencies.ts';
import { HostReservations } from '../../../activities/claim/hostReservations.ts';
import { SecretMarks } from '../../../activities/store/secretMarks.ts';
import { isUnclaimed } from '../../../model/claim.ts';
import { connectionHash } from '../../../model/connection.ts';
import { ANNOTATION_SERVER, FINALIZER_SECRET, LABEL_MOVE } from '../../../crds/names.ts';
import type { Plan } from '../../../activities/claim/plan.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { bmcPlace, parseServer, serializeServer } from '../../../model/serverIdentity.ts';
import { HOSTS, MACHINES, SECRETS } from '../../../kube/resource.ts';
import { RedfishPool } from '../../../redfish/index.ts';
import { CLAIM } from '../controllers/builders.ts';
import { PASSWORD, USER, type FakeBmc } from '../redfish/fakeBmc.ts';
import type { ApiServer } from './apiServer.ts';

/** The claim of `m` on `h`, as runs carry it (`claimedHost` makes it). */
export const REF: ClaimRef = {
  namespace: 'ns',
  host: 'h',
  hostUid: 'h-uid',
  id: CLAIM,
  machine: { namespace: 'ns', name: 'm', uid: 'm-uid' },
};
export const RUN: RunContext = { machine: REF.machine, workflow: { id: 'provision/ns/m', runID: 'run-1' } };
/** The least that a run can plan. */
export const PLAN: Plan = {
  attempts: 1,
  specHash: 'x',
  imageHash: 'x',
  retry: '',
  readyWhen: 'HandedOver',
  requirements: undefined,
};

/** What an activity works with in a process of its own: real clients over HTTP, and caches that are not behind. */
export function workerOn(api: ApiServer, parts: Partial<Dependencies> = {}): Dependencies {
  const kube = parts.kube ?? api.client();
  return {
    kube,
    redfish: new RedfishPool(),
    caches: cachesOf(api),
    reservations: new HostReservations(),
    credentials: new CredentialCache(kube),
    secretMarks: new SecretMarks(kube),
    recorder: { event: () => undefined },
    metrics: {
      inspectionDone: () => undefined,
      inspectionFailed: () => undefined,
      provisioningDone: () => undefined,
      provisioningFailed: () => undefined,
      requestRefused: () => undefined,
    },
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    options: {
      bootTimeoutMs: 600_000,
      inspectionTimeoutMs: 600_000,
      provisioningTimeoutMs: 1_200_000,
      gracefulShutdownMs: 0,
    },
    ...parts,
  } as unknown as Dependencies;
}

export function cachesOf(api: ApiServer, parts: Partial<Caches> = {}): Caches {
  const hosts = () => api.list(HOSTS);
  return {
    availableHosts: () => ({
      hosts: hosts().filter((host) => isUnclaimed(host) && host.status?.state === 'Available'),
      lookedAt: hosts().length,
    }),
    hosts,
    hostsNaming: (namespace, name) =>
      hosts().filter(({ spec: { consumerRef } }) => consumerRef?.namespace === namespace && consumerRef.name === name),
    poolHosts: hosts,
    host: (_namespace, name) => hosts().find(({ metadata }) => metadata.name === name),
    machine: (_namespace, name) => api.list(MACHINES).find(({ metadata }) => metadata.name === name),
    isNamed: () => false,
    machineOn: () => undefined,
    duplicateOf: () => undefined,
    duplicateAmong: () => undefined,
    neighboursOf: () => [],
    waitingMachines: () => [],
    ...parts,
  };
}

/** Puts a host behind a BMC, with the Secret that opens it. */
export function putBehind(api: ApiServer, bmc: FakeBmc, host: PhysicalHost): void {
  const data = (text: string) => Buffer.from(text).toString('base64');
  api.put(SECRETS, {
    metadata: {
      namespace: 'ns',
      name: 'bmc',
      uid: 'bmc-uid',
      resourceVersion: '1',
      finalizers: [FINALIZER_SECRET],
      labels: { [LABEL_MOVE]: '' },
    },
    data: { username: data(USER), password: data(PASSWORD) },
  });
  const redfishConnection = { ...host.spec.redfishConnection, address: bmc.address };
  const spec = { ...host.spec, redfishConnection };
  const recorded = parseServer(host.metadata.annotations?.[ANNOTATION_SERVER]);
  const annotations = {
    ...host.metadata.annotations,
    ...(recorded && { [ANNOTATION_SERVER]: serializeServer({ ...recorded, ...bmcPlace(spec) }) }),
  };
  const { status } = host;
  const isEnrolled = status?.enrollment?.connectionHash === connectionHash(host.spec);
  const enrollment = { ...status?.enrollment, attempt: 0, connectionHash: connectionHash(spec) };
  api.put(HOSTS, {
    ...host,
    metadata: { ...host.metadata, annotations },
    spec,
    ...(isEnrolled ? { status: { ...status, enrollment } } : {}),
  });
}

/** Runs the body of an activity in an activity's context. */
export function asActivity<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return new MockActivityEnvironment().run(() => body(new AbortController().signal)) as Promise<T>;
}
