import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { consumerUidOf } from '../model/claim.ts';
import { connectionHash } from '../model/connection.ts';
import { RELEASE_UNSTARTED_MS } from '../model/deadlines.ts';
import { forceReasonOf } from '../model/forceRelease.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { hostOfProviderID } from '../model/references.ts';
import type { HostInput } from '../contracts/names.ts';
import { clusterNameOf } from './informers.ts';
import { isConsumerSeen, lookForConsumer, machineLedTo, repairHost } from './consumer.ts';
import { refuseForce } from './forceRefusal.ts';
import { changeOf, decideHost, refusedForce, type HostDecision, type Releasing } from './hostDecision.ts';
import { WATCHER_TIMING, type WatcherDeps, type WatcherTiming } from './watcherDeps.ts';
import { duplicateIn } from './duplicates.ts';
import { StartDeduper } from './startDeduper.ts';
import { WorkQueue, type Outcome } from '../kube/queue.ts';
import { keyOf, splitKey } from '../kube/store.ts';
import { reportOnHost, wakesRelease } from './hostConditions.ts';
import { isSameConsumer } from './namedByMachine.ts';
import { affected } from './sharedServer.ts';

const BEHIND_MS = 1_000;
const WORKERS = 16;

/** Enrolls hosts, retires deleted ones, and sees to it that a release that was begun is ended. */
export class HostWatcher {
  readonly #deps: WatcherDeps;
  readonly #timing: WatcherTiming;
  readonly #queue: WorkQueue;
  readonly #occasions: StartDeduper;
  /** Since when a host has looked the way that needs patience: by uid. */
  readonly #since = new Map<string, { occasion: string; at: number }>();
  #ends: (() => void)[] = [];

