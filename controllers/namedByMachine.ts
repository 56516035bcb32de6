import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { ConditionPatch } from '../crds/conditions.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS, NAMED_REASONS } from '../crds/reasons.ts';
import { isUnclaimed } from '../model/claim.ts';
import { isProviderIDOurs } from '../model/handled.ts';
import { byAge } from '../model/waiters.ts';
import { isBeingDeleted } from '../model/stops.ts';
import type { Informers } from './informers.ts';

/** How many machines the message names. */
const MAX_NAMED = 3;

/**
 * What a free host says while machines of its namespace name it in their providerID: it is out of use where Beskar7 has
 * written that (its server may run that machine), and offered where nothing shows that. Without it the host would be
 * missed in silence.
 */
export function namedByMachine(informers: Pick<Informers, 'machines'>, host: PhysicalHost): ConditionPatch[] {
  const { namespace, name } = host.metadata;
  if (!isUnclaimed(host)) return [];
  const machines = informers.machines.byIndex('naming', `${namespace}/${name}`).sort(byAge);
  const proven = machines.filter(isProviderIDOurs);
  const named = proven.length > 0 ? proven : machines;
  if (named.length === 0) return [];
  const type = CONDITIONS.namedByMachine;
  const who = `${named.length === 1 ? 'Beskar7Machine' : 'Beskar7Machines'} ${namesOf(named)}`;
  const verb = named.length === 1 ? 'names' : 'name';
  const fix = `kubectl delete beskar7machine ${named[0]?.metadata.name ?? ''} -n ${namespace}`;
  return proven.length > 0
    ? [
        {
          type,
          status: 'True',
          reason: NAMED_REASONS.notOffered,
          message:
            `${who} ${verb} this host in spec.providerID, as Beskar7 has written it, and the host is not claimed by it: its server may run it. ` +
            `The host is offered to no other machine. Restore its consumerRef and claim from a backup; or, if the machine does not run there any more: ${fix}`,
        },
      ]
    : [
        {
          type,
          status: 'True',
          reason: NAMED_REASONS.unproven,
          message:
            `${who} ${verb} this host in spec.providerID, and Beskar7 has not provisioned it here: written by hand, or copied with a manifest. ` +
            `That has no effect: the host is offered as any other, and that machine gets no host. To fix it: ${fix}`,
        },
      ];
}

function namesOf(machines: readonly Beskar7Machine[]): string {
  const names = machines.slice(0, MAX_NAMED).map(({ metadata }) => metadata.name);
  return names.join(', ') + (machines.length > MAX_NAMED ? ` and ${machines.length - MAX_NAMED} more` : '');
}

/** Nothing changed by which a host knows its machine. */
export function isSameConsumer(before: Beskar7Machine, after: Beskar7Machine): boolean {
  return (
    before.metadata.uid === after.metadata.uid &&
    before.spec.providerID === after.spec.providerID &&
    isProviderIDOurs(before) === isProviderIDOurs(after) &&
    isBeingDeleted(before) === isBeingDeleted(after)
  );
}
