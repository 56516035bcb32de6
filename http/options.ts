import type { Logger } from 'pino';

/** What a listener logs to. */
export type HttpLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Where a listener listens. */
export interface BindAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Timeouts of a listener. */
export interface Timeouts {
  readonly headersMs: number;
  readonly requestMs: number;
  readonly idleMs: number;
  /** How long requests in flight may take at shutdown. */
  readonly stopMs: number;
  /** How often Node looks for connections that are too slow. */
  readonly checkMs: number;
}

/**
 * Those of the callback contract (docs/spec/callback-contract.md); the web page takes them, too, where it names no
 * other.
 */
export const DEFAULT_TIMEOUTS: Timeouts = {
  headersMs: 5_000,
  requestMs: 15_000,
  idleMs: 60_000,
  stopMs: 15_000,
  checkMs: 1_000,
};
