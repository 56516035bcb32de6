const EVERY_MS = 15_000;

/** Says what is being done and how long it usually takes: a live line on a terminal, else a line every 15 s. */
export async function withProgress<T>(
  what: string,
  usually: string,
  work: () => Promise<T>,
  out = process.stderr,
): Promise<T> {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  const line = () => `beskar7: ${what} (usually ${usually}) ... ${seconds()} s`;
  out.write(out.isTTY ? line() : `${line()}\n`);
  const timer = setInterval(() => out.write(out.isTTY ? `\r${line()}` : `${line()}\n`), out.isTTY ? 1_000 : EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (out.isTTY) out.write('\r\u001b[K');
  }
}
