/**
 * `apiserver_request_total` by verb (GET, LIST, POST, PATCH, APPLY, ...), watches included. It does not tell user
 * agents.
 */
export type RequestTotals = ReadonlyMap<string, number>;

const SAMPLE = /^apiserver_request_total\{(.*)\}\s+([0-9.eE+-]+)/;
const VERB = /(?:^|,)verb="([^"]*)"/;

/** Sums the metric by verb from the text format of Prometheus. */
export function parseRequestTotals(text: string): RequestTotals {
  const totals = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, labels, value] = SAMPLE.exec(line) ?? [];
    if (labels === undefined) continue;
    const verb = VERB.exec(labels)?.[1] ?? 'unknown';
    totals.set(verb, (totals.get(verb) ?? 0) + Number(value));
  }
  return totals;
}

/** What was counted between two readings; verbs without a request are left out. */
export function requestsBetween(before: RequestTotals, after: RequestTotals): Map<string, number> {
  const differences = [...after].map(([verb, total]) => [verb, total - (before.get(verb) ?? 0)] as const);
  return new Map(differences.filter(([, difference]) => difference > 0));
}
