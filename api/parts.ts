import type { BlockList } from 'node:net';
import { BootSecrets } from './bootSecrets.ts';
import type { Waits } from './claimWindow.ts';
import { DEFAULT_TIMEOUTS, type Timeouts } from '../http/options.ts';
import type { ApiDependencies, ApiOptions } from './dependencies.ts';
import { DEFAULT_RATES, RateLimit, REFUSED_REPORTS } from '../http/rateLimit.ts';
import { RunSignals } from './runSignals.ts';
import { blockListOf } from '../untrusted/addresses.ts';
import type { TlsSource } from '../http/tls.ts';

/** What both listeners share. */
export interface ApiParts {
  readonly deps: ApiDependencies;
  readonly options: ApiOptions;
  readonly waits: Waits;
  readonly timeouts: Timeouts;
  /** Of the callback listener; undefined: plain HTTP. */
  readonly tls: TlsSource | undefined;
  readonly trustedProxies: BlockList;
  readonly bootSecrets: BootSecrets;
  readonly signals: RunSignals;
  readonly perSource: RateLimit;
  readonly perNamespace: RateLimit;
  readonly perHost: RateLimit;
  /** By claim id. */
  readonly refusedReports: RateLimit;
  /** The ports really listened on. */
  readonly ports: { callback: number; boot: number };
  /** From the beginning of a shutdown: connections are not kept alive any more. */
  isStopping: boolean;
}

/** Makes them, with the contract's figures where the options have none. */
export function createParts(deps: ApiDependencies, options: ApiOptions, tls?: TlsSource): ApiParts {
  return {
    deps,
    options,
    waits: {
      inspectionTimeoutMs: options.inspectionTimeoutMs ?? 600_000,
      provisioningTimeoutMs: options.provisioningTimeoutMs ?? 1_200_000,
    },
    timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
    tls,
    trustedProxies: blockListOf(options.trustedProxies ?? []),
    bootSecrets: new BootSecrets(deps.kube),
    signals: new RunSignals(deps),
    perSource: new RateLimit(options.rates?.perSource ?? DEFAULT_RATES.perSource),
    perNamespace: new RateLimit(options.rates?.perNamespace ?? DEFAULT_RATES.perNamespace),
    perHost: new RateLimit(options.rates?.perHost ?? DEFAULT_RATES.perHost),
    refusedReports: new RateLimit(REFUSED_REPORTS),
    ports: { callback: options.callbackBindAddress.port, boot: options.bootBindAddress.port },
    isStopping: false,
  };
}
