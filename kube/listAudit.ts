/**
 * What a list has found that no event had told, until the watch has shown whether it was only faster than the watch.
 * The watch continues from where it was before the list; changes between that version and the list's are events that
 * come now, and everything else in `changed` was missed. Needs resourceVersions that can be compared, which those of
 * etcd are (KEP-5504); otherwise there is no audit.
 */
export class ListAudit {
  /** Version of the list: events up to it say what the cache has already. */
  readonly upTo: bigint;
  /** Keys of objects that the list has changed, and of which no event has told yet. */
  readonly untold: Set<string>;

  constructor(upTo: bigint, changed: Iterable<string>) {
    this.upTo = upTo;
    this.untold = new Set(changed);
  }

  /** Notes an event; `true` when it is past the list, so that all earlier ones have been delivered. */
  isNews(type: string, key: string, version: string | undefined): boolean {
    const parsed = versionOf(version);
    if (parsed === undefined || parsed > this.upTo) return true;
    if (type === 'BOOKMARK') return parsed === this.upTo;
    this.untold.delete(key);
    return false;
  }
}

/** A resourceVersion as a number; undefined when it is none. */
export function versionOf(resourceVersion: string | undefined): bigint | undefined {
  return resourceVersion !== undefined && /^\d{1,20}$/.test(resourceVersion) ? BigInt(resourceVersion) : undefined;
}
