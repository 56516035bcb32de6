import { networkTargetOf, type NetworkTarget, type Place, type Places } from './bootPlaces.ts';
import { RedfishError } from './error.ts';
import type { ETagStyle } from './etag.ts';
import type { BeforeSend, MutateOptions } from './fence.ts';
import { objectOf, type JsonObject } from './json.ts';
import type { Reply, Resource } from './reply.ts';

/** What the override shall be (DSP2046 ComputerSystem.Boot); no target: `Disabled` alone. */
export interface Override {
  readonly enabled: 'Once' | 'Disabled';
  readonly target: NetworkTarget | 'None' | 'Hdd' | undefined;
}

/** What is to be done, and how it is judged. */
export interface Task {
  readonly wanted: Override;
  /** Nothing is sent. */
  isNeedless(places: Places): boolean;
  /** Whether a place, as it was read back after it was written, shows what was wanted. */
  isDone(boot: JsonObject | undefined): boolean;
}

/** One PATCH that was answered. */
export interface Attempt {
  readonly places: Places;
  readonly place: Place;
  readonly reply: Reply;
  readonly request: { readonly method: 'PATCH'; readonly path: string };
  readonly etagStyle: ETagStyle;
  readonly sentMode: string | undefined;
}

/**
 * A request that is for a server that is off goes out so soon after that was read, or not at all: the process may have
 * been stopped between.
 */
const OFF_HOLDS_MS = 10_000;

/**
 * An override that the place which was written did not have before is not gone with that. The other way round it is:
 * the system shows until its next boot what the future state has no more.
 */
export function isElsewhere({ places, place }: Attempt, task: Task): boolean {
  if (!task.isDone(objectOf(place.resource.json['Boot']))) return false;
  return places.all.some(({ name, resource }) => name !== place.name && !task.isDone(objectOf(resource.json['Boot'])));
}

/** Whether a `Boot` object shows no network boot override; one that is absent shows none. */
export function isClear(boot: JsonObject | undefined): boolean {
  return networkTargetOf(boot) === undefined;
}

/** Whether the BMC answered and will not do it, so that another form of the request is worth a try. */
export function isRefusal(error: unknown): error is RedfishError {
  return error instanceof RedfishError && error.kind === 'Refused';
}

/** The options of a request that is sent only while what was read of the system is fresh. */
export function whileOff(system: Resource, options: MutateOptions): MutateOptions {
  const fence = async (): Promise<BeforeSend> => {
    const check = await options.fence();
    return () => {
      check();
      if (performance.now() - system.readAtMs < OFF_HOLDS_MS) return;
      throw new RedfishError('Busy', `the server was confirmed off more than ${OFF_HOLDS_MS / 1000} s ago`);
    };
  };
  return { ...options, fence };
}
