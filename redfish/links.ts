import type { ConnectionConfig } from './connectionOptions.ts';
import { RedfishError } from './error.ts';

type Base = Pick<ConnectionConfig, 'origin' | 'rootPath' | 'host'>;

/** The path of a link of this BMC. Throws `Protocol` when it names another host: credentials never go there. */
export function resolveLink(base: Base, link: string, redact: (text: string) => string): string {
  const url = parse(base, link);
  if (url === undefined || url.origin !== base.origin) {
    const shown = redact(link.slice(0, 256));
    const message = `the BMC ${base.host} points to ${JSON.stringify(shown)}, another address, which is not followed: when that is where the BMC is, put it into redfishConnection.address`;
    throw new RedfishError('Protocol', message);
  }
  return url.pathname + url.search;
}

/**
 * The path of what the BMC has made for us (a session, a task), at the address that we have: behind NAT, or by another
 * name, the BMC tells another host, and nothing is sent there. Undefined when it is no link.
 */
export function pathOfLink(base: Base, link: string): string | undefined {
  const url = parse(base, link);
  return url === undefined || !/^https?:$/.test(url.protocol) ? undefined : url.pathname + url.search;
}

function parse({ origin, rootPath }: Base, link: string): URL | undefined {
  return URL.canParse(link, origin + rootPath) ? new URL(link, origin + rootPath) : undefined;
}
