import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimOf } from '../model/claim.ts';
import { findCondition } from '../crds/conditions.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import { namedHost } from '../model/references.ts';
import type { Action } from '../web/shared/api.ts';

/** What can be done with a machine; what makes no sense now says why. */
export function machineActions(machine: Beskar7Machine): Action[] {
  const { metadata, status } = machine;
  const { deletionTimestamp } = metadata;
  const host = namedHost(machine);
  const phase = status?.phase ?? 'Pending';
  const going = deletionTimestamp === undefined ? undefined : 'The machine is being deleted.';
  const mayRetry = phase === 'Failed';
  const mayCancel = !mayRetry && phase !== 'Provisioned';
  const retryRefusal =
    going ??
    (mayRetry
      ? undefined
      : phase === 'Provisioned'
        ? 'The machine is provisioned: there is nothing to try again.'
        : 'A provisioning is in flight: only a failed machine can be retried.');
  const cancelRefusal = going ?? (mayCancel ? undefined : 'No provisioning is in flight.');
  return [
    {
      kind: 'retry',
      consequences: [
        'A new provisioning starts: it claims a fitting host, possibly another one than before.',
        'The server is powered off first if it is on, then boots the inspection image.',
        'The same as the annotation beskar7.io/retry with a new value.',
      ],
      ...refused(retryRefusal),
    },
    {
      kind: 'cancel',
      consequences: [
        host === undefined
          ? 'The wait for a host ends.'
          : `The server ${host.name} is powered off; it is free for others when power-off is confirmed.`,
        'The machine becomes Failed with the reason Cancelled. It is not started again by itself.',
        'The same as `temporal workflow cancel`.',
      ],
      ...refused(cancelRefusal),
    },
  ];
}

/** What can be done with a host; what makes no sense now says why. */
export function hostActions(host: PhysicalHost): Action[] {
  const claim = claimOf(host);
  const isOrphan = findCondition(host.status?.conditions, CONDITIONS.consumerMissing)?.status === 'True';
  const isGoing = host.metadata.deletionTimestamp !== undefined;
  const isStuck = claim?.stage === 'Releasing' || isOrphan || (isGoing && claim === undefined);
  return [
    {
      kind: 'force-release',
      consequences: [
        'The claim ends without confirmed power-off. If the server is not off, its old operating system still runs on it: look at the server first.',
        isGoing ? 'The host is deleted.' : 'The host is enrolled again, and then offered to other machines.',
        'Your reason is kept in an event.',
        'The same as the annotation beskar7.io/force-release.',
      ],
      ...refused(isStuck ? undefined : 'The host is not being released: delete its machine, which releases it.'),
    },
  ];
}

function refused(refusal: string | undefined): Pick<Action, 'refusal'> {
  return refusal === undefined ? {} : { refusal };
}
