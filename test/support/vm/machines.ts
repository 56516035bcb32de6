import { once } from 'node:events';
import { readFileSync, watch } from 'node:fs';
import { describe } from '@jest/globals';
import { missingForVms } from '../../../simulator/vm/command.ts';

const missing = missingForVms('uefi');
if (missing.length > 0)
  process.stderr.write(`beskar7: the tests with virtual machines are SKIPPED: there is no ${missing.join(', no ')}\n`);

/** Tests that boot virtual machines; skipped, and said so, where QEMU or OVMF is not installed. */
export const describeWithVms = missing.length > 0 ? describe.skip : describe;

/**
 * Resolves with what a machine wrote to its serial line (from a character on) as soon as the pattern is in it; rejects
 * after `limitMs` with its last lines.
 */
export async function untilConsole(file: string, pattern: RegExp, limitMs: number, from = 0): Promise<string> {
  const limit = AbortSignal.timeout(limitMs);
  const changed = watch(file);
  try {
    for (;;) {
      const text = readConsole(file).slice(from);
      if (pattern.test(text)) return text;
      await once(changed, 'change', { signal: limit });
    }
  } catch (error) {
    if (!limit.aborted) throw error;
    throw new Error(
      `nothing like ${pattern} within ${limitMs / 1_000} s; the console ends with:\n${readConsole(file).slice(-1_500)}`,
    );
  } finally {
    changed.close();
  }
}

/** Without the codes by which firmware moves the cursor. */
export function readConsole(file: string): string {
  return readFileSync(file, 'utf8').replace(/\u001b(\[[0-9;?]*[A-Za-z]|c)/g, '');
}
