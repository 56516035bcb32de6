import { objectOf, type Failure } from './historyParts.ts';

/** What activities at a BMC put into the details of their failure. */
export function failedDetails(failure: Failure): Readonly<Record<string, unknown>> {
  const details = failure?.applicationFailureInfo?.details?.payloads ?? [];
  return Object.assign({}, ...details.map((payload) => objectOf({ payloads: [payload] }))) as Record<string, unknown>;
}

/** Only the last failure of several is known. */
export function repeated(error: string, attempt: number): string {
  return attempt <= 2 ? error : `${error} (the last of ${attempt - 1} failed attempts)`;
}

/** What an inspection found, in a few words. */
export function hardwareText(hardware: Readonly<Record<string, unknown>>): string {
  const part = (key: string, per: number, unit: string) => {
    const value = hardware[key];
    return typeof value === 'number' ? [`${Math.floor(value / per)} ${unit}`] : [];
  };
  return [
    ...part('cpuCores', 1, 'cores'),
    ...part('memoryBytes', 2 ** 30, 'GiB'),
    ...part('largestDiskBytes', 1e9, 'GB on the largest disk'),
  ].join(', ');
}
