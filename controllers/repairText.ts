import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { ANNOTATION_CLAIM } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { Repaired } from './consumer.ts';

/** The event that tells what was written again on a host, why, and how to keep it from happening. */
export function repairText(
  { spec: { consumerRef } }: PhysicalHost,
  { metadata: { namespace, name } }: Beskar7Machine,
  repaired: Repaired,
): { readonly reason: string; readonly message: string } {
  const machine = `Beskar7Machine ${namespace}/${name}`;
  const advice = 'Change PhysicalHosts by apply, patch or edit, and not by replace.';
  switch (repaired) {
    case 'handedOver':
      if (consumerRef === undefined)
        return {
          reason: 'ConsumerRestored',
          message: `The host had lost its consumer (spec.consumerRef), and ${machine} runs on it by its providerID: it is its consumer again. Its server was not touched. ${advice}`,
        };
      return {
        reason: 'ClaimRestored',
        message: `The host had lost its claim (annotation ${ANNOTATION_CLAIM}), and ${machine} runs on it by its providerID: it is claimed for it again, as handed over. Its server was not touched. ${advice}`,
      };
    case 'marks':
      return {
        reason: 'ClaimRestored',
        message: `The host was claimed for ${machine} and had lost spec.consumerRef or its label: they were written again. ${advice}`,
      };
    case 'releasing':
      return {
        reason: 'ClaimLost',
        message: `The claim of the host for ${machine} (annotation ${ANNOTATION_CLAIM}) was lost or could not be read: its server is switched off and the host freed; a provisioning of the machine that was under way ends. ${advice}`,
      };
  }
}
