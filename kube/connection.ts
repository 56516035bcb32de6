import type { AgentOptions, RequestOptions } from 'node:https';
import type { KubeConfig, RequestContext } from '@kubernetes/client-node';
import { Agent, ProxyAgent, type buildConnector, type Dispatcher } from 'undici';

/** How a request reaches the API server as who. */
export interface Route {
  readonly headers: Readonly<Record<string, string>>;
  /** For calls. */
  readonly calls: Dispatcher;
  /** For watches, which hold a connection each for minutes. */
  readonly watches: Dispatcher;
}

/** client-node reads files of certificates again at each call; token files it reads every minute. */
const FRESH_MS = 10_000;
const MAX_CONNECTIONS = 64;
const MAX_WATCHES = 64;

/** The cluster and the user of a kubeconfig's current context, with connections that are kept alive. */
export class Connection {
  readonly origin: string;
  /** Path in front of `/api`, where the server is behind a gateway. */
  readonly basePath: string;
  readonly #config: KubeConfig;
  #route: Promise<Route> | undefined;
  #readAt = 0;
  #tls = '';
  #agents: { calls: Dispatcher; watches: Dispatcher } | undefined;
  #retired: Dispatcher[] = [];

  /** Throws when the kubeconfig has no current cluster or an address that is not a URL. */
  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster();
    if (!cluster) throw new Error(`the kubeconfig's current context "${config.getCurrentContext()}" names no cluster`);
    if (!URL.canParse(cluster.server))
      throw new Error(`the kubeconfig's server address "${cluster.server}" is not a URL`);
    const url = new URL(cluster.server);
    this.#config = config;
    this.origin = url.origin;
    this.basePath = url.pathname.replace(/\/+$/, '');
  }

  /** Credentials as they are now; `refresh` reads them at once, after a 401. */
  route(refresh = false): Promise<Route> {
    const now = performance.now();
    if (!this.#route || refresh || now - this.#readAt > FRESH_MS) {
      this.#readAt = now;
      const route = this.#read();
      this.#route = route;
      route.catch(() => {
        if (this.#route === route) this.#route = undefined;
      });
    }
    return this.#route;
  }

  async close(): Promise<void> {
    const all = [...this.#retired, ...(this.#agents ? [this.#agents.calls, this.#agents.watches] : [])];
    this.#agents = undefined;
    this.#route = undefined;
    await Promise.all(all.map((agent) => agent.destroy()));
  }

  async #read(): Promise<Route> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) headers[name] = String(value).trim();
    if (options.auth) headers.Authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = options as AgentOptions;
    const tls = JSON.stringify([ca, cert, key, pfx, passphrase, servername, rejectUnauthorized].map(String));
    if (!this.#agents || tls !== this.#tls) {
      // Calls in flight end on the old agents; those go when the client closes.
      if (this.#agents) this.#retired = [...this.#retired, this.#agents.calls, this.#agents.watches].slice(-8);
      this.#agents = {
        calls: await this.#agent(options as AgentOptions, MAX_CONNECTIONS),
        watches: await this.#agent(options as AgentOptions, MAX_WATCHES),
      };
      this.#tls = tls;
    }
    return { headers, ...this.#agents };
  }

  async #agent(options: AgentOptions, connections: number): Promise<Dispatcher> {
    const made = this.#config.createDispatcherOptions(this.#config.getCurrentCluster(), options);
    const common = {
      connections,
      pipelining: 1,
      // Below the 90 s after which an API server closes idle connections.
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 60_000,
      // Deadlines are the callers' signals.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const connect = { timeout: 10_000, keepAlive: true, keepAliveInitialDelay: 30_000 };
    switch (made.type) {
      case 'none':
        return new Agent({ ...common, connect });
      case 'agent':
        return new Agent({ ...common, connect: { ...connect, ...(made.connect as buildConnector.BuildOptions) } });
      case 'proxy':
        return new ProxyAgent({
          ...common,
          uri: made.uri,
          requestTls: { ...(made.requestTls as buildConnector.BuildOptions), ...connect },
        });
      case 'socks':
        return this.#socksAgent();
    }
  }

  /** client-node keeps its SOCKS connector to itself: the agent that it makes is used as it is. */
  async #socksAgent(): Promise<Dispatcher> {
    let made: Dispatcher | undefined;
    const context = { setHeaderParam: () => undefined, setDispatcher: (agent: Dispatcher) => (made = agent) };
    await this.#config.applySecurityAuthentication(context as unknown as RequestContext);
    return made ?? new Agent({ connections: MAX_CONNECTIONS });
  }
}
