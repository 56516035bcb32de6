import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A publisher of release files on loopback. A text that begins with `->` redirects. */
export class ReleaseServer {
  readonly files = new Map<string, string | Buffer>();
  /** Paths, in the order in which they were asked for. */
  readonly asked: string[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url ?? '';
      this.asked.push(path);
      const content = this.files.get(path);
      if (content === undefined) response.writeHead(404).end('not here');
      else if (typeof content === 'string' && content.startsWith('->'))
        response.writeHead(302, { location: content.slice(2) }).end();
      else response.end(content);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
