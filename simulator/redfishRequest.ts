import type { Profile } from './profiles.ts';

/** Path of the service root (DSP0266 §6.3). */
export const REDFISH_ROOT = '/redfish/v1';

/** A request as it came to a BMC. */
export interface RedfishRequest {
  readonly method: string;
  /** Without a trailing slash and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A reference to another resource, with the slash at its end that some services add. */
export function link({ trailingSlash }: Pick<Profile, 'trailingSlash'>, path: string): { '@odata.id': string } {
  return { '@odata.id': trailingSlash ? `${path}/` : path };
}

/** The JSON object of a body; undefined when it is none. */
export function parseBody(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
