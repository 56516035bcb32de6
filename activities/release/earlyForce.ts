import { ANNOTATION_FORCE_RELEASE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { earlyForceOf, forceReasonOf, forceRefusedText } from '../../model/forceRelease.ts';
import type { Dependencies } from '../dependencies.ts';
import { patchHost } from '../store/hostStore.ts';

/** A host, and the force-release on it that counts. */
export interface Forced {
  readonly host: PhysicalHost;
  readonly reason: string | undefined;
}

/**
 * The force-release that was set for what is under way: it names the host's claim, or the host has said before that it
 * is held up (`isHeldUp`). One that stood there already is removed, with an event: it was set for something else,
 * however long ago. Throws what `patchHost` throws.
 */
export async function countedForce(
  deps: Pick<Dependencies, 'kube' | 'recorder'>,
  host: PhysicalHost,
  isHeldUp: boolean,
): Promise<Forced> {
  const early = isHeldUp ? undefined : earlyForceOf(host);
  if (early === undefined) return { host, reason: forceReasonOf(host) };
  const { namespace = '', name } = host.metadata;
  const before = host.metadata.annotations?.[ANNOTATION_FORCE_RELEASE];
  const written = await patchHost(
    deps.kube,
    { namespace, host: name },
    // Another one was set since: the next attempt looks at that.
    (live) =>
      live.metadata.annotations?.[ANNOTATION_FORCE_RELEASE] === before
        ? { metadata: { annotations: { [ANNOTATION_FORCE_RELEASE]: null } } }
        : undefined,
    host,
  );
  deps.recorder.event(host, 'Warning', 'ForceReleaseRefused', forceRefusedText(host, early));
  return { host: written, reason: undefined };
}
