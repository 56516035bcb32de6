/** How long one piece of work may hold the event loop, in ms. */
const SLICE_MS = 10;

/** Kept, so that tests with a clock of their own do not stop the turns. */
const inNextTurn = setImmediate;
const waiting: (() => void)[] = [];
let isTaken = false;

/** One caller per turn of the event loop, in order: slices of different callers never add up within one turn. */
async function takeTurn(): Promise<void> {
  if (isTaken) return new Promise((resolve) => waiting.push(resolve));
  isTaken = true;
  inNextTurn(passOn);
}

function passOn(): void {
  const next = waiting.shift();
  isTaken = next !== undefined;
  if (!next) return;
  next();
  inNextTurn(passOn);
}

/**
 * Runs long computation in slices of about 10 ms, between which timers, heartbeats and answers have their turn; so do
 * the slices of others. `steps` yields where it may be interrupted, at least every millisecond or so. What it throws is
 * thrown.
 */
export async function inTurns<T>(steps: Iterator<undefined, T, undefined>): Promise<T> {
  for (;;) {
    await takeTurn();
    const endsAt = performance.now() + SLICE_MS;
    do {
      const step = steps.next();
      if (step.done === true) return step.value;
    } while (performance.now() < endsAt);
  }
}
