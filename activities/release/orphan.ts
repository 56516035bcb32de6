import { claimOf, isMovedConsumer, release, type Releasing } from '../../model/claim.ts';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { findCondition } from '../../crds/conditions.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import { isConsumer, namedConsumer } from '../../model/references.ts';
import { stopOf } from '../../model/stops.ts';
import { MACHINES } from '../../kube/resource.ts';
import { find } from '../../kube/swap.ts';
import type { ReleaseInput } from '../../contracts/names.ts';
import { beginReleasePatch } from './beginRelease.ts';
import { countedForce } from './earlyForce.ts';
import type { Dependencies } from '../dependencies.ts';
import { retryable } from '../failures.ts';
import { claimPatch, patchHost, readHost } from '../store/hostStore.ts';

const BY_FORCE = ', released by force: ';

/** A claimed host whose machine was not found, with the id of its claim. */
export interface LookForConsumerInput {
  readonly host: ReleaseInput;
  /** The consumer was found missing `--orphan-release-after` ago, or longer. */
  readonly isSecondLook: boolean;
}

/** What a look for the consumer found. */
export type ConsumerLook =
  /** The consumer is missing; the host may be released when it still is at the second look. */
  | { readonly kind: 'missing' }
  /** The stage `Releasing` stands: the release follows. */
  | { readonly kind: 'releasing' }
  /** Nothing is to be released; `message` is for the operator. */
  | { readonly kind: 'held'; readonly message: string };

/**
 * Looks live for the machine that holds a host, and writes `Releasing` when rule 13 allows it: the machine is gone, for
 * the second time after a while, and its claim was never handed over; or it is gone, and a person has said
 * `beskar7.io/force-release`. Never talks to a BMC.
 */
export async function lookForConsumer(deps: Dependencies, input: LookForConsumerInput): Promise<ConsumerLook> {
  const { namespace, name, uid, claim: id } = input.host;
  const what = `PhysicalHost ${namespace}/${name}`;
  const held = (why: string): ConsumerLook => ({ kind: 'held', message: `${what} ${why}` });
  const found = await readHost(deps.kube, namespace, name);
  const claim = found && claimOf(found);
  if (!found || found.metadata.uid !== uid || claim?.id !== id) return held(`does not have the claim ${id} any more`);
  const stop = stopOf(found, ['Moving', 'Paused']);
  if (stop) return held(stop.text);
  const gone = `Beskar7Machine ${found.spec.consumerRef?.name ?? 'unknown'} is gone`;
  // Also where a run of the machine wrote it: the release is this run's work (docs/decisions/0023).
  if (claim.stage === 'Releasing') return { kind: 'releasing' };
  if (found.spec.consumerRef && found.spec.consumerRef.kind !== 'Beskar7Machine')
    return held('is held by another kind');
  const machine = await consumerOf(deps, found);
  if (machine) return held(`is held by Beskar7Machine ${machine.metadata.name}, which is there`);
  const isMachineMissingReported =
    findCondition(found.status?.conditions, CONDITIONS.consumerMissing)?.status === 'True';
  const { host, reason: forced } = await countedForce(deps, found, isMachineMissingReported);
  if (forced === undefined) {
    if (claim.stage === 'HandedOver') return held('was handed over: it is released by beskar7.io/force-release only');
    if (!input.isSecondLook) return { kind: 'missing' };
  }
  const reason = forced === undefined ? gone : `${gone}${BY_FORCE}${forced.slice(0, 200)}`;
  await patchHost(
    deps.kube,
    { namespace, host: name },
    (live) => {
      // What was found out is about this very claim and consumer: anything else is looked at again.
      if (live.metadata.resourceVersion !== host.metadata.resourceVersion) throw retryable(`${what} has changed`);
      return forced === undefined ? beginReleasePatch(live, claim, reason) : claimPatch(release(claim, reason));
    },
    host,
  );
  return { kind: 'releasing' };
}

/**
 * Whether a person had said to release the host because its machine is gone. Its server is left as it is, as they were
 * told.
 */
export function isReleasedByForce({ reason }: Releasing): boolean {
  return reason.includes(` is gone${BY_FORCE}`);
}

/**
 * The machine that holds the host, read live: the one with the uid of the reference, or the same one moved or restored.
 */
async function consumerOf(deps: Dependencies, host: PhysicalHost): Promise<Beskar7Machine | undefined> {
  const named = namedConsumer(host);
  if (!named) return undefined;
  const machine = await find(deps.kube, MACHINES, named);
  return machine && (isConsumer(host, machine) || isMovedConsumer(machine, host)) ? machine : undefined;
}
