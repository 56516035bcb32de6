import type { HardwareSummary } from '../model/requirements.ts';
import { obj, objectOf, type RunHistory } from './historyParts.ts';

/** What a run last compared with the requirements of its machine; undefined before a report came. */
export function hardwareIn(history: RunHistory): HardwareSummary | undefined {
  for (const { activityTaskCompletedEventAttributes: completed } of (history.events ?? []).toReversed()) {
    const { kind, hardware } = objectOf(completed?.result);
    if (kind !== 'reported') continue;
    const { cpuCores, memoryBytes, largestDiskBytes } = obj(hardware);
    if (typeof cpuCores === 'number' && typeof memoryBytes === 'number' && typeof largestDiskBytes === 'number')
      return { cpuCores, memoryBytes, largestDiskBytes };
  }
  return undefined;
}
