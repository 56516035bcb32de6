import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** QEMU's protocol (docs/interop/qmp-spec of QEMU): a greeting, answers and events, one JSON object a line. */
interface Message {
  readonly event?: string;
  readonly data?: Record<string, unknown>;
}

/**
 * The monitor of one QEMU process. We listen and QEMU calls, so there is no wait for a socket to appear: give `path`
 * to `-chardev socket,path=...`.
 */
export class QemuMonitor {
  readonly path: string;
  readonly #server: Server;
  readonly #onEvent: (event: string, data: Record<string, unknown>) => void;
  #socket: Socket | undefined;

  /** Listens. `onError`: the socket cannot be made (a path has at most 107 bytes). */
  constructor(
    path: string,
    onEvent: (event: string, data: Record<string, unknown>) => void,
    onError: (error: Error) => void,
  ) {
    rmSync(path, { force: true });
    this.path = path;
    this.#onEvent = onEvent;
    this.#server = createServer((socket) => this.#take(socket)).on('error', onError);
    this.#server.listen(path);
  }

  /** The power button: only an operating system that listens goes off. */
  powerDown(): void {
    this.#socket?.write('{"execute":"system_powerdown"}\n');
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }

  #take(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.write('{"execute":"qmp_capabilities"}\n');
    const lines = createInterface({ input: socket });
    // An error of the socket comes out of both; QEMU's end is told by its process.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const message = JSON.parse(line) as Message;
      if (message.event !== undefined) this.#onEvent(message.event, message.data ?? {});
    });
  }
}
