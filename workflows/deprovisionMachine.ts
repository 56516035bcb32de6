import type { ClaimRef } from '../contracts/claimRef.ts';
import { CLAIM_STAGES } from '../model/claim.ts';
import { CurrentDetails, hostLink, runLink } from './details.ts';
import { Inbox } from './inbox.ts';
import { workflowId, type MachineInput } from '../contracts/names.ts';
import { awaitRelease, awaitRun, kubernetes } from './proxies.ts';
import { readMachineInput } from './readMessages.ts';
import { releaseHere } from './release.ts';

/**
 * The end of a deleted machine: its open provisioning is cancelled and awaited, its host switched off, seen off and released, then
 * the machine may go. Result: a sentence for the operator.
 */
export async function deprovisionMachine(given: MachineInput): Promise<string> {
  const input = readMachineInput(given);
  const details = new CurrentDetails();
  new Inbox(details);
  const machine = `${input.namespace}/${input.name}`;
  const due = await kubernetes.checkDeprovision.executeWithOptions(
    { summary: `Looks whether ${machine} may be ended` },
    [input],
  );
  if (due.kind === 'notDue') return due.message;
  details.show(`**Ends the provisioning** of ${machine}, if one is open: ${runLink(workflowId('provision', input))}`);
  await awaitRun.endProvisioning.executeWithOptions({ summary: `Cancels provision/${machine} and waits for its end` }, [
    input,
  ]);
  const claims = await kubernetes.findClaims.executeWithOptions({ summary: `Finds the hosts of ${machine}` }, [input]);
  // All at once: a BMC that does not answer must not leave the server of another claim on.
  await Promise.all(claims.map((claim) => releaseClaim(machine, claim, details)));
  await kubernetes.removeMachineFinalizer.executeWithOptions({ summary: `Lets ${machine} go` }, [input]);
  return `machine ${machine} was deprovisioned, ${claims.length} host${claims.length === 1 ? '' : 's'} released`;
}

/** Releases a host, here or, where that takes longer, elsewhere; returns when it is done. */
async function releaseClaim(machine: string, claim: ClaimRef, details: CurrentDetails): Promise<void> {
  details.show(`**Releases** host ${hostLink(claim)}`);
  const result = await releaseHere({
    claim,
    reason: `Beskar7Machine ${machine} is deleted`,
    stages: CLAIM_STAGES,
    isUnconfirmed: 'unlessHandedOver',
  });
  if (result === 'released') return;
  const release = runLink(workflowId('release', { namespace: claim.namespace, name: claim.host }));
  details.show(`**Waits** for ${release}: the BMC does not do what it has to.`);
  const summary = `Waits until host ${claim.host} is released`;
  await awaitRelease.awaitClaimEnd.executeWithOptions({ summary }, [claim]);
}
