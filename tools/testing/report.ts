import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { FileResult } from './jest.ts';

/** What is known of a job that has ended. */
export interface JobReport {
  readonly name: string;
  readonly isGood: boolean;
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly files: readonly FileResult[];
}

/** Names the file into which all durations are written, as JSON. */
export const REPORT_FILE = 'BESKAR7_TEST_REPORT';
/** Slowest test files of a job: those that took at least this long. */
const SHOWN_SECONDS = 5;

/** What a run came to: sums, durations, and what was skipped. */
export class Report {
  readonly jobs: (JobReport & { readonly endedSeconds: number })[] = [];
  readonly #began = performance.now();

  /** A job that has just ended; when, in seconds from the start of the run, is noted beside it. */
  add(job: JobReport): void {
    this.jobs.push({ ...job, endedSeconds: (performance.now() - this.#began) / 1000 });
  }

  get passed(): number {
    return this.#sum(({ passed }) => passed);
  }

  get failed(): number {
    return this.#sum(({ failed }) => failed);
  }

  get skipped(): number {
    return this.#sum(({ skipped }) => skipped);
  }

  /** Longest first: seconds, seconds of a core where they are known, and how many cores that is on average. */
  durations(): string {
    const rows = [...this.jobs]
      .sort((a, b) => b.seconds - a.seconds)
      .flatMap(({ name, seconds, cpuSeconds, files }) => [
        row(name, seconds, cpuSeconds),
        ...(files.length < 2 ? [] : files)
          .filter((file) => file.seconds >= SHOWN_SECONDS)
          .sort((a, b) => b.seconds - a.seconds)
          .map((file) => row(`  ${file.file}`, file.seconds, undefined)),
      ]);
    const cpu = this.jobs.reduce((sum, { cpuSeconds = 0 }) => sum + cpuSeconds, 0);
    const total = row('total wall-clock time', (performance.now() - this.#began) / 1000, cpu);
    return [`  seconds      CPU  cores`, ...rows, total, ''].join('\n');
  }

  /** Each file with skipped tests; empty when nothing was skipped. */
  skips(): string {
    const files = this.jobs.flatMap((job) => job.files).filter(({ skipped }) => skipped.length > 0);
    return files.map(({ file, skipped }) => `  ${String(skipped.length).padStart(4)}  ${file}\n`).join('');
  }

  /**
   * Writes all of it as JSON: to the file that the environment names, else into the temporary folder. Returns where.
   */
  write(): string {
    const file = process.env[REPORT_FILE] ?? path.join(os.tmpdir(), 'beskar7-test-report.json');
    const seconds = (performance.now() - this.#began) / 1000;
    writeFileSync(file, `${JSON.stringify({ date: new Date().toISOString(), seconds, jobs: this.jobs }, null, 2)}\n`);
    return file;
  }

  #sum(of: (job: JobReport) => number): number {
    return this.jobs.reduce((sum, job) => sum + of(job), 0);
  }
}

function row(name: string, seconds: number, cpuSeconds: number | undefined): string {
  const cpu = cpuSeconds === undefined ? '' : cpuSeconds.toFixed(1);
  const cores = cpuSeconds === undefined || seconds < 1 ? '' : (cpuSeconds / seconds).toFixed(2);
  return `${seconds.toFixed(1).padStart(9)} ${cpu.padStart(8)} ${cores.padStart(6)}  ${name}`;
}
