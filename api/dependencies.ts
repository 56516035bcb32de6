import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { ConnectionLimits } from '../http/connections.ts';
import type { BindAddress, HttpLogger, Timeouts } from '../http/options.ts';
import type { Rate } from '../http/rateLimit.ts';
import type { TlsSource } from '../http/tls.ts';

/** Names of the signals in `contracts/messages.ts` that callbacks send. */
export type SignalKind = 'inspectionReported' | 'handoverReported' | 'osReported';

/** A Beskar7Machine by name: its run is `provision/<namespace>/<name>`. */
export interface MachineRef {
  readonly namespace: string;
  readonly name: string;
}

/** What the callbacks need of their surroundings. */
export interface ApiDependencies {
  readonly kube: Pick<KubeClient, 'get' | 'mergePatch'>;
  /** The machine that `spec.consumerRef` names: from the watch cache, else by a GET. Undefined: there is none. */
  readonly machineOf: (host: PhysicalHost) => Promise<Beskar7Machine | undefined>;
  /** Hosts of the watch cache with this `bootMACAddress` or MAC told by the BMC; the MAC in lower case with colons. */
  readonly hostsByMac: (mac: string) => readonly PhysicalHost[];
  /** Tells the open run of a machine; may fail, then the watcher tells it again. */
  readonly signal: (kind: SignalKind, machine: MachineRef, claimId: string) => Promise<void>;
  /** Keeps the report of a host that is about to be replaced; may fail, then it is lost. */
  readonly keepReport: (host: PhysicalHost) => Promise<void>;
  readonly recorder: Pick<EventRecorder, 'event'>;
  readonly logger: HttpLogger;
}

/** Durations in milliseconds. */
export interface ApiOptions {
  readonly callbackBindAddress: BindAddress;
  readonly bootBindAddress: BindAddress;
  /**
   * How servers reach the callback listener, without a path. Absent, or with the wildcard address 0.0.0.0 or [::]: the
   * address at which the server fetched its boot script.
   */
  readonly callbackUrl?: string;
  /**
   * How servers reach the boot listener, for `/images/inspector`. Absent: the callback URL's host with the boot port.
   */
  readonly bootUrl?: string;
  /** Serve boot scripts by MAC address alone (rule 25). */
  readonly bootByMac?: boolean;
  /**
   * Folder with `tls.crt`, `tls.key` and perhaps `ca.crt`: the callback listener speaks HTTPS. The CA goes onto the
   * kernel command line, so it has to be small (P-256).
   */
  readonly tlsCertDir?: string;
  /** The same from elsewhere, where there is no such folder. Stopped with the listener. */
  readonly tls?: TlsSource;
  /** Proxies whose X-Forwarded-For is believed; addresses or CIDR blocks. */
  readonly trustedProxies?: readonly string[];
  /** Labels of a host that its Node gets: `<prefix>/<name>`. */
  readonly nodeLabelPrefixes?: readonly string[];
  /** Folder served under `/images/`. */
  readonly imagesFolder?: string;
  /** Wait for the report from seen on; 10 min. */
  readonly inspectionTimeoutMs?: number;
  /** Wait for the hand-over; 20 min. */
  readonly provisioningTimeoutMs?: number;
  readonly rates?: { readonly perSource?: Rate; readonly perNamespace?: Rate; readonly perHost?: Rate };
  /** Contract: headers 5 s, read and write 15 s, idle 60 s. */
  readonly timeouts?: Partial<Timeouts>;
  /** Connections per listener, 4096, and of one source, 2048; more are closed at once. */
  readonly connections?: Partial<ConnectionLimits>;
}
