import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

const FOREIGN_MAC = '02:00:00:00:00:99';
let made = 0;

/** A BMC behind a line of its own: a network namespace, joined by a pair of virtual cards. */
export interface FarBmc {
  /** `10.231.x.2:port` */
  readonly host: string;
  readonly port: number;
  /** What arrived there: first lines of requests. */
  readonly arrived: string[];
  /** From now on nothing of ours arrives: packets go to a card that does not exist. */
  cut(): void;
  /** The line is whole again. */
  mend(): void;
  stop(): void;
}

/** Why there can be no network of our own here; undefined: there can. */
export function noNamespaces(): string | undefined {
  try {
    const name = `b7-probe-${process.pid}`;
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Starts a server in a namespace of its own that keeps connections open and answers nothing. */
export async function farBmc(): Promise<FarBmc> {
  made += 1;
  const id = `${process.pid % 10_000}${made}`;
  const [space, near, far] = [`b7-${id}`, `b7n${id}`, `b7f${id}`];
  const net = `10.231.${process.pid % 250}.${(made % 60) * 4}`.split('.');
  const address = (last: number) => [...net.slice(0, 3), String(Number(net[3]) + last)].join('.');
  ip('netns', 'add', space);
  let server: ChildProcess | undefined;
  const stop = (): void => {
    server?.kill('SIGKILL');
    ip('netns', 'del', space);
  };
  try {
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', space);
    ip('addr', 'add', `${address(1)}/30`, 'dev', near);
    ip('link', 'set', near, 'up');
    ip('-n', space, 'addr', 'add', `${address(2)}/30`, 'dev', far);
    ip('-n', space, 'link', 'set', far, 'up');
    const code = `require('node:net').createServer((s) => { s.on('error', () => 0); s.on('data', (d) => console.log(String(d).split('\\r\\n')[0])); })
      .listen(0, '${address(2)}', function () { console.log(this.address().port); })`;
    server = spawn('ip', ['netns', 'exec', space, process.execPath, '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: server.stdout as NodeJS.ReadableStream });
    const port = Number(await new Promise<string>((resolve) => lines.once('line', resolve)));
    const arrived: string[] = [];
    lines.on('line', (line) => arrived.push(line));
    return {
      host: `${address(2)}:${port}`,
      port,
      arrived,
      cut: () => ip('neigh', 'replace', address(2), 'lladdr', FOREIGN_MAC, 'dev', near, 'nud', 'permanent'),
      mend: () => ip('neigh', 'del', address(2), 'dev', near),
      stop,
    };
  } catch (error) {
    stop();
    throw error;
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
