/**
 * Starts a stopwatch: each call gives the milliseconds since, by the clock that says more. Monotonic time stands still
 * while a virtual machine is suspended, and the time of day may be set back: a bound that keeps a request away from a
 * BMC holds by both.
 */
export function stopwatch(): () => number {
  const [monotonicMs, wallMs] = [performance.now(), Date.now()];
  return () => Math.max(performance.now() - monotonicMs, Date.now() - wallMs);
}
