import type { Browser, Page } from 'playwright-core';

/** What the page's own thread did between two marks, in milliseconds. */
export interface PageWork {
  /** Of the processor, all tasks together. */
  readonly cpuMs: number;
  /** Of the processor, the task that took the most of it. */
  readonly longestTaskCpuMs: number;
  /** By the clock, the task that took the longest: on a busy machine most of that is other processes' time. */
  readonly longestTaskMs: number;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
}

const CATEGORIES = ['toplevel', 'blink.user_timing'];

/** Starts to record what the page's thread does. */
export function beginRecording(browser: Browser, page: Page): Promise<void> {
  return browser.startTracing(page, { categories: CATEGORIES });
}

/**
 * Ends it; the answer tells the work between two `performance.mark`s, the first one counted from the start when it is
 * not given.
 */
export async function endRecording(browser: Browser): Promise<(from: string | undefined, to: string) => PageWork> {
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  return (from, to) => {
    const markOf = (name: string) => {
      const mark = traceEvents.find((event) => event.name === name && event.ph !== 'X');
      if (!mark) throw new Error(`the trace has no mark ${name}`);
      return mark;
    };
    const end = markOf(to);
    const begin = from === undefined ? 0 : markOf(from).ts;
    const tasks = traceEvents.filter(
      ({ name, ph, pid, tid, ts }) =>
        ph === 'X' && name.endsWith('RunTask') && pid === end.pid && tid === end.tid && ts >= begin && ts < end.ts,
    );
    const cpu = tasks.map(({ tdur = 0 }) => tdur / 1000);
    return {
      cpuMs: Math.round(cpu.reduce((sum, ms) => sum + ms, 0)),
      longestTaskCpuMs: Math.round(Math.max(0, ...cpu)),
      longestTaskMs: Math.round(Math.max(0, ...tasks.map(({ dur = 0 }) => dur / 1000))),
    };
  };
}
