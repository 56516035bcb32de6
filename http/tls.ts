import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import type { HttpLogger } from './options.ts';

/** What a CA may take of the 2,048 bytes of kernel arguments, in base64; a P-256 one has about 900. */
const MAX_CA_BYTES = 1200;
/** A certificate and its key are written one after the other. */
const SETTLE_MS = 200;

/** Files that cannot be used: one line that says which, why, and how to fix it. */
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

/** Where kept files come from, and when to look again. */
export interface TlsOrigin {
  /** Reads all of them now; rejects when they cannot be had or used. */
  read(): Promise<TlsFiles>;
  /** Calls `again` when there may be newer ones, until the function that it gives is called. */
  follow(again: () => void): () => void;
  /** For log lines: where the files come from, such as `{ folder }`. */
  readonly from: object;
}

/**
 * Keeps the files of a listener, reads them again when their origin may have newer ones, and gives those to who
 * listens. What cannot be read or used is logged, and the last good files stay.
 */
export class KeptTls implements TlsSource {
  readonly #origin: TlsOrigin;
  readonly #logger: HttpLogger;
  readonly #listeners: ((files: TlsFiles) => void)[] = [];
  readonly #unfollow: () => void;
  #files: TlsFiles;

  /** `files` are those of a first `origin.read()`. */
  constructor(files: TlsFiles, origin: TlsOrigin, logger: HttpLogger) {
    this.#files = files;
    this.#origin = origin;
    this.#logger = logger;
    this.#unfollow = origin.follow(() => void this.#reload());
  }

  get files(): TlsFiles {
    return this.#files;
  }

  onChange(listener: (files: TlsFiles) => void): void {
    this.#listeners.push(listener);
  }

  stop(): void {
    this.#unfollow();
  }

  async #reload(): Promise<void> {
    try {
      const files = await this.#origin.read();
      const { cert, key, ca } = this.#files;
      if (files.cert === cert && files.key === key && files.ca === ca) return;
      this.#files = files;
      for (const listener of this.#listeners) listener(files);
      this.#logger.info(this.#origin.from, 'listener certificate reloaded');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.error(
        { ...this.#origin.from, reason },
        'new listener certificate rejected; keeping the last good one',
      );
    }
  }
}

/**
 * Certificate, key and CA of a listener, from a folder as cert-manager and Kubernetes lay it out (`tls.crt`, `tls.key`,
 * `ca.crt`), read again when the folder changes. `isCaSent`: the CA goes onto kernel command lines, and has to fit.
 * Throws TlsError.
 */
export async function folderTls(folder: string, logger: HttpLogger, isCaSent = true): Promise<TlsSource> {
  const read = () => readFiles(folder, isCaSent);
  const follow = (again: () => void) => {
    let timer: NodeJS.Timeout | undefined;
    const watcher = watch(folder, () => {
      clearTimeout(timer);
      timer = setTimeout(again, SETTLE_MS);
    });
    watcher.on('error', (error) => logger.error({ err: error, folder }, 'certificates are not watched any more'));
    return () => {
      clearTimeout(timer);
      watcher.close();
    };
  };
  return new KeptTls(await read(), { read, follow, from: { folder } }, logger);
}

/** Throws TlsError when a CA in PEM does not fit on a kernel command line. */
function requireSmallCa(pem: string | undefined): void {
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
