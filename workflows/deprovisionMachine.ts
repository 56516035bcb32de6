import { setCurrentDetails } from '@temporalio/workflow';
import { CLAIM_STAGES } from '../crds/claim.ts';
import { hostLink, runLink } from './details.ts';
import { workflowId, type MachineInput } from './names.ts';
import { kubernetes, waiting } from './proxies.ts';
import { releaseHere } from './release.ts';

/**
 * The end of a deleted machine: its open provisioning is cancelled and awaited, its host switched off, seen off and released, then
 * the machine may go. Result: a sentence for the operator.
 */
export async function deprovisionMachine(input: MachineInput): Promise<string> {
  const machine = `${input.namespace}/${input.name}`;
  const due = await kubernetes.checkDeprovision.executeWithOptions(
    { summary: `Looks whether ${machine} may be ended` },
    [input],
  );
  if (due.kind === 'notDue') return due.message;
  setCurrentDetails(
    `**Ends the provisioning** of ${machine}, if one is open: ${runLink(workflowId('provision', input))}`,
  );
  await waiting.endProvisioning.executeWithOptions({ summary: `Cancels provision/${machine} and waits for its end` }, [
    input,
  ]);
  const claims = await kubernetes.findClaims.executeWithOptions({ summary: `Finds the hosts of ${machine}` }, [input]);
  for (const claim of claims) {
    setCurrentDetails(`**Releases** host ${hostLink(claim)}`);
    const result = await releaseHere({
      claim,
      reason: `Beskar7Machine ${machine} is deleted`,
      stages: CLAIM_STAGES,
      isUnconfirmed: 'unlessHandedOver',
    });
    if (result === 'continuing') {
      const release = runLink(workflowId('release', { namespace: claim.namespace, name: claim.host }));
      setCurrentDetails(`**Waits** for ${release}: the BMC does not do what it has to.`);
      const summary = `Waits until host ${claim.host} is released`;
      await waiting.awaitClaimEnd.executeWithOptions({ summary }, [claim]);
    }
  }
  await kubernetes.removeMachineFinalizer.executeWithOptions({ summary: `Lets ${machine} go` }, [input]);
  return `machine ${machine} was deprovisioned, ${claims.length} host${claims.length === 1 ? '' : 's'} released`;
}
