import type { Claim } from '../model/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../crds/physicalHost.ts';
import { TOKEN_GRACE_MS } from '../model/deadlines.ts';

type Inspection = NonNullable<PhysicalHostStatus['inspection']>;
type Handover = NonNullable<PhysicalHostStatus['handover']>;

/** The waits of the workflows, in milliseconds: bearer and nonce end with them. */
export interface Waits {
  readonly inspectionTimeoutMs: number;
  readonly provisioningTimeoutMs: number;
}

/** After inspection and deployment timeout, for the routes other than `/inspection` (contract, "Secrets"). */
const HANDOVER_GRACE_MS = 600_000;

/** Facts of the inspection that belong to this claim; what an earlier claim left behind is nothing. */
export function inspectionOf(host: PhysicalHost, claim: Claim): Inspection | undefined {
  const inspection = host.status?.inspection;
  return inspection?.claim === claim.id ? inspection : undefined;
}

/** Facts of the hand-over that belong to this claim. */
export function handoverOf(host: PhysicalHost, claim: Claim): Handover | undefined {
  const handover = host.status?.handover;
  return handover?.claim === claim.id ? handover : undefined;
}

/** Whether a report was accepted for this claim: the first one stands. */
export function isReported(host: PhysicalHost, claim: Claim): boolean {
  return inspectionOf(host, claim)?.reportDigest !== undefined;
}

/** Whether the boot script is still handed out; else why not. */
export function bootClosed(host: PhysicalHost, claim: Claim, waits: Waits, now: number): string | undefined {
  if (claim.stage !== 'Armed') return `the claim is in stage ${claim.stage}`;
  if (isReported(host, claim)) return 'the report has been accepted';
  const phase = inspectionOf(host, claim) ? host.status?.inspectionPhase : undefined;
  if (phase === 'Timeout' || phase === 'Failed') return `the inspection ended: ${phase}`;
  return isBefore(now, inspectionEnd(host, claim, waits)) ? undefined : 'the inspection window is over';
}

/** Whether a report may still come; else why not. */
export function inspectionClosed(host: PhysicalHost, claim: Claim, waits: Waits, now: number): string | undefined {
  if (claim.stage !== 'Armed') return `the claim is in stage ${claim.stage}`;
  if (!isBefore(now, inspectionEnd(host, claim, waits))) return 'the inspection window is over';
  const isTimedOut = inspectionOf(host, claim) !== undefined && host.status?.inspectionPhase === 'Timeout';
  return isTimedOut ? 'the inspection has timed out' : undefined;
}

/**
 * Whether the bearer has ended for the routes of the hand-over. After hand-over it lives as long as the claim (rule
 * 22), since a lost answer must not make a live node power off, and nothing but `osReadyAt` can change any more.
 */
export function isBearerOver(host: PhysicalHost, claim: Claim, waits: Waits, now: number): boolean {
  if (claim.stage === 'HandedOver') return false;
  return !isBefore(now, deadlineOf(host, claim, waits) + waits.provisioningTimeoutMs + HANDOVER_GRACE_MS);
}

function inspectionEnd(host: PhysicalHost, claim: Claim, waits: Waits): number {
  return deadlineOf(host, claim, waits) + TOKEN_GRACE_MS;
}

/**
 * The server may fetch its script before it was confirmed on and the deadline written: the claim's own deadline counts
 * then.
 */
function deadlineOf(host: PhysicalHost, claim: Claim, waits: Waits): number {
  const deadline = inspectionOf(host, claim)?.deadline;
  return deadline === undefined ? Date.parse(claim.deadline) + waits.inspectionTimeoutMs : Date.parse(deadline);
}

/** False also for an end that cannot be read: then it is over. */
function isBefore(now: number, end: number): boolean {
  return now < end;
}
