import { claimOf } from '../../model/claim.ts';
import { withoutCondition } from '../../crds/conditions.ts';
import { ANNOTATION_ACCEPT_SERVER, ANNOTATION_SERVER } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import {
  compareServer,
  describeServer,
  isAccepted,
  isRecordedPlace,
  parseServer,
  recordedServer,
  recordOf,
  serializeServer,
  type ServerShown,
} from '../../model/serverIdentity.ts';
import type { RedfishClient } from '../../redfish/index.ts';
import type { Dependencies } from '../dependencies.ts';
import { patchHost, patchHostStatus } from '../store/hostStore.ts';
import { asShown } from './serverCheck.ts';

type AcceptDependencies = Pick<Dependencies, 'kube' | 'recorder'> & {
  readonly caches: Pick<Dependencies['caches'], 'duplicateOf'>;
};

/**
 * Accepts the server that answers now, as a person asked for (`beskar7.io/accept-server`): it is recorded in place of
 * the earlier one, the annotation goes, and an event tells it. Asks the BMC only where there is such a word. Gives the
 * host as it is then.
 */
export async function acceptServer(
  deps: AcceptDependencies,
  host: PhysicalHost,
  bmc: Pick<RedfishClient, 'getSystemInfo'>,
  signal: AbortSignal,
): Promise<PhysicalHost> {
  if (host.metadata.annotations?.[ANNOTATION_ACCEPT_SERVER] === undefined) return host;
  return acceptShown(deps, host, await readServer(bmc, signal));
}

/** What the BMC shows of its server, by one read. */
async function readServer(bmc: Pick<RedfishClient, 'getSystemInfo'>, signal: AbortSignal): Promise<ServerShown> {
  let shown: ServerShown = {};
  await bmc.getSystemInfo({ signal, identify: (read) => void (shown = read) });
  return shown;
}

/** The same for a server that was read already. Another host's server is not taken: it would be two hosts'. */
export async function acceptShown(
  deps: AcceptDependencies,
  host: PhysicalHost,
  shown: ServerShown,
): Promise<PhysicalHost> {
  const duplicate = deps.caches.duplicateOf(asShown(host, shown));
  if (!isAccepted(host, shown) || (duplicate !== undefined && (duplicate.areBothClaimed || !duplicate.isFirst)))
    return host;
  const key = keyOf(host);
  const before = recordedServer(host);
  const claim = claimOf(host)?.id;
  const accepted = await patchHost(
    deps.kube,
    key,
    (live) => {
      if (!isAccepted(live, shown) || claimOf(live)?.id !== claim) return undefined;
      const record = serializeServer(recordOf(live.spec, shown, recordedServer(live)));
      return { metadata: { annotations: { [ANNOTATION_SERVER]: record, [ANNOTATION_ACCEPT_SERVER]: null } } };
    },
    host,
  );
  const now = await patchHostStatus(
    deps.kube,
    key,
    (live) => ({
      hardware: { uuid: shown.uuid?.slice(0, 256) ?? null, serialNumber: shown.serialNumber?.slice(0, 256) ?? null },
      conditions: withoutCondition(live.status?.conditions, CONDITIONS.differentServer),
    }),
    accepted,
  );
  const was = before === undefined ? '' : `, in place of ${describeServer(before)}`;
  deps.recorder.event(host, 'Warning', 'ServerAccepted', `The host stands for ${describeServer(shown)} now${was}.`);
  return now;
}

/**
 * Records which server a host stands for where that is not recorded, or less of it than is shown now: some BMCs know
 * UUID and serial number only after the server's first start. Never in place of what was recorded.
 */
export async function completeServer(
  deps: Pick<Dependencies, 'kube'>,
  host: PhysicalHost,
  shown: ServerShown,
): Promise<void> {
  const changed = (live: PhysicalHost): string | undefined => {
    const recorded = recordedServer(live);
    if (recorded === undefined || !isRecordedPlace(live, recorded)) return undefined;
    if (compareServer(recorded, shown) !== 'same') return undefined;
    const known = parseServer(live.metadata.annotations?.[ANNOTATION_SERVER]);
    const isComplete =
      known !== undefined &&
      (known.uuid !== undefined || shown.uuid === undefined) &&
      (known.serialNumber !== undefined || shown.serialNumber === undefined);
    return isComplete ? undefined : serializeServer({ ...recordOf(live.spec, shown, recorded), ...recorded });
  };
  if (changed(host) === undefined) return;
  await patchHost(
    deps.kube,
    keyOf(host),
    (live) => {
      const record = changed(live);
      return record === undefined ? undefined : { metadata: { annotations: { [ANNOTATION_SERVER]: record } } };
    },
    host,
  );
}

function keyOf({ metadata }: PhysicalHost): { namespace: string; host: string } {
  return { namespace: metadata.namespace, host: metadata.name };
}
