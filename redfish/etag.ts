/**
 * How the ETag of a resource is sent back in If-Match. `any` is `*`, for a BMC that wants the header but gives no ETag.
 */
export type ETagStyle = 'given' | 'strong' | 'none' | 'any';

/** The style to start with: what was learned, as far as it makes a difference for this ETag. */
export function firstETag(learned: ETagStyle, etag: string | undefined): ETagStyle {
  if (learned === 'strong' && !isWeak(etag)) return 'given';
  return learned;
}

/** The If-Match header for an ETag; undefined for none. */
export function sendableETag(style: ETagStyle, etag: string | undefined): string | undefined {
  switch (style) {
    case 'given':
      return etag;
    case 'strong':
      return etag?.replace(/^W\//, '');
    case 'none':
      return undefined;
    case 'any':
      return etag ?? '*';
  }
}

/**
 * What to try after a 412 (weak → strong → none) or a 428 (read again, then with what was read); undefined: nothing is
 * left.
 */
export function nextETagStyle(status: 412 | 428, tried: ETagStyle, etag: string | undefined): ETagStyle | undefined {
  if (status === 428) return tried === 'any' ? undefined : 'any';
  if (tried === 'given' && isWeak(etag)) return 'strong';
  return tried === 'given' || tried === 'strong' ? 'none' : undefined;
}

function isWeak(etag: string | undefined): boolean {
  return etag?.startsWith('W/') === true;
}
