import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Bmc } from './bmc.ts';
import { parseFaults } from './faults.ts';
import type { Fleet } from './fleet.ts';

const BODY_LIMIT = 65_536;

/** A request that the control route refuses, with its HTTP status. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The control route for other processes: GET /summary, /hosts, /hosts/{name}, /requests?host=&since=; POST
 * /hosts/{name}/fault (JSON of `Faults`), /hosts/{name}/heal, /heal, /hosts/{name}/power ({"power":"On"|"Off"}:
 * a person presses the button). Answers 400 to a bad body, 404 to an unknown host or path, each with `{"error"}`.
 * Rejects when the port cannot be opened.
 */
export function listenControl(fleet: Fleet, bind: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    handle(fleet, request).then(
      (body) => answer(200, body),
      (error: Error) => answer(error instanceof Refusal ? error.status : 400, { error: error.message }),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, bind, () => resolve(server));
  });
}

async function handle(fleet: Fleet, request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? '/', 'http://control');
  const [, first = '', name = '', verb = ''] = url.pathname.split('/');
  const route = `${request.method ?? ''} /${first}${name === '' ? '' : '/{name}'}${verb === '' ? '' : `/${verb}`}`;
  switch (route) {
    case 'GET /summary':
      return fleet.summary();
    case 'GET /requests': {
      const since = Number(url.searchParams.get('since') ?? 0);
      if (Number.isNaN(since)) throw new Refusal(400, 'since is milliseconds of the monotonic clock');
      const host = url.searchParams.get('host');
      return fleet.requests(host === null ? undefined : known(fleet, host).name, since);
    }
    case 'GET /hosts':
      return fleet.hosts.map(describe);
    case 'GET /hosts/{name}':
      return describe(known(fleet, name));
    case 'POST /heal':
      return done(fleet.heal());
    case 'POST /hosts/{name}/heal':
      return done(known(fleet, name).heal());
    case 'POST /hosts/{name}/fault':
      return done(known(fleet, name).fault(parseFaults(await read(request))));
    case 'POST /hosts/{name}/power':
      return press(known(fleet, name), await read(request));
    default:
      throw new Refusal(404, `there is no ${request.method ?? ''} ${url.pathname}`);
  }
}

function known(fleet: Fleet, name: string): Bmc {
  try {
    return fleet.host(name);
  } catch (error) {
    throw new Refusal(404, (error as Error).message);
  }
}

async function done(work: Promise<void>): Promise<{ ok: true }> {
  await work;
  return { ok: true };
}

function press(host: Bmc, body: unknown): { ok: true } {
  const power = typeof body === 'object' && body !== null && 'power' in body ? body.power : undefined;
  if (power !== 'On' && power !== 'Off') throw new Refusal(400, 'power is "On" or "Off"');
  host.server.press(power);
  return { ok: true };
}

function describe(host: Bmc) {
  const { server, recorder } = host;
  const { faults } = host;
  return {
    name: host.name,
    address: host.address,
    mac: host.mac,
    serial: host.serial,
    profile: host.profile.name,
    systemID: host.profile.systemID,
    state: server.state,
    override: server.override,
    powerLog: server.powerLog,
    console: server.console,
    userData: server.userData,
    faults: { ...faults, ...(faults.password === undefined ? {} : { password: '(changed)' }) },
    met: Object.fromEntries(host.met),
    requests: recorder.requests,
    connections: recorder.connections,
  };
}

/** The JSON of a body; an absent one is an empty object. */
async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > BODY_LIMIT) throw new Refusal(413, `a body has at most ${BODY_LIMIT} bytes`);
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : JSON.parse(text);
}
