/** What a unit counts, by its name in lower case. */
type UnitTable = Readonly<Record<string, number>>;

/**
 * Sizes of DIMMs, in bytes. Sold and reported by powers of two whatever they are called (JESD100B.01; dmidecode said GB
 * for 2^30 up to version 3.4).
 */
const MEMORY_UNITS: UnitTable = {
  b: 1,
  kib: 2 ** 10,
  kb: 2 ** 10,
  mib: 2 ** 20,
  mb: 2 ** 20,
  gib: 2 ** 30,
  gb: 2 ** 30,
  tib: 2 ** 40,
  tb: 2 ** 40,
};

/** Clock rates, in MHz. */
const CLOCK_UNITS: UnitTable = { khz: 1e-3, mhz: 1, ghz: 1e3 };

/** Line rates, in Mbit/s; ethtool writes Mb/s. */
const LINE_UNITS: UnitTable = Object.fromEntries(
  [
    ['k', 1e-3],
    ['m', 1],
    ['g', 1e3],
    ['t', 1e6],
  ].flatMap(([prefix, factor]) =>
    ['bps', 'b/s', 'bit/s', 'bits/s'].map((unit) => [`${prefix}${unit}`, Number(factor)]),
  ),
);

/** A quantity that was understood, or why not. */
export type Quantity =
  { readonly kind: 'value'; readonly value: number } | { readonly kind: 'bad'; readonly why: string };

/** Bytes of a DIMM, e.g. `32GiB`. */
export function parseMemorySize(text: string): Quantity {
  return parseQuantity(text, MEMORY_UNITS, '32GiB');
}

/** MHz of a clock rate, e.g. `2.0GHz`. */
export function parseClockRate(text: string): Quantity {
  return parseQuantity(text, CLOCK_UNITS, '2.0GHz');
}

/** Mbit/s of a line rate, e.g. `10Gbps`. */
export function parseLineRate(text: string): Quantity {
  return parseQuantity(text, LINE_UNITS, '10Gbps');
}

function parseQuantity(text: string, units: UnitTable, example: string): Quantity {
  const match = /^(\d{1,15})(?:\.(\d{1,6}))?\s*([A-Za-z/]*)$/.exec(text.trim());
  if (!match) return { kind: 'bad', why: `has to be a number with a unit such as ${example}` };
  const [, whole = '', fraction = '', unit = ''] = match;
  if (unit === '') return { kind: 'bad', why: `has no unit: write for example ${example}` };
  const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined;
  if (factor === undefined) return { kind: 'bad', why: `has the unknown unit "${unit}": write for example ${example}` };
  const value = Math.round(Number(`${whole}.${fraction || '0'}`) * factor);
  return Number.isSafeInteger(value) ? { kind: 'value', value } : { kind: 'bad', why: 'is too large' };
}
