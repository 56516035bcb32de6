import { ANNOTATION_CALLS_UNTIL } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/**
 * Until when something that was sent on behalf of a host may still arrive at its BMC, in ms since the epoch; undefined:
 * nothing is in flight as far as is known. Of the annotation `beskar7.io/calls-until` (docs/decisions/0022). What
 * cannot be read counts as in flight for as long as anything can be: `capMs` from now.
 */
export function callsUntil(
  host: Pick<PhysicalHost, 'metadata'>,
  capMs: number,
  nowMs = Date.now(),
): number | undefined {
  const text = callsUntilText(host);
  if (text === undefined) return undefined;
  const most = nowMs + capMs;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return most;
  return at <= nowMs ? undefined : Math.min(at, most);
}

/** The annotation as it stands: whoever wrote this very text may send calls. */
export function callsUntilText({ metadata }: Pick<PhysicalHost, 'metadata'>): string | undefined {
  return metadata.annotations?.[ANNOTATION_CALLS_UNTIL];
}

/** Annotations of a merge patch that say until when; undefined: that nothing is in flight any more. */
export function callsUntilPatch(atMs: number | undefined): Record<string, string | null> {
  return { [ANNOTATION_CALLS_UNTIL]: atMs === undefined ? null : new Date(atMs).toISOString() };
}
