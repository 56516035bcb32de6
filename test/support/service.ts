import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * An address in front of several processes, as a Service of Kubernetes is: a connection goes to the first of them that
 * takes it.
 */
export class Service {
  readonly #server: Server;
  readonly #backends: (() => string)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free port. */
  static async listen(): Promise<Service> {
    const service = new Service(createServer());
    service.#server.on('connection', (client) => {
      client.on('error', () => client.destroy());
      service.#forward(client, [...service.#backends]);
    });
    service.#server.listen(0, '127.0.0.1');
    await once(service.#server, 'listening');
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** One process more, by its URL; asked for at each connection. */
  add(url: () => string): void {
    this.#backends.push(url);
  }

  close(): void {
    this.#server.close();
  }

  #forward(client: Socket, [backend, ...others]: readonly (() => string)[]): void {
    if (!backend) return void client.destroy();
    const { hostname: host, port } = new URL(backend());
    const server = connect({ host, port: Number(port) });
    const refused = () => this.#forward(client, others);
    server.once('error', refused);
    server.once('connect', () => {
      server.off('error', refused);
      server.on('error', () => client.destroy());
      client.on('close', () => server.destroy());
      server.on('close', () => client.destroy());
      client.pipe(server).pipe(client);
    });
  }
}
