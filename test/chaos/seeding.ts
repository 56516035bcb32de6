import { request } from 'undici';
import { claimOf, serializeClaim, type Claim } from '../../model/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { ANNOTATION_CLAIM, ANNOTATION_UNSCHEDULABLE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS } from '../../kube/resource.ts';
import { TEMPORAL_NAMESPACE } from '../../tools/controlplane/index.ts';
import { kubectl } from '../../tools/controlplane/install.ts';
import { OWNER_KEY } from '../../workers/installation.ts';
import { TASK_QUEUE, WORKFLOW_TYPES, workflowId as workflowIdOf, type ReleaseInput } from '../../contracts/names.ts';
import type { KubeRequest } from './kubeProxy.ts';
import { indexOf, type ChaosWorld } from './world.ts';

/** Answers 200 with an object in place of the API server; or changes the request and lets it through (undefined). */
export function byProxy(
  world: ChaosWorld,
  answer: (asked: KubeRequest) => object | undefined,
): Promise<() => Promise<void>> {
  const { hooks } = world.proxy;
  hooks.set(world.namespace, (asked) => {
    const body = answer(asked);
    return body && { status: 200, body: JSON.stringify(body) };
  });
  return Promise.resolve(async () => void hooks.delete(world.namespace));
}

/** The gateway answers callbacks of a route by itself, with 202. */
export function byGateway({ callbacks, namespace }: ChaosWorld, dropped: string): Promise<() => Promise<void>> {
  callbacks.hooks.set(namespace, (route) => (route === dropped ? 202 : undefined));
  return Promise.resolve(async () => void callbacks.hooks.delete(namespace));
}

/** Answers as Temporal would, and forwards such signals to no run of this world. */
export function losingSignals({ temporalProxy, namespace }: ChaosWorld, name: string): Promise<() => Promise<void>> {
  const signal = { name, namespace };
  temporalProxy.lost.add(signal);
  return Promise.resolve(async () => void temporalProxy.lost.delete(signal));
}

/**
 * Has machines wait for a host, also where there are more hosts than machines: none may be claimed until one waits,
 * then all may.
 */
export function makeWaits(world: ChaosWorld): () => Promise<void> {
  const { admin, kubernetes, namespace } = world;
  let isOpen = true;
  const open = async (wanted: boolean): Promise<void> => {
    isOpen = wanted;
    const metadata = { annotations: { [ANNOTATION_UNSCHEDULABLE]: wanted ? null : 'until somebody waits' } };
    const names = [...kubernetes.hosts.keys()];
    await Promise.all(
      names.map((name) => admin.mergePatch(HOSTS, namespace, name, { metadata }).catch(() => undefined)),
    );
  };
  const isAwaited = () =>
    [...kubernetes.machines.values()].some(({ metadata, status }) => {
      const ready = findCondition(status?.conditions, 'Ready');
      return metadata.deletionTimestamp === undefined && ready?.reason === 'NoMatchingHost';
    });
  const timer = setInterval(() => {
    if (isAwaited() !== isOpen) void open(!isOpen);
  }, 500);
  return async () => {
    clearInterval(timer);
    await open(true);
  };
}

/** Writes a host that has a claim, as nobody but a bug would. */
export async function writeHost(
  world: ChaosWorld,
  name: string,
  change: (host: PhysicalHost, claim: Claim) => object,
): Promise<void> {
  const host = await world.admin.get(HOSTS, world.namespace, name);
  const claim = claimOf(host);
  if (claim) await world.admin.mergePatch(HOSTS, world.namespace, name, change(host, claim));
}

export function claimAnnotation(claim: Claim): object {
  return { annotations: { [ANNOTATION_CLAIM]: serializeClaim(claim) } };
}

