import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimIn, consumerUidOf } from '../model/claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { ANNOTATION_BLOCK_MOVE } from '../crds/names.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import { MACHINES } from '../kube/resource.ts';
import type { ObjectRef } from '../contracts/names.ts';
import { clusterNameOf, isWaiting, ownerMachineOf } from './informers.ts';
import { MachineRepairs } from './machineRepairs.ts';
import { decideMachine, type MachineDecision, type MachineView } from './machineDecision.ts';
import { StartDeduper } from './startDeduper.ts';
import { WorkQueue, type Outcome } from '../kube/queue.ts';
import { keyOf, splitKey } from '../kube/store.ts';
import { EarlierRuns } from './earlierRuns.ts';
import { MACHINE_ALARMS } from '../model/alarms.ts';
import { hangsInMs, machineAlarms } from './machineAlarms.ts';
import { wantedConditions } from './machineConditions.ts';
import { WATCHER_TIMING, type WatcherDeps, type WatcherTiming } from './watcherDeps.ts';
import { areUpToDate, SPEC_CHANGE_IGNORED, applyConditions } from './watcherStatus.ts';

/** While the API server shows an older object than the one that was written. */
const BEHIND_MS = 1_000;
const LONGEST_REMINDER_MS = 300_000;
const WORKERS = 16;
/** The occasion of a run for a paused machine. */
const LET_MOVE = 'let move';

/** Turns each Beskar7Machine that needs work into a workflow, and tells its run again of what it may have missed. */
export class MachineWatcher {
  readonly #deps: WatcherDeps;
  readonly #timing: WatcherTiming;
  readonly #queue: WorkQueue;
  readonly #starts: StartDeduper;
  readonly #earlierRuns: EarlierRuns;
  readonly #repairs: MachineRepairs;
  /** Facts that stand, when the run is to be told of them and how often: by uid of the machine. */
  readonly #facts = new Map<string, { facts: string; nextAt: number; everyMs: number }>();
  /** Since when a machine has looked the way that needs patience: by uid. */
  readonly #since = new Map<string, { occasion: string; at: number }>();
  /** How long a machine without a phase is let be: by uid. */
  readonly #blankUntil = new Map<string, number>();
  #ends: (() => void)[] = [];

