import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Bmc } from './bmc.ts';
import { FAULT_NAMES, type Faults } from './faults.ts';
import type { Fleet } from './fleet.ts';

/**
 * The control route for other processes: GET /summary, /hosts, /hosts/{name}, /requests?host=&since=; POST /hosts/{name}/fault (JSON of `Faults`),
 * /hosts/{name}/heal, /heal, /hosts/{name}/power ({"power":"On"|"Off"}: somebody presses the button).
 */
export function listenControl(fleet: Fleet, bind: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    handle(fleet, request).then(
      (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      (error: Error) =>
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error: error.message })),
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
  const isPost = request.method === 'POST';
  if (!isPost) {
    if (first === 'summary') return fleet.summary();
    if (first === 'requests')
      return fleet.requests(url.searchParams.get('host') ?? undefined, Number(url.searchParams.get('since') ?? 0));
    if (first === 'hosts') return name === '' ? fleet.hosts.map(describe) : describe(fleet.host(name));
  } else {
    const body = JSON.parse((await read(request)) || '{}') as Record<string, unknown>;
    if (first === 'heal') return done(fleet.heal());
    if (first === 'hosts' && verb === 'heal') return done(fleet.heal(name));
    if (first === 'hosts' && verb === 'fault') return done(fleet.fault(name, faultsOf(body)));
    if (first === 'hosts' && verb === 'power')
      return fleet.host(name).server.press(body.power === 'On' ? 'On' : 'Off') ?? { ok: true };
  }
  throw new Error(`there is no ${request.method ?? ''} ${url.pathname}`);
}

async function done(work: Promise<void>): Promise<object> {
  await work;
  return { ok: true };
}

function faultsOf(body: Record<string, unknown>): Faults {
  const unknown = Object.keys(body).find((key) => !FAULT_NAMES.includes(key as keyof Faults));
  if (unknown !== undefined) throw new Error(`there is no fault "${unknown}"; faults are ${FAULT_NAMES.join(', ')}`);
  return body;
}

function describe(host: Bmc) {
  const { server, recorder } = host;
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
    faults: { ...host.faults, ...(host.faults.password === undefined ? {} : { password: '(changed)' }) },
    requests: recorder.requests,
    connections: recorder.connections,
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
