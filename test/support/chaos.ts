import { execFile } from 'node:child_process';
import path from 'node:path';

const LIMIT_MS = 38 * 60_000;

/** A chaos run in a process, and with a control plane, of its own. */
export function chaos(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [path.join('test', 'chaos', 'main.ts'), ...args],
      { timeout: LIMIT_MS, maxBuffer: 50_000_000 },
      (error, stdout, stderr) =>
        resolve({ code: error ? (typeof error.code === 'number' ? error.code : -1) : 0, output: stdout + stderr }),
    );
  });
}