  constructor(deps: WatcherDeps) {
    this.#deps = deps;
    this.#timing = { ...WATCHER_TIMING, ...deps.timing };
    this.#starts = new StartDeduper(this.#timing.resyncMs * (0.8 + Math.random() * 0.4));
    this.#earlierRuns = new EarlierRuns(deps, this.#timing);
    this.#repairs = new MachineRepairs({ ...deps, graceMs: this.#timing.graceMs });
    this.#queue = new WorkQueue({
      name: 'machines',
      logger: deps.logger,
      concurrency: WORKERS,
      longestRetryMs: 30_000,
      reconcile: (key) => this.reconcile(key),
    });
  }

  start(): void {
    const { machines, hosts, capiMachines, capiClusters } = this.#deps.informers;
    this.#ends = [
      machines.onChange(({ object, type }) => {
        if (type === 'deleted') {
          this.#forget(object);
          this.#repairs.forget(object.metadata.uid);
        } else this.#queue.add(keyOf(object));
      }),
      hosts.onChange(({ object }) => {
        const uid = consumerUidOf(object);
        if (uid !== undefined) this.#addAll(machines.byIndex('byUid', uid));
      }),
      capiMachines.onChange(({ object }) => this.#addAll(machines.byIndex('byOwner', keyOf(object)))),
      capiClusters.onChange(({ object }) => this.#addAll(machines.byIndex('byCluster', keyOf(object)))),
    ];
    this.#addAll(machines.list());
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.stop();
  }

  /** A run was expected and not found: a new one is due now, whatever was started before. */
  lost(machine: Beskar7Machine): void {
    if (machine.metadata.uid !== undefined) this.#starts.forget(machine.metadata.uid);
    this.#queue.add(keyOf(machine));
  }

  /** One look at a machine, out of the caches. */
  async reconcile(key: string): Promise<Outcome> {
    const { namespace, name } = splitKey(key);
    const machine = this.#deps.informers.machines.get(namespace, name);
    if (!machine?.metadata.uid) return { kind: 'done' };
    const worked = await this.#work(machine, { namespace, name, uid: machine.metadata.uid });
    const hangs = hangsInMs(machine, Date.now()) ?? 0;
    const outcome = hangs > 0 ? soonest(worked, { kind: 'after', ms: hangs }) : worked;
    const held = this.#deps.informers.hosts.byIndex('byConsumerUid', machine.metadata.uid);
    const next = await this.#repairs.keep(machine, held);
    return next === undefined ? outcome : soonest(outcome, next);
  }

  async #work(machine: Beskar7Machine, ref: ObjectRef): Promise<Outcome> {
    const decision = decideMachine(this.#view(machine));
    const isCurrent = await this.#report(machine, decision);
    if (decision.kind !== 'start') {
      if (decision.kind === 'paused' && this.#isHoldingUpMove(machine)) return this.#letMove(machine, ref);
      this.#forget(machine);
      return isCurrent ? { kind: 'done' } : { kind: 'after', ms: BEHIND_MS };
    }
    const outcome = await this.#start(machine, ref, decision);
    return outcome ?? (await this.#wakeBlank(ref, decision)) ?? this.#remind(machine, ref, decision);
  }

  async #start(
    machine: Beskar7Machine,
    ref: ObjectRef,
    decision: Extract<MachineDecision, { kind: 'start' }>,
  ): Promise<Outcome | undefined> {
    const { run, occasion, isPatient } = decision;
    if (this.#starts.dueInMs(ref.uid, occasion) > 0) return undefined;
    const waitMs = isPatient ? this.#patience(ref.uid, occasion) : 0;
    if (waitMs > 0) return { kind: 'after', ms: waitMs };
    const { starter } = this.#deps;
    const result = await (run === 'provision' ? starter.startProvision(ref) : starter.startDeprovision(ref));
    const id = `${run}/${ref.namespace}/${ref.name}`;
    if (result === 'otherObject') {
      await this.#earlierRuns.holdUp(machine, ref, run);
      return { kind: 'retry', why: `${id} still works on an earlier machine of this name` };
    }
    this.#earlierRuns.forget(ref.uid);
    if (result === 'running' && decision.isAfterEnd) return { kind: 'retry', why: `${id} is about to close` };
    this.#starts.note(ref.uid, occasion, result === 'running');
    return undefined;
  }

  /**
   * By its status the waker knows that a run waits for a host: one whose machine has lost it is told to look again, and
   * writes it. A run that does something else is not disturbed by that.
   */
  async #wakeBlank(
    ref: ObjectRef,
    { isBlank = false }: Extract<MachineDecision, { kind: 'start' }>,
  ): Promise<Outcome | undefined> {
    if (!isBlank) {
      this.#blankUntil.delete(ref.uid);
      return undefined;
    }
    const now = performance.now();
    const until = this.#blankUntil.get(ref.uid) ?? now + this.#timing.graceMs;
    this.#blankUntil.set(ref.uid, until);
    if (now < until) return { kind: 'after', ms: until - now };
    await this.#deps.starter.signalHostAvailable(ref);
    this.#blankUntil.set(ref.uid, now + this.#timing.resyncMs);
    return undefined;
  }

  /**
   * `clusterctl move` waits for the mark of a machine that nothing is under way for: no host is its own, but for one on
   * its way out.
   */
  #isHoldingUpMove({ metadata: { annotations, deletionTimestamp, uid } }: Beskar7Machine): boolean {
    if (annotations?.[ANNOTATION_BLOCK_MOVE] === undefined || deletionTimestamp !== undefined) return false;
    const held = this.#deps.informers.hosts.byIndex('byConsumerUid', uid);
    return held.every((host) => claimIn(host, 'Releasing') !== undefined);
  }

  /**
   * A run that waits for a host is woken. When there is none (it was terminated, or lost), one is started: it finds
   * that its machine is paused, takes the mark away and ends; the next one starts when the machine is not paused any
   * more.
   */
  async #letMove(machine: Beskar7Machine, ref: ObjectRef): Promise<Outcome> {
    const dueMs = this.#starts.dueInMs(ref.uid, LET_MOVE);
    if (dueMs > 0) return { kind: 'after', ms: dueMs };
    const { starter } = this.#deps;
    const isHeard = isWaiting(machine) && (await starter.signalHostAvailable(ref));
    const result = isHeard ? 'running' : await starter.startProvision(ref);
    if (result === 'otherObject') {
      await this.#earlierRuns.holdUp(machine, ref, 'provision');
      return {
        kind: 'retry',
        why: `provision/${ref.namespace}/${ref.name} still works on an earlier machine of this name`,
      };
    }
    // Its status was lost, by which it would be known that its run waits.
    if (!isHeard && result === 'running' && machine.status?.phase === undefined) await starter.signalHostAvailable(ref);
    this.#starts.note(ref.uid, LET_MOVE);
    return { kind: 'after', ms: this.#timing.resyncMs };
  }

  /** How much longer something has to stand before it counts. */
  #patience(uid: string, occasion: string): number {
    const known = this.#since.get(uid);
    if (known?.occasion === occasion) return Math.max(0, known.at + this.#timing.graceMs - performance.now());
    this.#since.set(uid, { occasion, at: performance.now() });
    return this.#timing.graceMs;
  }

  /** Tells the run of facts that have stood for a while; then waits for the next reminder or the resync. */
  async #remind(
    machine: Beskar7Machine,
    ref: ObjectRef,
    decision: Extract<MachineDecision, { kind: 'start' }>,
  ): Promise<Outcome> {
    const { facts, claim, occasion } = decision;
    const resync: Outcome = { kind: 'after', ms: Math.max(1, this.#starts.dueInMs(ref.uid, occasion)) };
    if (facts.length === 0 || claim === undefined) {
      this.#facts.delete(ref.uid);
      return resync;
    }
    const now = performance.now();
    const text = JSON.stringify([claim, facts]);
    const known = this.#facts.get(ref.uid);
    if (known?.facts !== text) {
      this.#facts.set(ref.uid, {
        facts: text,
        nextAt: now + this.#timing.signalAfterMs,
        everyMs: this.#timing.signalEveryMs / 2,
      });
      return { kind: 'after', ms: Math.min(resync.ms, this.#timing.signalAfterMs) };
    }
    if (now < known.nextAt) return { kind: 'after', ms: Math.min(resync.ms, known.nextAt - now) };
    // A run may know and wait for something else (the final OS): each reminder costs it an entry in its history.
    known.everyMs = Math.min(known.everyMs * 2, LONGEST_REMINDER_MS);
    known.nextAt = now + known.everyMs;
    for (const fact of facts) {
      if (await this.#deps.starter.signalClaim(ref, fact, claim)) continue;
      this.#deps.logger.info({ ...ref, fact }, 'no open run to signal; starting one');
      this.lost(machine);
      return { kind: 'done' };
    }
    return { kind: 'after', ms: Math.min(resync.ms, known.everyMs) };
  }

  #view(machine: Beskar7Machine): MachineView {
    const { hosts, capiMachines, capiClusters } = this.#deps.informers;
    const namespace = machine.metadata.namespace;
    const ownerName = ownerMachineOf(machine);
    const owner = ownerName === undefined ? undefined : capiMachines.get(namespace, ownerName);
    const clusterName = clusterNameOf(machine) ?? owner?.spec.clusterName;
    // The host of an earlier attempt may still be on its way out: the run waits for facts on the other one.
    const held = hosts.byIndex('byConsumerUid', machine.metadata.uid);
    return {
      machine,
      host: held.find((host) => claimIn(host, 'Releasing') === undefined) ?? held[0],
      owner,
      cluster: clusterName === undefined ? undefined : capiClusters.get(namespace, clusterName),
      hasClusterApi: !capiMachines.absent && !capiClusters.absent,
    };
  }

  /** Writes what only the watcher can say; false: the cache was behind. */
  async #report(machine: Beskar7Machine, decision: MachineDecision): Promise<boolean> {
    // What the machine was last told is the run's as soon as there is one.
    const isOurs = machine.status?.workflow === undefined;
    const alarms = machineAlarms(this.#deps.informers, machine, Date.now());
    const wanted = [...wantedConditions(decision, isOurs), ...alarms];
    const types: string[] = [CONDITIONS.paused, SPEC_CHANGE_IGNORED, ...MACHINE_ALARMS];
    const current = machine.status?.conditions;
    if (wanted.some(({ type }) => type === CONDITIONS.ready)) types.push(CONDITIONS.ready);
    if (decision.kind === 'nothing' || areUpToDate(current, wanted, types)) return true;
    // A run begins: it writes Ready in a moment, and taking ours away first would only flicker.
    const ready = isOurs && decision.kind === 'start' ? findCondition(current, CONDITIONS.ready) : undefined;
    const phase = decision.kind === 'settled' ? 'Failed' : 'Pending';
    const more = isOurs && (wanted.some(({ type }) => type === CONDITIONS.ready) || ready) ? { phase } : {};
    const isWritten = await applyConditions(
      this.#deps.kube,
      MACHINES,
      machine,
      ready ? [...wanted, ready] : wanted,
      more,
    );
    for (const { type, message } of isWritten ? wanted : []) {
      const isNews = type === SPEC_CHANGE_IGNORED || findCondition(current, type)?.status !== 'True';
      if (isNews && (type === SPEC_CHANGE_IGNORED || MACHINE_ALARMS.includes(type)))
        this.#deps.recorder.event(machine, 'Warning', type, message);
    }
    return isWritten;
  }

  #forget(machine: Beskar7Machine): void {
    const { uid } = machine.metadata;
    if (uid === undefined) return;
    this.#starts.forget(uid);
    this.#earlierRuns.forget(uid);
    this.#facts.delete(uid);
    this.#since.delete(uid);
    this.#blankUntil.delete(uid);
  }

  #addAll(machines: readonly Beskar7Machine[]): void {
    for (const machine of machines) this.#queue.add(keyOf(machine));
  }
}

function soonest(one: Outcome, other: Outcome): Outcome {
  if (one.kind === 'retry' || other.kind === 'done') return one;
  if (other.kind === 'retry' || one.kind === 'done') return other;
  return one.ms <= other.ms ? one : other;
}
