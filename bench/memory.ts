import { request } from 'undici';
import { round } from './statistics.ts';
import { pause } from './waiting.ts';

const SAMPLES = 6;
const BETWEEN_MS = 1_000;

/** Memory of a process that rests: the least of a few looks, since a heap grows until it is collected. In MiB. */
export async function restingMemory(
  metricsPort: number,
  signal: AbortSignal,
): Promise<{ heapMiB: number; residentMiB: number }> {
  const heap: number[] = [];
  const resident: number[] = [];
  for (let look = 0; look < SAMPLES; look += 1) {
    const { body } = await request(`http://127.0.0.1:${metricsPort}/metrics`, { signal });
    const text = await body.text();
    heap.push(valueOf(text, 'nodejs_heap_size_used_bytes'));
    resident.push(valueOf(text, 'process_resident_memory_bytes'));
    await pause(BETWEEN_MS, signal);
  }
  const least = (bytes: readonly number[]) => round(Math.min(...bytes) / 2 ** 20, 1);
  return { heapMiB: least(heap), residentMiB: least(resident) };
}

function valueOf(text: string, metric: string): number {
  const value = new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`there is no metric ${metric}`);
  return Number(value);
}
