/** Round numbers from 0 up to at least `most`, about `steps` of them: the lines behind a chart. */
export function ticks(most: number, steps = 4): number[] {
  if (most <= 0) return [0, 1];
  const rough = most / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power * 10);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];

/** The same for lengths of time in milliseconds: steps that a clock has. */
export function timeTicks(mostMs: number, steps = 5): number[] {
  const rough = mostMs / 1000 / steps;
  const step = (TIME_STEPS.find((size) => size >= rough) ?? Math.ceil(rough / 86_400) * 86_400) * 1000;
  return Array.from({ length: Math.ceil(mostMs / step) + 1 }, (_, index) => index * step);
}
