import { createHash } from 'node:crypto';
import { applyBootPatch, BOOT_ENABLED, BOOT_MODES, BOOT_TARGETS, refuseBootPatch } from './bootPatch.ts';
import type { FaultSet } from './faults.ts';
import type { PoweredServer } from './poweredServer.ts';
import type { Profile } from './profiles.ts';
import { RedfishAccess, type AccessParts } from './redfishAccess.ts';
import { failure, notFound, ok, type RedfishAnswer } from './redfishAnswer.ts';
import { link, parseBody, REDFISH_ROOT as ROOT, type RedfishRequest } from './redfishRequest.ts';
import { Tasks } from './tasks.ts';

/** The Redfish service of one BMC, with the habits of its profile. */
export class RedfishService {
  readonly #profile: Profile;
  readonly #server: PoweredServer;
  readonly #access: RedfishAccess;
  readonly #faults: FaultSet;
  readonly #tasks: Tasks;
  #changedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: AccessParts & { server: PoweredServer }) {
    this.#profile = parts.profile;
    this.#server = parts.server;
    this.#access = new RedfishAccess(parts);
    this.#faults = parts.faults;
    this.#tasks = new Tasks(parts.profile.taskMissingMs);
  }

  /** The answer to a request. */
  handle(request: RedfishRequest): RedfishAnswer {
    const { method, path } = request;
    if (path === '/redfish') return ok({ v1: `${ROOT}/` });
    if (path === ROOT && method === 'GET') return ok(this.#root());
    if (path === `${ROOT}/SessionService/Sessions` && method === 'POST') return this.#access.logIn(request);
    if (!this.#access.allows(request))
      return failure(
        401,
        'Base.1.8.NoValidSession',
        'There is no valid session established.',
        this.#access.challenge(),
      );
    if (method === 'GET') return this.#get(path);
    if (method === 'DELETE') return this.#access.logOut(path);
    if (method === 'PATCH') return this.#patch(request);
    if (method === 'POST' && path === this.#resetTarget()) return this.#reset(request);
    return failure(405, 'Base.1.8.ActionNotSupported', `${method} ${path} is not supported.`);
  }

  #link(path: string): { '@odata.id': string } {
    return link(this.#profile, path);
  }

  #system(): string {
    return `${ROOT}/Systems/${this.#profile.systemID}`;
  }

  #settings(): string {
    return `${this.#system()}/Settings`;
  }

  #resetTarget(): string {
    return `${this.#system()}/Actions/ComputerSystem.Reset`;
  }

  #root(): object {
    return {
      ...this.#link(ROOT),
      '@odata.type': '#ServiceRoot.v1_5_0.ServiceRoot',
      Id: 'RootService',
      RedfishVersion: '1.8.0',
      Systems: this.#link(`${ROOT}/Systems`),
      Managers: this.#link(`${ROOT}/Managers`),
      Chassis: this.#link(`${ROOT}/Chassis`),
      Tasks: this.#link(`${ROOT}/TaskService`),
      SessionService: this.#link(`${ROOT}/SessionService`),
      Links: { Sessions: this.#link(`${ROOT}/SessionService/Sessions`) },
    };
  }

  #get(path: string): RedfishAnswer {
    const system = this.#system();
    const collection = (name: string, members: string[]) =>
      ok({
        ...this.#link(path),
        Name: name,
        'Members@odata.count': members.length,
        Members: members.map((member) => this.#link(member)),
      });
    const task = /^\/redfish\/v1\/TaskService\/Tasks\/(\w+)$/.exec(path)?.[1];
    if (task !== undefined) return this.#task(task);
    switch (path) {
      case `${ROOT}/Systems`:
        return collection('Systems', [...this.#profile.otherSystems.map((id) => `${ROOT}/Systems/${id}`), system]);
      case system:
        return ok(this.#systemBody(), this.#etagHeader());
      case this.#settings():
        return this.#profile.settings
          ? ok({ ...this.#link(path), Id: 'Settings', Boot: this.#boot() }, this.#etagHeader())
          : notFound(path);
      case `${system}/EthernetInterfaces`:
        return collection('NICs', [`${path}/1`, `${path}/2`]);
      case `${system}/EthernetInterfaces/1`:
        return ok({
          ...this.#link(path),
          Id: '1',
          MACAddress: this.#server.hardware.mac,
          IPv4Addresses: [],
          LinkStatus: 'LinkUp',
        });
      case `${system}/EthernetInterfaces/2`:
        return ok({
          ...this.#link(path),
          Id: '2',
          MACAddress: this.#server.hardware.mac.replace(/^02/, '06'),
          IPv4Addresses: [],
          LinkStatus: 'NoLink',
        });
      case `${system}/ResetActionInfo`:
        return ok({ Parameters: [{ Name: 'ResetType', Required: true, AllowableValues: this.#profile.resetTypes }] });
      case `${ROOT}/Managers`:
        return collection('Managers', [`${ROOT}/Managers/1`]);
      case `${ROOT}/Chassis`:
        return collection('Chassis', [`${ROOT}/Chassis/1`]);
      case `${ROOT}/Managers/1`:
      case `${ROOT}/Chassis/1`:
        return ok({ ...this.#link(path), Id: '1', Name: path.split('/').at(-2) });
      case `${ROOT}/SessionService`:
        return ok({ ...this.#link(path), ServiceEnabled: true, Sessions: this.#link(`${path}/Sessions`) });
      case `${ROOT}/TaskService`:
        return ok({ ...this.#link(path), Tasks: this.#link(`${path}/Tasks`) });
      default:
        return notFound(path);
    }
  }

  #systemBody(): object {
    const { hardware, state } = this.#server;
    const { profile } = { profile: this.#profile };
    return {
      ...this.#link(this.#system()),
      '@odata.type': '#ComputerSystem.v1_13_0.ComputerSystem',
      Id: profile.systemID,
      Name: 'System',
      Manufacturer: hardware.manufacturer,
      Model: hardware.model,
      ...this.#identity(),
      BiosVersion: '2.15.0',
      PowerState: this.#faults.take('liesOff') ? 'Off' : state.power,
      ProcessorSummary: { Count: hardware.packages, CoreCount: hardware.packages * hardware.coresPerPackage },
      MemorySummary: { TotalSystemMemoryGiB: hardware.memoryGiB },
      Boot: this.#boot(),
      EthernetInterfaces: this.#link(`${this.#system()}/EthernetInterfaces`),
      ...(profile.settings ? { '@Redfish.Settings': { SettingsObject: this.#link(this.#settings()) } } : {}),
      Actions: {
        '#ComputerSystem.Reset': {
          target: this.#resetTarget(),
          ...(profile.resetTypesIn === 'allowable' ? { 'ResetType@Redfish.AllowableValues': profile.resetTypes } : {}),
          ...(profile.resetTypesIn === 'actionInfo'
            ? { '@Redfish.ActionInfo': `${this.#system()}/ResetActionInfo` }
            : {}),
        },
      },
    };
  }

  #identity(): object {
    const { swappedFor } = this.#faults.current;
    if (swappedFor !== undefined) {
      this.#faults.meet('swappedFor');
      return { SerialNumber: swappedFor };
    }
    const { serial, uuid } = this.#server.hardware;
    return { SerialNumber: serial, ...(uuid === undefined ? {} : { UUID: uuid }) };
  }

  #boot(): object {
    const { override } = this.#server;
    const { bootMode } = this.#profile;
    return {
      BootSourceOverrideTarget: override.target,
      BootSourceOverrideEnabled: override.enabled,
      'BootSourceOverrideTarget@Redfish.AllowableValues': BOOT_TARGETS,
      'BootSourceOverrideEnabled@Redfish.AllowableValues': BOOT_ENABLED,
      ...(bootMode === 'absent'
        ? {}
        : {
            BootSourceOverrideMode: override.mode,
            'BootSourceOverrideMode@Redfish.AllowableValues': BOOT_MODES,
          }),
    };
  }

  #etag(): string {
    const text = JSON.stringify(this.#server.override) + this.#server.state.power;
    const hash = createHash('sha1').update(text).digest('hex').slice(0, 12);
    return this.#profile.etag === 'weak-only' || this.#profile.etag === 'weak-but-strong' ? `W/"${hash}"` : `"${hash}"`;
  }

  #etagHeader(): Record<string, string> {
    return this.#profile.etag === 'none' ? {} : { etag: this.#etag() };
  }

  #patch(request: RedfishRequest): RedfishAnswer {
    const wanted = this.#profile.settings ? this.#settings() : this.#system();
    if (request.path !== wanted) {
      return failure(
        400,
        'Base.1.8.PropertyNotWritable',
        'The boot override of this system is changed on its settings resource.',
      );
    }
    const precondition = this.#checkEtag(request.headers['if-match']);
    if (precondition) return precondition;
    const body = parseBody(request.body);
    if (!body) return failure(400, 'Base.1.8.MalformedJSON', 'The body is no JSON object.');
    const given = body.Boot;
    const boot = typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
    const refused = this.#refuseWhileBusy() ?? refuseBootPatch(this.#profile, boot);
    if (refused) return refused;
    applyBootPatch(this.#server.override, boot);
    return this.#accepted();
  }

  #checkEtag(header: string | string[] | undefined): RedfishAnswer | undefined {
    const { etag } = this.#profile;
    if (etag === 'none' || etag === 'offered') return undefined;
    if (header === undefined) {
      return etag === 'required' ? failure(428, 'Base.1.8.PreconditionRequired', 'If-Match is required.') : undefined;
    }
    const current = this.#etag();
    // Some hand out a weak tag, and take only the strong form of it.
    const taken = etag === 'weak-but-strong' ? current.slice(2) : current;
    if (etag !== 'refuses-all' && (header === '*' || header === taken)) return undefined;
    return failure(412, 'Base.1.8.PreconditionFailed', 'The ETag does not match.');
  }

  #reset(request: RedfishRequest): RedfishAnswer {
    const type = parseBody(request.body)?.ResetType;
    if (typeof type !== 'string' || !this.#profile.resetTypes.includes(type)) {
      return failure(400, 'Base.1.8.ActionParameterNotSupported', `ResetType ${String(type)} is not supported.`);
    }
    const busy = this.#refuseWhileBusy();
    if (busy) return busy;
    const { power } = this.#server.state;
    if ((type === 'On' || type === 'ForceOn') && power !== 'Off') {
      const why = power === 'PoweringOff' ? 'The server is still powering off.' : 'The server is already on.';
      return failure(409, 'Base.1.8.ResourceInUse', why);
    }
    this.#server.reset(type);
    return this.#accepted();
  }

  /** iLO: 400 for a change right after another one, by its MessageId a case for later. */
  #refuseWhileBusy(): RedfishAnswer | undefined {
    if (performance.now() - this.#changedAtMs >= this.#profile.busyAfterChangeMs) return undefined;
    return failure(400, 'iLO.2.14.ResourceNotReadyRetry', 'The resource is not ready. Retry the operation.', {
      'retry-after': '1',
    });
  }

  #accepted(): RedfishAnswer {
    this.#changedAtMs = performance.now();
    if (!this.#profile.tasks) return { status: 204 };
    const id = this.#tasks.start();
    const location = `${ROOT}/TaskService/Tasks/${id}`;
    return { status: 202, headers: { location }, body: { ...this.#link(location), Id: id, TaskState: 'Running' } };
  }

  #task(id: string): RedfishAnswer {
    const state = this.#tasks.stateOf(id);
    return state === undefined ? notFound(`task ${id}`) : ok({ Id: id, TaskState: state, TaskStatus: 'OK' });
  }
}
