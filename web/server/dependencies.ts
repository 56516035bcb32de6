import type { Logger } from 'pino';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { Identified } from '../../kube/resource.ts';
import type { Runs } from './runs.ts';

/** A watch cache, as far as the page reads it. */
export interface Cache<T extends Identified> {
  get(namespace: string, name: string): T | undefined;
  list(): T[];
  byIndex(index: string, value: string): T[];
  /** Calls `handler` at each change from now on; returns how to end that. */
  onChange(
    handler: (change: { readonly type: 'added' | 'updated' | 'deleted'; readonly object: T }) => void,
  ): () => void;
}

/** The calls to Kubernetes that the page makes. */
export type WebKube = Pick<KubeClient, 'get' | 'list' | 'create' | 'mergePatch'>;

/** What the page's server needs of its surroundings. */
export interface WebDependencies {
  /** As Beskar7's own account: reads, after it was asked whether the person may, and the questions themselves. */
  readonly kube: WebKube;
  /** Does `act` as the holder of a bearer token. */
  readonly asHolderOf: <R>(token: string, act: (kube: WebKube) => Promise<R>) => Promise<R>;
  /** With the index `byConsumer` (`<namespace>/<machine>`). */
  readonly hosts: Cache<PhysicalHost>;
  readonly machines: Cache<Beskar7Machine>;
  readonly runs: Runs;
  readonly recorder: Pick<EventRecorder, 'event'>;
  readonly logger: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
}

/** Settings of the web page's server. */
export interface WebOptions {
  readonly bindAddress: { readonly host: string; readonly port: number };
  /**
   * `token`: a Kubernetes bearer token is asked for. `none`: whoever reaches the listener is the operator; loopback
   * only.
   */
  readonly auth: 'token' | 'none';
  /** Folder with `tls.crt` and `tls.key`: the page is served over HTTPS. */
  readonly tlsCertDir?: string;
  /** Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; addresses or CIDR blocks. */
  readonly trustedProxies: readonly string[];
  /** Of Beskar7, shown on the page. */
  readonly version: string;
  /** Where the built page lies. */
  readonly distFolder: string;
  /** How the lines to copy start: `kubectl`, and `temporal workflow` with its namespace is added. */
  readonly kubectl: string;
  readonly temporalCli: string;
  /** Temporal's Web UI, without a path. */
  readonly temporalUiUrl?: string;
  readonly temporalNamespace: string;
  readonly timing?: Partial<WebTiming>;
}

/** Durations in milliseconds. */
export interface WebTiming {
  /** How long changes are collected before they are sent. */
  readonly gatherMs: number;
  /** Keep-alive interval of an idle stream. */
  readonly heartbeatMs: number;
  /** A client that reads nothing for this long is disconnected. */
  readonly stalledMs: number;
  /** How long the API server's answer to "may they?" is believed. */
  readonly accessMs: number;
  /** How long its answer to "who is it?" is believed. */
  readonly identityMs: number;
}

/** Timing in production; tests shorten it. */
export const WEB_TIMING: WebTiming = {
  gatherMs: 100,
  heartbeatMs: 10_000,
  stalledMs: 30_000,
  accessMs: 10_000,
  identityMs: 30_000,
};
