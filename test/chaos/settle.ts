import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { request } from 'undici';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../model/claim.ts';
import { isAskUnhandled } from '../../model/handled.ts';
import { ANNOTATION_CALLS_UNTIL, ANNOTATION_UNSCHEDULABLE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { kubectl } from '../../tools/controlplane/install.ts';
import { HistoryRules } from './check/historyRules.ts';
import { leaks } from './check/leaks.ts';
import { restoreAddresses } from './addresses.ts';
import { deleteCopies, isCopy } from './copies.ts';
import type { Random } from './random.ts';
import type { Violation } from './records.ts';
import { namespaceOf } from './observer.ts';
import { hostName, indexOf, until, type ChaosWorld } from './world.ts';

/** A watch that is later than this tells nothing of now. */
const BEHIND_MS = 10_000;

/** How many machines are deleted at the end. */
const DELETED_SHARE = 1 / 3;

/**
 * Heals everything and waits until all has come to rest as it is: a machine that waits for a host does so because none
 * is free that fits. Then what waits is deleted, and a share of the others, and all has to come to rest once more.
 * Gives what has not by then.
 */
export async function settle(world: ChaosWorld, random: Random, boundMs: number): Promise<Violation[]> {
  await heal(world);
  const restless = await comeToRest(world, boundMs);
  if (restless.length > 0) return restless;
  return clear(world, boundMs, ({ status }) => status?.phase === 'Claiming' || random.chance(DELETED_SHARE));
}

/** Heals everything, deletes machines, and waits until what is left has come to rest. Gives what has not by then. */
export async function clear(
  world: ChaosWorld,
  boundMs: number,
  isDeleted: (machine: Beskar7Machine) => boolean = () => true,
): Promise<Violation[]> {
  await heal(world);
  for (const machine of world.kubernetes.machines.values())
    if (isDeleted(machine)) await world.admin.delete(MACHINES, world.namespace, machine.metadata.name);
  return comeToRest(world, boundMs);
}

async function heal(world: ChaosWorld): Promise<void> {
  const { admin, kubernetes } = world;
  await world.heal();
  await deleteCopies(world);
  await restoreAddresses(world);
  for (const { metadata } of kubernetes.hosts.values()) {
    if (metadata.annotations?.[ANNOTATION_UNSCHEDULABLE] === undefined) continue;
    await admin.mergePatch(HOSTS, world.namespace, metadata.name, {
      metadata: { annotations: { [ANNOTATION_UNSCHEDULABLE]: null } },
    });
  }
}

/** What has not come to rest within a time. */
async function comeToRest(world: ChaosWorld, boundMs: number): Promise<Violation[]> {
  let restless: Violation[] = [];
  await until('everything has come to rest', boundMs, async () => {
    await world.createMissingHosts();
    restless = await restlessNow(world);
    return restless.length === 0 ? undefined : restless.map(({ what }) => what).join('; ');
  }).catch(() => undefined);
  return restless;
}

/** What is not at rest at this moment. */
export async function restlessNow(world: ChaosWorld): Promise<Violation[]> {
  return [
    ...missingHosts(world),
    ...restlessMachines(world),
    ...restlessHosts(world),
    ...(await openRuns(world)),
    ...behind(world),
  ];
}

/** Nothing is known to be at rest that was not heard of. */
function behind({ kubernetes }: ChaosWorld): Violation[] {
  const lagMs = Date.now() - kubernetes.horizon;
  const what = `the watch of the harness is ${Math.round(lagMs / 1_000)} s behind`;
  return lagMs > BEHIND_MS ? [{ rule: 'end', at: Date.now(), what }] : [];
}

function restlessMachines({ kubernetes }: ChaosWorld): Violation[] {
  return [...kubernetes.machines.values()].flatMap((machine): Violation[] => {
    const { metadata, status } = machine;
    const { name, deletionTimestamp } = metadata;
    const violation = (what: string): Violation[] => {
      const host = status?.hostRef?.name;
      return [
        {
          rule: 'end',
          machine: name,
          at: Date.now(),
          what: `machine ${name} ${what}`,
          ...(host === undefined ? {} : { host }),
        },
      ];
    };
    if (deletionTimestamp !== undefined) return violation('is still being deleted');
    const phase = status?.phase ?? 'in no phase';
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    if (phase === 'Provisioned') return [];
    if (phase === 'Claiming' && ready?.reason === 'NoMatchingHost') {
      const free = [...kubernetes.hosts.values()].find((host) => isFreeFor(machine, host));
      return free === undefined ? [] : violation(`waits for a host, and ${free.metadata.name} is free and fits`);
    }
    if (phase !== 'Failed') return violation(`is ${phase}`);
    const isTold = (ready?.reason ?? '').trim() !== '' && (ready?.message ?? '').trim() !== '';
    if (!isTold) return violation('is Failed and does not say why');
    return isAskUnhandled(machine) ? violation('is Failed, and what was asked for since was not tried') : [];
  });
}

/**
 * By the harness's own reading of the rules: zone, hosts tried before, what the last report says, and that nobody has
 * it.
 */
function isFreeFor({ spec, status }: Beskar7Machine, host: PhysicalHost): boolean {
  const { labels = {}, annotations = {}, name, deletionTimestamp } = host.metadata;
  const asked = Object.entries(spec.hostSelector?.matchLabels ?? {});
  const { minCPUCores = 0, minMemoryGB = 0 } = spec.hardwareRequirements ?? {};
  const { cpus, memory } = host.status?.inspectionReport ?? {};
  return (
    host.status?.state === 'Available' &&
    host.spec.consumerRef === undefined &&
    !isCopy(name) &&
    !(Date.parse(annotations[ANNOTATION_CALLS_UNTIL] ?? '') > Date.now()) &&
    deletionTimestamp === undefined &&
    asked.every(([key, value]) => labels[key] === value) &&
    (cpus?.cores ?? minCPUCores) >= minCPUCores &&
    (memory?.totalGB ?? minMemoryGB) >= minMemoryGB &&
    status?.waitingFor?.triedHosts?.includes(name) !== true
  );
}

function missingHosts({ kubernetes, fleet }: ChaosWorld): Violation[] {
  return [...fleet.hosts.keys()]
    .map(hostName)
    .filter((host) => !kubernetes.hosts.has(host))
    .map((host) => ({ rule: 'end', host, at: Date.now(), what: `host ${host} is missing` }));
}

function restlessHosts(world: ChaosWorld): Violation[] {
  const { kubernetes, fleet } = world;
  return [...kubernetes.hosts.values()].flatMap((host): Violation[] => {
    const { name } = host.metadata;
    const violation = (what: string): Violation[] => [
      { rule: 'end', host: name, at: Date.now(), what: `host ${name} ${what}` },
    ];
    if (isCopy(name)) return violation('is a copy that is not gone');
    const { state, override } = fleet.hosts[indexOf(name)]?.server ?? {};
    const claim = claimOf(host);
    const consumer = host.spec.consumerRef;
    if (consumer || claim) {
      const machine = kubernetes.machines.get(consumer?.name ?? '');
      if (claim?.stage !== 'HandedOver' || machine?.metadata.uid !== consumer?.uid)
        return violation(`is claimed (${claim?.stage ?? 'no claim'}) by ${consumer?.name ?? 'nobody'}`);
      if (machine?.status?.phase !== 'Provisioned')
        return violation(`was handed over to ${consumer?.name ?? ''}, which is ${machine?.status?.phase ?? 'gone'}`);
      return state?.power === 'On'
        ? []
        : violation(`runs ${consumer?.name ?? ''}, but its server is ${state?.power ?? 'unknown'}`);
    }
    if (host.metadata.deletionTimestamp !== undefined) return violation('is free and still being deleted');
    if (host.status?.state !== 'Available') return violation(`is free and ${host.status?.state ?? 'without a state'}`);
    if (!world.isForced(name)) {
      if (state?.power !== 'Off') return violation(`is Available and its server is ${state?.power ?? 'unknown'}`);
      if (override?.enabled !== 'Disabled') return violation('is Available with a boot override');
    }
    const secret = [...kubernetes.secrets].find((entry) => entry.startsWith(`${name}-boot-`));
    return secret === undefined ? [] : violation(`is Available and has ${secret}`);
  });
}

/** Open is what watches over BMCs, and what waits for a host. */
async function openRuns({ runs, kubernetes, namespace }: ChaosWorld): Promise<Violation[]> {
  const waiting = new Set(
    [...kubernetes.machines.values()]
      .filter(({ status }) => status?.phase === 'Claiming')
      .map(({ metadata }) => `provision/${namespace}/${metadata.name}`),
  );
  const open = (await runs.open()).filter((id) => namespaceOf(id) === namespace && !waiting.has(id));
  return open.map((id) => ({ rule: 'end', at: Date.now(), what: `${id} is still open` }));
}

/**
 * Rule 8: looks for every password, token and nonce of the run in all that people can read. Looks through the histories
 * at the same time: whether a run had two activities on a BMC at once (rule 6 of docs/rules.md), or two runs on one
 * claim, and whether its code failed.
 */
export async function scanRecords(world: ChaosWorld): Promise<Violation[]> {
  const secrets = new Map(world.kubernetes.confidential);
  for (const password of world.passwords) {
    secrets.set(password, 'a BMC password');
    secrets.set(Buffer.from(`admin:${password}`).toString('base64'), 'BMC credentials in base64');
  }
  const found: string[] = [];
  const violations: Violation[] = [];
  const folder = path.join(world.folder, 'logs');
  const names = new Set(world.processes.map(({ name }) => name));
  for (const file of await readdir(folder)) {
    if (!names.has(file.replace(/\.log(\.old)?$/, ''))) continue;
    found.push(...leaks(`the log ${file}`, await readFile(path.join(folder, file), 'utf8'), secrets));
  }
  for (const kind of ['events', 'physicalhosts', 'beskar7machines'])
    found.push(...leaks(kind, await kubectl(world.plane, 'get', kind, '-n', world.namespace, '-o', 'json'), secrets));
  const rules = new HistoryRules();
  for await (const { workflowId, runId } of world.temporal.workflow.list()) {
    if (![world.namespace, undefined].includes(namespaceOf(workflowId))) continue;
    const history = await world.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    found.push(...leaks(`the history of ${workflowId}`, textOf(history), secrets));
    violations.push(...rules.add(`${workflowId} ${runId}`, JSON.parse(historyToJSON(history)) as object));
  }
  violations.push(...rules.between());
  for (const { name, metricsPort, state } of world.processes) {
    if (state !== 'runs') continue;
    const { body } = await request(`http://127.0.0.1:${metricsPort}/metrics`, { headersTimeout: 10_000 });
    found.push(...leaks(`the metrics of ${name}`, await body.text(), secrets));
  }
  return [...new Set(found)].map((what): Violation => ({ rule: 8, at: Date.now(), what })).concat(violations);
}

/** Payloads are bytes: as text, so that they can be searched. */
function textOf(history: unknown): string {
  return JSON.stringify(history, (_key, value: unknown) =>
    value instanceof Uint8Array
      ? Buffer.from(value).toString('utf8')
      : typeof value === 'bigint'
        ? String(value)
        : value,
  );
}
