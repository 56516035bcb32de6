import { continueAsNew } from '@temporalio/workflow';
import type { ClaimRef } from '../contracts/claimRef.ts';
import { CLAIM_STAGES } from '../model/claim.ts';
import { CurrentDetails, hostLink, runLink } from './details.ts';
import { SignalInbox } from './signalInbox.ts';
import { Inbox } from './inbox.ts';
import { workflowId, type MachineInput } from '../contracts/names.ts';
import { awaitRun, kubernetes } from './proxies.ts';
import { readMachineInput } from './readMessages.ts';
import { release } from './release.ts';

/**
 * Ends a deleted machine: cancels and awaits its open provisioning, has its hosts powered off and released, then
 * removes the finalizer. Result: a sentence for the operator.
 */
export async function deprovisionMachine(given: MachineInput): Promise<string> {
  const input = readMachineInput(given);
  const details = new CurrentDetails();
  const signals = new SignalInbox(new Inbox(details));
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
  const reason = `Beskar7Machine ${machine} is deleted`;
  details.show(waitsFor(claims));
  const ends = await Promise.all(claims.map((claim) => release({ claim, reason, stages: CLAIM_STAGES, signals })));
  // It may take days. What is done is found again from the beginning.
  if (ends.includes('full')) await continueAsNew<typeof deprovisionMachine>(input);
  await kubernetes.removeMachineFinalizer.executeWithOptions({ summary: `Lets ${machine} go` }, [input]);
  return `machine ${machine} was deprovisioned, ${claims.length} host${claims.length === 1 ? '' : 's'} released`;
}

function waitsFor(claims: readonly ClaimRef[]): string {
  return claims
    .map((claim) => {
      const run = runLink(workflowId('release', { namespace: claim.namespace, name: claim.host }));
      return `**Releases** host ${hostLink(claim)}: waits for ${run}`;
    })
    .join('\n\n');
}
