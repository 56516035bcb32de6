import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimIn, type Claim } from '../model/claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { connectionHash, hasUnmarkedSecrets } from '../model/connection.ts';
import { earlyForceOf, forceReasonOf, forceReleaseCommand } from '../model/forceRelease.ts';
import { holdingOf, type Holding } from '../model/holding.ts';
import { hostRepair } from '../model/repairs.ts';
import { ANNOTATION_ACCEPT_SERVER, ANNOTATION_CLAIM, FINALIZER_HOST } from '../crds/names.ts';
import { isEnrolledAsItIs } from '../model/offer.ts';
import { isBeingDeleted, isBeingMoved, isPaused, pausedBy, stopOf } from '../model/stops.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import type { CapiCluster } from '../kube/resource.ts';

/** What the caches know of a host. */
export interface HostView {
  readonly host: PhysicalHost;
  /** The Cluster of the machine that holds it, where Cluster API is there. */
  readonly cluster?: CapiCluster | undefined;
  /**
   * The machine that holds it: in the cache with its uid, not there (yet), or read live and found to be gone (404, or
   * another machine has its name now).
   */
  readonly consumer: 'seen' | 'unseen' | 'gone';
  /**
   * The machine that the host leads to by consumerRef, label or that machine's providerID, from the cache or a live
   * look.
   */
  readonly machine?: Beskar7Machine | undefined;
  /** Another host for the same server comes first. */
  readonly isSecond?: boolean;
  /** How long a machine has to be gone before its host is released. */
  readonly orphanReleaseMs: number;
}

/** A release that was begun. */
export interface Releasing {
  readonly claim: Claim;
  /** Changes when its open run has to be signalled that the host changed. */
  readonly occasion: string;
}

/** What a watcher does about a host. It only guesses: each run decides for itself by a live read. */
export type HostDecision =
  | { readonly kind: 'nothing'; readonly why: string }
  | {
      readonly kind: 'paused';
      readonly message: string;
      /** A release in flight continues while the host is paused (rule 16), and is signalled about changes. */
      readonly underWay?: Releasing;
    }
  | { readonly kind: 'settled' }
  | { readonly kind: 'deletionBlocked'; readonly message: string }
  /**
   * The host has lost its consumer, its claim, a mark of it or its finalizer: they are written again, without a call to
   * the BMC. `machine`: the one that it leads to; a finalizer is repaired without one, too.
   */
  | {
      readonly kind: 'repair';
      readonly machine: Beskar7Machine | undefined;
      readonly occasion: string;
      /** Who holds the host is written, and nothing else is begun for it before. */
      readonly isClaim: boolean;
    }
  /** The claim is lost, and what the server runs is not known: a person has to say. */
  | {
      readonly kind: 'claimLost';
      readonly reason: Extract<Holding, { kind: 'lostUnknown' }>['why'];
      readonly message: string;
      /** What to say when the host is to be deleted. */
      readonly deletionMessage?: string;
    }
  /** The machine that holds the host is not in the cache: it has to be looked for live. */
  | { readonly kind: 'lookForConsumer' }
  | {
      readonly kind: 'orphaned';
      readonly message: string;
      /** Its release may begin: once the machine has been gone for a while, or at once by force (rule 13). */
      readonly release?: { readonly claim: Claim; readonly occasion: string };
      /** What to say when the host is to be deleted. */
      readonly deletionMessage?: string;
    }
  | {
      readonly kind: 'start';
      readonly run: 'enroll' | 'retire';
      /** Changes when an open run has to be signalled that the host changed. */
      readonly occasion: string;
      /** What stands now may be one half of a release: it has to stand for a moment. */
      readonly isPatient: boolean;
    }
  | (Releasing & {
      readonly kind: 'release';
      /** What to say when the host is to be deleted. */
      readonly deletionMessage?: string;
    });

/** Decides from what the caches show; pure. */
export function decideHost(view: HostView): HostDecision {
  const { host } = view;
  const { finalizers = [] } = host.metadata;
  const moving = stopOf(host, ['Moving']);
  if (moving) return { kind: 'nothing', why: moving.text };
  const isDeleted = isBeingDeleted(host);
  if (isDeleted && !finalizers.includes(FINALIZER_HOST))
    return { kind: 'nothing', why: 'deleted without our finalizer' };
  const paused = hostPausedBy(view);
  if (paused !== undefined) {
    const underWay = releasingOf(host);
    return { kind: 'paused', message: paused, ...(underWay ? { underWay } : {}) };
  }
  const holding = holdingOf(host, view.machine);
  if (holding.kind !== 'none') return decideHeld(view, holding, isDeleted);
  const { isSecond = false } = view;
  const occasion = changeOf(host, isSecond);
  const repair = decideRepair(view);
  // With the finalizer alone it is as good as whole, and an enrolment writes that itself.
  if (repair && !(repair.kind === 'repair' && !repair.isClaim)) return repair;
  if (isDeleted) return { kind: 'start', run: 'retire', occasion: `retire ${occasion}`, isPatient: false };
  const enroll = decideEnroll(host, `enroll ${occasion}`, isSecond);
  return enroll.kind === 'settled' && repair ? repair : enroll;
}

