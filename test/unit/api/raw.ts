import { connect, type Socket } from 'node:net';

const sockets: Socket[] = [];

/** A raw connection to loopback: everything that came until it was closed. */
export function raw(port: number, text: string, localAddress?: string): { socket: Socket; closed: Promise<string> } {
  const socket = connect({ port, host: '127.0.0.1', ...(localAddress === undefined ? {} : { localAddress }) });
  sockets.push(socket);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  if (text !== '') socket.write(text);
  return { socket, closed: new Promise((resolve) => socket.on('close', () => resolve(received))) };
}

/** Ends every raw connection that is still open. */
export function closeRaw(): void {
  for (const socket of sockets.splice(0)) socket.destroy();
}
