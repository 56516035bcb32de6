import type { HostView } from './view.ts';

/**
 * How a host shows that what a server said was kept; by route. After the hand-over there is nothing more to keep (rule
 * 22).
 */
export const KEPT_WHEN_ACCEPTED: Readonly<Record<string, (view: HostView, claim: string) => boolean>> = {
  inspection: ({ reportOf }, claim) => reportOf === claim,
  provisioned: (view, claim) => isHandover(view, claim, ({ outcome }) => outcome !== undefined),
  'provision-failed': (view, claim) => isHandover(view, claim, ({ outcome }) => outcome !== undefined),
  'os-ready': (view, claim) => isHandover(view, claim, ({ isOsReady }) => isOsReady),
};

function isHandover(
  view: HostView,
  id: string,
  isSaid: (handover: NonNullable<HostView['handover']>) => boolean,
): boolean {
  if (view.claim?.id === id && view.claim.stage === 'HandedOver') return true;
  return view.handover?.claim === id && isSaid(view.handover);
}
