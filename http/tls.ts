import { watch, type FSWatcher } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import type { HttpLogger } from './options.ts';

/** What a CA may take of the 2,048 bytes of kernel arguments, in base64; a P-256 one has about 900. */
const MAX_CA_BYTES = 1200;
/** A certificate and its key are written one after the other. */
const SETTLE_MS = 200;

/** Files that cannot be used: one line that says which, why, and how to mend it. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

/** PEM of `tls.crt` and `tls.key`, and of `ca.crt` where there is one. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

/** Where a listener has its certificate from. */
export interface TlsSource {
  readonly files: TlsFiles;
  /** Called with each new set of files. */
  onChange(listener: (files: TlsFiles) => void): void;
  stop(): void;
}

/**
 * Certificate, key and CA of the callback listener, from a folder as cert-manager and Kubernetes lay it out (`tls.crt`,
 * `tls.key`, `ca.crt`). They are read again when the folder changes; what cannot be used is told in the log, and the
 * last good ones stay.
 */
export class CallbackTls implements TlsSource {
  readonly #folder: string;
  readonly #logger: HttpLogger;
  readonly #isCaSent: boolean;
  readonly #listeners: ((files: TlsFiles) => void)[] = [];
  #files: TlsFiles;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(folder: string, files: TlsFiles, logger: HttpLogger, isCaSent: boolean) {
    this.#folder = folder;
    this.#files = files;
    this.#logger = logger;
    this.#isCaSent = isCaSent;
  }

  /**
   * Reads the files and watches their folder. `isCaSent`: the CA goes onto kernel command lines, and has to fit. Throws
   * TlsError.
   */
  static async open(folder: string, logger: HttpLogger, isCaSent = true): Promise<CallbackTls> {
    const tls = new CallbackTls(folder, await readFiles(folder, isCaSent), logger, isCaSent);
    tls.#watcher = watch(folder, () => tls.#schedule());
    tls.#watcher.on('error', (error) => logger.error({ err: error, folder }, 'certificates are not watched any more'));
    return tls;
  }

  get files(): TlsFiles {
    return this.#files;
  }

  /** Called with each new set of files. */
  onChange(listener: (files: TlsFiles) => void): void {
    this.#listeners.push(listener);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#reload(), SETTLE_MS);
  }

  async #reload(): Promise<void> {
    try {
      const files = await readFiles(this.#folder, this.#isCaSent);
      const { cert, key, ca } = this.#files;
      if (files.cert === cert && files.key === key && files.ca === ca) return;
      this.#files = files;
      for (const listener of this.#listeners) listener(files);
      this.#logger.info({ folder: this.#folder }, 'listener certificate reloaded');
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#logger.error(
        { folder: this.#folder, reason: message },
        'new listener certificate rejected; keeping the last good one',
      );
    }
  }
}

/** Throws TlsError when a CA in PEM does not fit on a kernel command line. */
export function requireSmallCa(pem: string | undefined): void {
  if (pem === undefined) return;
  const bytes = Buffer.from(pem).toString('base64').length;
  if (bytes <= MAX_CA_BYTES) return;
  throw new TlsError(
    `beskar7: the CA of the callback listener has ${bytes} bytes in base64, but only ${MAX_CA_BYTES} fit on a kernel command ` +
      'line (2,048 in all); use a P-256 CA, and only one certificate',
  );
}

async function readFiles(folder: string, isCaSent: boolean): Promise<TlsFiles> {
  const [cert, key] = await Promise.all(['tls.crt', 'tls.key'].map((name) => read(folder, name, isCaSent)));
  if (cert === undefined || key === undefined) {
    throw new TlsError(`beskar7: ${folder} has no ${cert === undefined ? 'tls.crt' : 'tls.key'} (${flagOf(isCaSent)})`);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new TlsError(`beskar7: tls.crt and tls.key in ${folder} cannot be used: ${(error as Error).message}`);
  }
  const ca = await read(folder, 'ca.crt', isCaSent);
  if (isCaSent) requireSmallCa(ca);
  return { cert, key, ca };
}

async function read(folder: string, name: string, isCaSent: boolean): Promise<string | undefined> {
  try {
    return await readFile(path.join(folder, name), 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new TlsError(`beskar7: ${path.join(folder, name)} cannot be read: ${message} (${flagOf(isCaSent)})`);
  }
}

/** The callback listener sends its CA to servers, that of the page does not. */
function flagOf(isCaSent: boolean): string {
  return isCaSent ? '--tls-cert-dir' : '--web-tls-cert-dir';
}
