import { createHash } from 'node:crypto';
import type { RouterContext } from '@koa/router';
import type { InspectionReport } from '../../crds/inspectionReport.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { MACHINE_REASONS } from '../../crds/reasons.ts';
import { memoryOf } from '../../model/requirements.ts';
import { MAX_BODY_BYTES, parseJson, readBody, requireJson } from '../../http/body.ts';
import { inspectionClosed, inspectionOf } from '../claimWindow.ts';
import { maskDocument } from '../../untrusted/secrets.ts';
import { badRequest } from '../../http/errors.ts';
import { tooManyRefused, unauthorized } from '../errors.ts';
import { accept, limitNamespace, noteClaim, type ExchangeState } from '../exchange.ts';
import { readAuthorized, replacement, storeFact, type Claimed, type Decision, type StatusPatch } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import { CUT } from '../reason.ts';
import { parseReport } from '../report/parse.ts';
import { callbackOf } from './callback.ts';

/**
 * `POST /inspection/{ns}/{host}`: stores the hardware report, then answers 202, then tells the run. The first report of
 * a claim stands; later ones get 202 without effect. Against the timeout it is decided by one compare-and-swap on the
 * host (rule 11).
 */
export function takeInspection(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    const { key, bearer } = callbackOf(parts, ctx, '/inspection/{ns}/{host}');
    const start = await readAuthorized(parts.deps.kube, key, bearer);
    noteClaim(ctx.state, start.claim);
    limitNamespace(parts, key);
    // Before the body: nobody but the server of an open inspection gets us to hold a megabyte.
    requireOpen(parts, start);
    requireJson(ctx.req);
    const bytes = await readBody(ctx.req, { limitBytes: MAX_BODY_BYTES, timeoutMs: parts.timeouts.requestMs });
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const decide = (claimed: Claimed) =>
      decideReport(parts, claimed, digest, () => readReport(parts, claimed, bytes, bearer));
    await keepEarlier(parts, start);
    const settled = await storeFact(parts.deps.kube, key, bearer, decide, start);
    const { host, claim, isStored } = settled;
    if (isStored) {
      parts.deps.recorder.event(host, 'Normal', MACHINE_REASONS.inspectionComplete, 'Inspection complete');
      warnOfMemory(parts, host);
      ctx.state.outcome = 'report stored';
    } else {
      const isSame = inspectionOf(host, claim)?.reportDigest === digest;
      ctx.state.outcome = isSame ? 'the same report again' : 'another report after the accepted one, not stored';
    }
    accept(ctx);
    if (settled.signal !== undefined)
      parts.signals.send(settled.signal, host, claim.id, { isNews: settled.isStored, span: ctx.state.span });
  };
}

function requireOpen(parts: ApiParts, { host, claim }: Claimed): void {
  const closed = inspectionClosed(host, claim, parts.waits, Date.now());
  if (closed !== undefined) throw unauthorized(closed);
}

/** The report of an earlier claim is about to be replaced. That it cannot be kept does not hold a server up. */
async function keepEarlier({ deps }: ApiParts, { host, claim }: Claimed): Promise<void> {
  if (host.status?.inspectionReport === undefined || inspectionOf(host, claim)?.reportDigest !== undefined) return;
  try {
    await deps.keepReport(host);
  } catch (error) {
    const { namespace, name } = host.metadata;
    deps.logger.warn({ err: error, namespace, host: name }, 'the earlier report of a host could not be kept');
  }
}

function decideReport(parts: ApiParts, claimed: Claimed, digest: string, read: () => InspectionReport): Decision {
  requireOpen(parts, claimed);
  const { host, claim } = claimed;
  const current = inspectionOf(host, claim);
  // Told again: the answer that was lost may have been that of a process that ended before it signalled.
  if (current?.reportDigest !== undefined) return { kind: 'accepted', signal: 'inspectionReported' };
  const inspection = { ...current, claim: claim.id, reportDigest: digest };
  const status = {
    inspectionPhase: 'Complete',
    inspectionTimestamp: new Date().toISOString(),
    inspectionReport: replacement(host.status?.inspectionReport, read()),
    inspection: replacement(host.status?.inspection, inspection),
  };
  return { kind: 'store', status: status as StatusPatch, signal: 'inspectionReported' };
}

/**
 * Requirements are held against what the kernel can use: the operator is told when DIMMs that are installed do not
 * count.
 */
function warnOfMemory(parts: ApiParts, host: PhysicalHost): void {
  const { installedBytes, countedBytes } = memoryOf(host.status?.inspectionReport?.memory);
  if (installedBytes === undefined) return;
  const gib = (bytes: number) => `${Math.floor((bytes / 2 ** 30) * 100) / 100} GiB`;
  parts.deps.recorder.event(
    host,
    'Warning',
    'MemoryNotUsable',
    `${gib(installedBytes)} of memory are installed, the server's kernel has ${gib(countedBytes)}: these count for hardwareRequirements. ` +
      "Look into the BMC's event log for DIMMs that are mapped out, and into the BIOS settings for mirroring or sparing.",
  );
}

/** Throws 400 with everything that is wrong; the inspection goes on waiting. */
function readReport(
  parts: ApiParts,
  { host, claim }: Claimed,
  bytes: Buffer,
  bearer: string | undefined,
): InspectionReport {
  const waitMs = parts.refusedReports.take(claim.id);
  if (waitMs > 0) throw tooManyRefused(waitMs);
  const json = parseJson(bytes);
  const result =
    json.kind === 'bad' ? { kind: 'bad' as const, problems: [json.why] } : parseReport(known(json.value, bearer));
  if (result.kind === 'report') {
    parts.refusedReports.giveBack(claim.id);
    return result.report;
  }
  parts.deps.recorder.event(
    host,
    'Warning',
    'InspectionReportRejected',
    `The report was rejected, the inspection keeps waiting: ${result.problems.join('; ')}`,
  );
  throw badRequest('invalid report', result.problems);
}

/**
 * A report is stored where many may read: the bearer, should a server put it in (with its kernel command line, say), is
 * cut out. After parsing, so that no escape hides it.
 */
function known(report: unknown, bearer: string | undefined): unknown {
  return bearer === undefined ? report : maskDocument(report, [bearer], { mask: CUT });
}
