import type { ConditionPatch } from '../../crds/conditions.ts';
import { ANNOTATION_SERVER } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import { nameFor, type Duplicate } from '../../model/sameServer.ts';
import {
  acceptCommand,
  compareServer,
  describeServer,
  isAccepted,
  isRecordedPlace,
  recordedServer,
  recordOf,
  serializeServer,
  type ServerShown,
} from '../../model/serverIdentity.ts';
import type { Identify } from '../../redfish/index.ts';
import type { Dependencies } from '../dependencies.ts';
import { bmcFailureKind, differentServer } from '../failures.ts';

/** Which other hosts stand for the same server, from the watch cache. */
export type ServerDependencies = { readonly caches: Pick<Dependencies['caches'], 'duplicateOf'> };

/** The comparison of the server behind a BMC address with the one that a host stands for. */
export interface ServerCheck {
  /** For each read of the system: throws `DifferentServer` when it is not that server. */
  readonly identify: Identify;
  /**
   * The same once more with the host as it is live, at the fence: also when another host is claimed for that server.
   */
  readonly atFence: (live: PhysicalHost) => void;
}

/**
 * Compares the server that each read shows with what was recorded of `host`, and at the fence with what is recorded of
 * it live. Nothing is sent that no read has preceded.
 */
export function serverCheck(deps: ServerDependencies, host: PhysicalHost): ServerCheck {
  let shown: ServerShown | undefined;
  return {
    identify: (read) => {
      shown = read;
      requireServer(host, read);
    },
    atFence: (live) => {
      if (shown === undefined) throw differentServer(`${nameOf(live)}: its server was not read`, 'DifferentServer');
      requireServer(live, shown);
      requireAlone(deps, live, shown);
    },
  };
}

/** Why the server that is shown is not the host's; undefined when it is, or was accepted by a person. */
export function whyDifferent(host: PhysicalHost, shown: ServerShown): string | undefined {
  if (isAccepted(host, shown)) return undefined;
  const recorded = recordedServer(host);
  const name = nameOf(host);
  const { address } = host.spec.redfishConnection;
  const mend = `If this is the host's server (its board was replaced, say): ${acceptCommand(host.metadata, shown)}`;
  const now = `behind ${address} is a server with ${describeServer(shown)}`;
  if (recorded === undefined)
    return `It is not known any more which server ${name} stands for (its annotation ${ANNOTATION_SERVER} and its status are lost); ${now}. ${mend}`;
  if (!isRecordedPlace(host, recorded))
    return `The BMC of ${name} was enrolled at ${recorded.address}, and its address or system is another one now: ${now}. ${mend}`;
  const was = `${name} stands for the server with ${describeServer(recorded)}`;
  switch (compareServer(recorded, shown)) {
    case 'same':
      return undefined;
    case 'different':
      return `${was}, but ${now}. Correct what leads there (DHCP lease, cabling, spec.redfishConnection). ${mend}`;
    case 'unconfirmed':
      return `${was}, but ${now}, so that it cannot be told whether it is that one. Some BMCs show it only after a while. ${mend}`;
  }
}

function requireServer(host: PhysicalHost, shown: ServerShown): void {
  const why = whyDifferent(host, shown);
  if (why !== undefined) throw differentServer(`nothing was sent: ${why}`, 'DifferentServer');
}

/**
 * Nothing that changes goes to a server for which another host is claimed, or comes first. By what is shown, which a
 * person may have accepted.
 */
function requireAlone(deps: ServerDependencies, live: PhysicalHost, shown: ServerShown): void {
  const duplicate = deps.caches.duplicateOf(asShown(live, shown));
  if (duplicate === undefined || (duplicate.isFirst && !duplicate.areBothClaimed)) return;
  throw differentServer(sharedMessage(live, duplicate), 'DuplicateServer');
}

/** The host as it would be recorded with the server that is shown. */
export function asShown(host: PhysicalHost, shown: ServerShown): PhysicalHost {
  const annotations = {
    ...host.metadata.annotations,
    [ANNOTATION_SERVER]: serializeServer(recordOf(host.spec, shown, recordedServer(host))),
  };
  return { ...host, metadata: { ...host.metadata, annotations } };
}

/** Nothing is sent to the BMC of a host since another one is there for the same server. */
export function sharedMessage(host: PhysicalHost, { other, by, areBothClaimed }: Duplicate): string {
  const why = areBothClaimed ? 'which is claimed as well' : 'which comes first';
  return (
    `${nameOf(host)} has the same ${by} as ${nameFor(host, other)}, ${why}: nothing is sent to its BMC. ` +
    'See which machine runs on that server before you release or delete one of the hosts'
  );
}

/**
 * What is said of it on the host; of other failures nothing. That two hosts share a server is for the watcher to say.
 */
export function serverCondition(failure: unknown): ConditionPatch[] {
  if (bmcFailureKind(failure) !== 'DifferentServer') return [];
  const { message } = failure as Error;
  return [{ type: CONDITIONS.differentServer, status: 'True', reason: HOST_REASONS.differentServer, message }];
}

function nameOf({ metadata }: PhysicalHost): string {
  return `host ${metadata.namespace}/${metadata.name}`;
}