/** A host follows its own annotation, and the Cluster of its consumer (rule 16). */
function hostPausedBy({ host, cluster }: HostView): string | undefined {
  const paused = pausedBy(host, cluster);
  if (paused === undefined) return undefined;
  return isPaused(host)
    ? `${paused}: no work is started, and nothing more is sent to its BMC. A release waits for the annotation to go; a boot that is under way waits until its deadline.`
    : `${paused}: no work is started.`;
}

/**
 * What the table of repairs says (`hostRepair`); undefined: nothing is wrong. A new uid of a moved machine is no
 * decision: the look for it writes that at once (rule 13).
 */
function decideRepair({ host, machine }: HostView): HostDecision | undefined {
  const rows = hostRepair(host, machine)?.rows.filter((row) => row !== 'consumerUid') ?? [];
  if (rows.length === 0) return undefined;
  if (machine !== undefined && isBeingMoved(machine))
    return { kind: 'nothing', why: 'the machine that runs on it is being moved' };
  const occasion = `repair ${rows.join()} ${machine?.metadata.uid ?? ''}`;
  return { kind: 'repair', machine, occasion, isClaim: rows.some((row) => row !== 'finalizer') };
}

function decideHeld(
  view: HostView,
  holding: Exclude<Holding, { readonly kind: 'none' }>,
  isDeleted: boolean,
): HostDecision {
  const { host, consumer } = view;
  const claim = holding.kind === 'claim' ? holding.claim : undefined;
  const message = blockedMessage(host, claim);
  const releasing = releasingOf(host);
  if (releasing) return { kind: 'release', ...releasing, ...(isDeleted ? { deletionMessage: message } : {}) };
  if (consumer === 'unseen') return { kind: 'lookForConsumer' };
  if (holding.kind === 'lostUnknown') return decideLost(view, holding, isDeleted);
  if (consumer === 'gone' && holding.kind !== 'lost') return decideOrphan(view, claim, isDeleted);
  const repair = decideRepair(view);
  if (repair) return repair;
  if (isDeleted) return { kind: 'deletionBlocked', message };
  if (!hasUnmarkedSecrets(host)) return { kind: 'settled' };
  // It is not enrolled: the run marks the Secrets that it names now, and lets the former ones go.
  return { kind: 'start', run: 'enroll', occasion: `secrets ${connectionHash(host.spec)}`, isPatient: true };
}

function releasingOf(host: PhysicalHost): Releasing | undefined {
  const claim = claimIn(host, 'Releasing');
  return claim ? { claim, occasion: `release ${claim.id} ${occasionOf(host)}` } : undefined;
}

/** It is unknown whether its server runs a machine, so it is left on and claimed. */
function decideLost(
  { host }: HostView,
  { loss, why }: Extract<Holding, { readonly kind: 'lostUnknown' }>,
  isDeleted: boolean,
): HostDecision {
  const { name, namespace } = host.metadata;
  const { consumerRef } = host.spec;
  const machine = consumerRef ? `Beskar7Machine ${consumerRef.namespace}/${consumerRef.name}` : 'no machine';
  const what = `The host names ${machine} in spec.consumerRef, and its claim (annotation ${ANNOTATION_CLAIM}) ${loss === 'missing' ? 'is missing' : 'cannot be read'}.`;
  const free =
    `kubectl patch physicalhost ${name} -n ${namespace} --type=merge ` +
    `-p '{"metadata":{"annotations":{"${ANNOTATION_CLAIM}":null}},"spec":{"consumerRef":null}}'`;
  const message =
    why === 'MachineNotFound'
      ? `${what} That machine does not exist, and its server may still run it: nothing is done about it. Restore the machine (with its providerID); or switch the server off, then: ${free}`
      : `${what} Beskar7 has not claimed the host for it: it was written by hand, or copied with a manifest. The host is offered to no machine, and its server is not touched. To use the host: ${free}`;
  return { kind: 'claimLost', reason: why, message, ...(isDeleted ? { deletionMessage: message } : {}) };
}