  constructor(deps: WatcherDeps) {
    this.#deps = deps;
    this.#timing = { ...WATCHER_TIMING, ...deps.timing };
    this.#occasions = new StartDeduper(this.#timing.resyncMs * (0.8 + Math.random() * 0.4));
    this.#queue = new WorkQueue({
      name: 'hosts',
      logger: deps.logger,
      concurrency: WORKERS,
      longestRetryMs: 30_000,
      reconcile: (key) => this.reconcile(key),
    });
  }

  start(): void {
    const { hosts, machines, capiClusters } = this.#deps.informers;
    this.#ends = [
      machines.onChange(({ object, previous, type }) => {
        if (type === 'updated' && isSameConsumer(previous, object)) return;
        for (const host of hosts.byIndex('byConsumer', keyOf(object))) this.#queue.add(keyOf(host));
        for (const machine of type === 'updated' ? [object, previous] : [object]) {
          const named = hostOfProviderID(machine);
          if (named) this.#queue.add(`${named.namespace}/${named.name}`);
        }
      }),
      hosts.onChange(({ object, previous, type }) => {
        for (const key of affected(this.#deps.informers, object, previous)) this.#queue.add(key);
        if (type === 'deleted') this.#forget(object);
        else this.#queue.add(keyOf(object));
      }),
      capiClusters.onChange(({ object }) => {
        for (const { metadata } of machines.byIndex('byCluster', keyOf(object))) {
          for (const host of hosts.byIndex('byConsumerUid', metadata.uid)) this.#queue.add(keyOf(host));
        }
      }),
    ];
    for (const host of hosts.list()) this.#queue.add(keyOf(host));
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.stop();
  }

  /** One look at a host, out of the caches. */
  async reconcile(key: string): Promise<Outcome> {
    const { namespace, name } = splitKey(key);
    const host = this.#deps.informers.hosts.get(namespace, name);
    if (!host?.metadata.uid) return { kind: 'done' };
    const pool = host.spec.redfishConnection.workerPool;
    const input: HostInput = { namespace, name, uid: host.metadata.uid, ...(pool === undefined ? {} : { pool }) };
    const { orphanReleaseMs } = this.#timing;
    const machine = machineLedTo(this.#deps.informers, host);
    const duplicate = duplicateIn(this.#deps.informers, host);
    const isSecond = duplicate !== undefined && !duplicate.isFirst;
    const view = { host, cluster: this.#clusterOf(host, machine), orphanReleaseMs, machine, isSecond };
    let decision = decideHost({ ...view, consumer: isConsumerSeen(host, machine) ? 'seen' : 'unseen' });
    let settledFor: Outcome = { kind: 'done' };
    if (decision.kind === 'lookForConsumer') {
      const looked = await lookForConsumer(this.#deps, host);
      const found = looked.kind === 'there' ? looked.machine : undefined;
      decision = decideHost({ ...view, machine: found, consumer: looked.kind === 'gone' ? 'gone' : 'seen' });
      // The cache shows it soon, which leads here again; or never, where it watches a part of the machines only.
      settledFor = { kind: 'after', ms: this.#timing.resyncMs };
    }
    const isCurrent = await reportOnHost(this.#deps, host, decision, duplicate);
    const force = refusedForce(host, decision);
    if (force !== undefined) await refuseForce(this.#deps, host, force);
    if (isCurrent && wakesRelease(host, decision))
      await this.#deps.starter.signalHostChanged('release', input, connectionHash(host.spec));
    switch (decision.kind) {
      case 'start':
        return this.#start(host, input, decision, isSecond);
      case 'release':
        return this.#release(host, input, decision);
      case 'repair':
        return this.#repair(host, decision);
      case 'orphaned':
        return this.#orphaned(host, input, decision);
      case 'paused':
        if (decision.underWay) await this.#signalRelease(host, input, decision.underWay);
        else this.#forget(host);
        return isCurrent ? settledFor : { kind: 'after', ms: BEHIND_MS };
      default:
        this.#forget(host);
        return isCurrent ? settledFor : { kind: 'after', ms: BEHIND_MS };
    }
  }

  async #start(
    host: PhysicalHost,
    input: HostInput,
    decision: Extract<HostDecision, { kind: 'start' }>,
    isSecond: boolean,
  ): Promise<Outcome> {
    const { run, occasion } = decision;
    const waitMs = decision.isPatient ? this.#patience(input.uid, occasion, this.#timing.graceMs) : 0;
    if (waitMs > 0) return { kind: 'after', ms: waitMs };
    if (this.#occasions.dueInMs(input.uid, occasion) === 0) {
      const { starter } = this.#deps;
      const told = this.#occasions.last(input.uid);
      const result = await (run === 'enroll' ? starter.startEnroll(input) : starter.startRetire(input));
      if (result === 'otherObject') return this.#behind(run, input);
      // An enrolment compares the hash, so that it can be told after a restart as well; a retirement would try at once.
      const isNews = told !== occasion && (told !== undefined || run === 'enroll');
      if (result === 'running' && isNews) {
        const isHeard = await starter.signalHostChanged(run, input, changeOf(host, isSecond));
        if (!isHeard) return { kind: 'after', ms: BEHIND_MS };
      }
      this.#occasions.note(input.uid, occasion);
    }
    return { kind: 'after', ms: Math.max(1, this.#occasions.dueInMs(input.uid, occasion)) };
  }

  /** When that has stood for a moment: an object of the two caches may be behind the other. */
  async #repair(host: PhysicalHost, decision: Extract<HostDecision, { kind: 'repair' }>): Promise<Outcome> {
    const { machine, occasion } = decision;
    const waitMs = this.#patience(host.metadata.uid, occasion, this.#timing.graceMs);
    if (waitMs > 0) return { kind: 'after', ms: waitMs };
    if (!(await repairHost(this.#deps, host, machine))) return { kind: 'after', ms: BEHIND_MS };
    this.#forget(host);
    return { kind: 'done' };
  }

  /**
   * Whoever wrote the stage has `release/<ns>/<host>` started, when what it had under way has ended. That it is open is
   * seen to here, from one resync (or `RELEASE_UNSTARTED_MS`, where that is longer) after the first look on.
   */
  async #release(
    host: PhysicalHost,
    input: HostInput,
    decision: Extract<HostDecision, { kind: 'release' }>,
  ): Promise<Outcome> {
    const { claim, occasion } = decision;
    const { starter } = this.#deps;
    await this.#signalRelease(host, input, decision);
    const dueMs = this.#occasions.dueInMs(input.uid, occasion, RELEASE_UNSTARTED_MS);
    if (dueMs > 0) return { kind: 'after', ms: dueMs };
    const result = await starter.startRelease({ ...input, claim: claim.id });
    if (result === 'otherObject') return this.#behind('release', input);
    this.#occasions.note(input.uid, occasion);
    return { kind: 'after', ms: this.#timing.resyncMs };
  }

  /** Tells an open release that the host changed; starts none. */
  async #signalRelease(host: PhysicalHost, input: HostInput, { claim, occasion }: Releasing): Promise<void> {
    this.#since.delete(input.uid);
    const told = this.#occasions.last(input.uid);
    const isChanged = told !== undefined && told !== occasion && told.startsWith(`release ${claim.id} `);
    // A release by force is told at first sight as well: after a restart it would wait for the next attempt.
    const isForced = told === undefined && forceReasonOf(host) !== undefined;
    if (isChanged || isForced) {
      await this.#deps.starter.signalHostChanged('release', input, connectionHash(host.spec));
    }
    if (told !== occasion) this.#occasions.note(input.uid, occasion);
  }

  /** The run makes sure itself that the machine is gone, twice (rule 13). */
  async #orphaned(
    host: PhysicalHost,
    input: HostInput,
    { release }: Extract<HostDecision, { kind: 'orphaned' }>,
  ): Promise<Outcome> {
    if (release === undefined) {
      this.#forget(host);
      return { kind: 'after', ms: this.#timing.resyncMs };
    }
    const { claim, occasion } = release;
    if (this.#occasions.dueInMs(input.uid, occasion) === 0) {
      const { starter } = this.#deps;
      const isNews = this.#occasions.last(input.uid) !== occasion;
      const orphanAfterMs = this.#timing.orphanReleaseMs;
      const result = await starter.startRelease({ ...input, claim: claim.id, orphanAfterMs });
      if (result === 'otherObject') return this.#behind('release', input);
      if (result === 'running' && isNews) await starter.signalHostChanged('release', input, connectionHash(host.spec));
      this.#occasions.note(input.uid, occasion);
    }
    return { kind: 'after', ms: Math.max(1, this.#occasions.dueInMs(input.uid, occasion)) };
  }

  /**
   * The run of an earlier host of this name may wait minutes for its next attempt: it is woken, reads that its host is
   * gone, and ends. An enrolment goes by the hash that it is told, and the host may have been made again as it was.
   */
  async #behind(run: 'enroll' | 'retire' | 'release', input: HostInput): Promise<Outcome> {
    await this.#deps.starter.signalHostChanged(run, input, `made again: ${input.uid}`);
    return {
      kind: 'retry',
      why: `${run}/${input.namespace}/${input.name} still works on an earlier host of this name`,
    };
  }

  /** How much longer something has to stand before it counts. */
  #patience(uid: string, occasion: string, ms: number): number {
    const known = this.#since.get(uid);
    if (known?.occasion !== occasion) {
      this.#since.set(uid, { occasion, at: performance.now() });
      return ms;
    }
    return Math.max(0, known.at + ms - performance.now());
  }

  /** Of the machine that the host leads to. */
  #clusterOf(host: PhysicalHost, found: Beskar7Machine | undefined) {
    const { machines, capiClusters } = this.#deps.informers;
    const uid = consumerUidOf(host);
    const [machine = found] = uid === undefined ? [] : machines.byIndex('byUid', uid);
    const cluster = machine && clusterNameOf(machine);
    return cluster === undefined ? undefined : capiClusters.get(host.metadata.namespace, cluster);
  }

  #forget(host: PhysicalHost): void {
    const { uid } = host.metadata;
    if (uid === undefined) return;
    this.#occasions.forget(uid);
    this.#since.delete(uid);
  }
}
