/**
 * Does something, and tells for how long at most it kept the thread to itself: CPU time between two turns of the event
 * loop, in milliseconds, so that other work on the machine does not count.
 */
export async function held<T>(act: () => Promise<T>): Promise<{ readonly answer: T; readonly heldMs: number }> {
  let heldMs = 0;
  let isOver = false;
  let last = process.cpuUsage();
  const look = () => {
    const { user, system } = process.cpuUsage(last);
    heldMs = Math.max(heldMs, (user + system) / 1000);
    last = process.cpuUsage();
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const answer = await act();
  isOver = true;
  look();
  return { answer, heldMs };
}