/** Acts once for each claim, so long after it was cleared. */
export function onClearedClaims(
  world: ChaosWorld,
  afterMs: number,
  act: (host: string, claim: string) => Promise<void>,
): Promise<() => Promise<void>> {
  const known = new Map<string, string>();
  const acting = new Set<NodeJS.Timeout>();
  const timer = setInterval(() => {
    for (const host of world.kubernetes.hosts.values()) {
      const { name } = host.metadata;
      const now = claimOf(host)?.id;
      const before = known.get(name);
      if (now === undefined) known.delete(name);
      else known.set(name, now);
      if (before !== undefined && before !== now)
        acting.add(setTimeout(() => void act(name, before).catch(() => undefined), afterMs));
    }
  }, 50);
  return Promise.resolve(async () => {
    clearInterval(timer);
    for (const due of acting) clearTimeout(due);
  });
}

/** Acts once for each claim that comes into a stage. */
export function onHosts(
  world: ChaosWorld,
  isDue: (claim: { id: string; stage: string }) => boolean,
  act: (host: string, claim: string) => Promise<void>,
): Promise<() => Promise<void>> {
  const done = new Set<string>();
  const timer = setInterval(() => {
    for (const host of world.kubernetes.hosts.values()) {
      const claim = claimOf(host);
      if (!claim || done.has(claim.id) || !isDue(claim)) continue;
      done.add(claim.id);
      act(host.metadata.name, claim.id).catch(() => undefined);
    }
  }, 50);
  return Promise.resolve(async () => clearInterval(timer));
}

export async function sendReset(world: ChaosWorld, host: string, type: string, userAgent: string): Promise<void> {
  const bmc = world.fleet.hosts[indexOf(host)];
  if (!bmc) return;
  const { username, password } = bmc.credentials;
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const systems = await request(`${bmc.address}/redfish/v1/Systems`, { headers: { authorization } });
  const { Members } = (await systems.body.json()) as { Members: { '@odata.id': string }[] };
  const { body } = await request(`${bmc.address}${Members[0]?.['@odata.id'] ?? ''}/Actions/ComputerSystem.Reset`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', 'user-agent': userAgent },
    body: JSON.stringify({ ResetType: type }),
  });
  await body.dump();
}

/** As the host watcher starts it for a release that was left, and here for one that was not. */
export async function startRelease(
  { kubernetes, temporal, namespace }: ChaosWorld,
  name: string,
  claim: string,
): Promise<void> {
  const uid = kubernetes.hosts.get(name)?.metadata.uid ?? '';
  const input: ReleaseInput = { namespace, name, uid, claim };
  // The id that all share is what keeps a second run away (docs/decisions/0023): this one has another.
  const workflowId = `second-${workflowIdOf('release', input)}`;
  const { namespaceInfo } = await temporal.workflowService.describeNamespace({ namespace: TEMPORAL_NAMESPACE });
  const installation = namespaceInfo?.data?.[OWNER_KEY];
  await temporal.workflow.start(WORKFLOW_TYPES.release, {
    workflowId,
    taskQueue: TASK_QUEUE,
    args: [{ ...input, installation }],
    memo: { uid, installation },
  });
}

/** The API server itself refuses a replaced consumer (rule 19): for this bug it must not. */
export async function allowReplacedConsumers({ plane }: ChaosWorld): Promise<void> {
  const name = `${HOSTS.plural}.${HOSTS.group}`;
  const crd = JSON.parse(await kubectl(plane, 'get', 'crd', name, '-o', 'json')) as {
    spec: { versions: { schema: { openAPIV3Schema: object } }[] };
  };
  for (const { schema } of crd.spec.versions) dropRules(schema.openAPIV3Schema);
  await kubectl(plane, 'patch', 'crd', name, '--type=merge', '-p', JSON.stringify({ spec: crd.spec }));
}

function dropRules(schema: object): void {
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'x-kubernetes-validations') delete (schema as Record<string, unknown>)[key];
    else if (typeof value === 'object' && value !== null) dropRules(value as object);
  }
}