/** A missing consumer alone never leads to a power call (rule 13). */
function decideOrphan({ host, orphanReleaseMs }: HostView, claim: Claim | undefined, isDeleted: boolean): HostDecision {
  const { consumerRef } = host.spec;
  const machine = consumerRef
    ? `Beskar7Machine ${consumerRef.namespace}/${consumerRef.name}`
    : 'a machine that is not named';
  const uid = consumerRef?.uid === undefined ? '' : ` (uid ${consumerRef.uid})`;
  const gone = `The host is claimed by ${machine}${uid}, which does not exist.`;
  const force = forceReleaseCommand(host.metadata);
  // Set before the host said that its machine is missing, it was not set for that: the watcher refuses it.
  const isForced = forceReasonOf(host) !== undefined && isMachineMissingReported(host);
  const isAutomatic = claim !== undefined && claim.stage !== 'HandedOver';
  const message = isAutomatic
    ? `${gone} Its server was never handed over: it is switched off and freed when the machine is still missing after ${orphanReleaseMs / 60_000} minutes. At once, and without switching it off: ${force}`
    : `${gone} Its server was handed over and keeps running; nothing is done to it. Restore the machine; or switch the server off, then: ${force}`;
  const occasion = `orphan ${claim?.id ?? ''} ${occasionOf(host)}`;
  return {
    kind: 'orphaned',
    message,
    ...(claim && (isAutomatic || isForced) ? { release: { claim, occasion } } : {}),
    ...(isDeleted ? { deletionMessage: message } : {}),
  };
}

function blockedMessage(host: PhysicalHost, claim: Claim | undefined): string {
  const consumer = host.spec.consumerRef;
  if (claim?.stage === 'Releasing') {
    return (
      'The host is being released; it is deleted as soon as power-off is confirmed. If its BMC never answers again: ' +
      forceReleaseCommand(host.metadata)
    );
  }
  const machine = consumer ? `${consumer.kind} ${consumer.namespace}/${consumer.name}` : 'a machine that is not named';
  const how = consumer ? ` To free it: kubectl delete beskar7machine ${consumer.name} -n ${consumer.namespace}` : '';
  return `The host is claimed by ${machine} and is deleted once that has released it; its server keeps running.${how}`;
}

function decideEnroll(host: PhysicalHost, occasion: string, isSecond: boolean): HostDecision {
  const start = (isPatient: boolean): HostDecision => ({ kind: 'start', run: 'enroll', occasion, isPatient });
  const { state, conditions } = host.status ?? {};
  if (state === 'Available') {
    // The run finds out whether that is so, and takes the host out of the offer, or back in.
    const isDifferent = findCondition(conditions, CONDITIONS.differentServer)?.status === 'True';
    const isToAccept = host.metadata.annotations?.[ANNOTATION_ACCEPT_SERVER] !== undefined;
    return isEnrolledAsItIs(host) && !isSecond && !isDifferent && !isToAccept ? { kind: 'settled' } : start(false);
  }
  // In a state of a claim without a claim: its status was lost, or a release is about to write it.
  return start(state === 'InUse' || state === 'Inspecting' || state === 'Ready');
}

/** Whether the host has said before now that its machine is missing. */
function isMachineMissingReported({ status }: PhysicalHost): boolean {
  return findCondition(status?.conditions, CONDITIONS.consumerMissing)?.status === 'True';
}

/**
 * A force-release of a host for which nothing is in flight: it is removed, with an event. Undefined: there
 * is none, or it counts.
 */
export function refusedForce(host: PhysicalHost, decision: HostDecision): string | undefined {
  const early = earlyForceOf(host);
  if (early === undefined) return undefined;
  switch (decision.kind) {
    case 'nothing':
    case 'lookForConsumer':
    case 'repair':
    case 'paused':
      return undefined;
    case 'release':
      return forceReasonOf(host) === undefined ? early : undefined;
    case 'orphaned':
      return isMachineMissingReported(host) ? undefined : early;
    case 'start':
      return decision.run === 'retire' ? undefined : early;
    case 'settled':
    case 'deletionBlocked':
    case 'claimLost':
      return early;
  }
}

/** What an open run has to be signalled about: another connection to the BMC, or a force-release. */
function occasionOf(host: PhysicalHost): string {
  const accepted = host.metadata.annotations?.[ANNOTATION_ACCEPT_SERVER];
  const words = [
    ...(forceReasonOf(host) === undefined ? [] : ['forced']),
    ...(accepted === undefined ? [] : [accepted]),
  ];
  return [connectionHash(host.spec), ...words].join(' ');
}

/** The same for an unclaimed host, which also waits for the end of another host for its server. */
export function changeOf(host: PhysicalHost, isSecond: boolean): string {
  return isSecond ? `${occasionOf(host)} second` : occasionOf(host);
}
