/** The set-up asks for something that is not safe: one line that says what, and how to fix it. */
export class UnsafeWeb extends Error {
  override readonly name = 'UnsafeWeb';
}

/** Throws UnsafeWeb for a page without log-in on an address that others reach. */
export function requireSafe(web: {
  readonly auth: 'token' | 'none';
  readonly bindAddress: { readonly host: string };
}): void {
  const { host } = web.bindAddress;
  if (web.auth === 'token' || isLoopback(host)) return;
  throw new UnsafeWeb(
    `beskar7: the web page on ${host} would be open without a log-in: with --web-auth=none it listens on 127.0.0.1 or [::1] only; use --web-auth=token`,
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
