import type { IncomingMessage } from 'node:http';

/** A request and its answer, as far as the cookie goes. */
export interface CookieExchange {
  readonly req: Pick<IncomingMessage, 'headers'>;
  /** Whether the browser has reached the page over HTTPS. */
  readonly state: { readonly isSecure: boolean };
  set(header: string, value: string): void;
}

/** With the prefix a browser takes the cookie from no other host and path (RFC 6265bis §4.1.3.2); it needs HTTPS. */
function cookieName(isSecure: boolean): string {
  return isSecure ? '__Host-beskar7' : 'beskar7-session';
}

/** The session that a browser names; undefined: none. */
export function sessionIdOf(ctx: CookieExchange): string | undefined {
  const wanted = `${cookieName(ctx.state.isSecure)}=`;
  for (const part of (ctx.req.headers.cookie ?? '').split(';')) {
    const text = part.trim();
    if (text.startsWith(wanted)) return text.slice(wanted.length) || undefined;
  }
  return undefined;
}

/** Has the browser name this session from now on, or none: until it is closed, or the session ends in this process. */
export function setSessionId(ctx: CookieExchange, value: string | undefined): void {
  const { isSecure } = ctx.state;
  const attributes = ['Path=/', 'HttpOnly', 'SameSite=Strict', ...(isSecure ? ['Secure'] : [])];
  const age = value === undefined ? ['Max-Age=0'] : [];
  ctx.set('Set-Cookie', [`${cookieName(isSecure)}=${value ?? ''}`, ...attributes, ...age].join('; '));
}
