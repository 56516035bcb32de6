/** The habits of a maker's BMC, as data. */
export interface Profile {
  readonly name: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly systemID: string;
  readonly auth: 'basic' | 'session' | 'both';
  /** Sessions at once; the next log-in gets 503. */
  readonly sessionSlots: number;
  /**
   * What If-Match on PATCH does. `required`: 428 without it, 412 with another one; `weak-but-strong`: a weak tag is
   * handed out and its strong form wanted; `refuses-all`: 412 whatever it says.
   */
  readonly etag: 'none' | 'offered' | 'required' | 'weak-only' | 'weak-but-strong' | 'refuses-all';
  readonly resetTypes: readonly string[];
  /** Where the reset types are listed. */
  readonly resetTypesIn: 'allowable' | 'actionInfo' | 'nowhere';
  readonly bootMode: 'absent' | 'offered' | 'required' | 'refused';
  /** The boot override is written to a settings resource. */
  readonly settings: boolean;
  /** Answers 202 with a task to changes. */
  readonly tasks: boolean;
  /** A new task is 404 for this long (Dell). */
  readonly taskMissingMs: number;
  /** A change right after another one gets 400 (iLO). */
  readonly busyAfterChangeMs: number;
  readonly trailingSlash: boolean;
  /** Targets that `Disabled` may be sent with. */
  readonly clearWith: readonly string[];
  /** A target must come with every boot PATCH. */
  readonly targetRequired: boolean;
  /** The override `Once` ends with the boot that it was for; some keep it. */
  readonly consumesOnce: boolean;
  /** Other members of Systems beside the server itself. */
  readonly otherSystems: readonly string[];
}

const ALL_RESETS = ['On', 'ForceOff', 'GracefulShutdown', 'ForceRestart', 'PowerCycle'];

const GENERIC: Profile = {
  name: 'generic',
  manufacturer: 'Contoso',
  model: 'Model 1',
  systemID: '1',
  auth: 'both',
  sessionSlots: 16,
  etag: 'offered',
  resetTypes: ALL_RESETS,
  resetTypesIn: 'allowable',
  bootMode: 'offered',
  settings: false,
  tasks: false,
  taskMissingMs: 0,
  busyAfterChangeMs: 0,
  trailingSlash: false,
  clearWith: ['None', 'Pxe', 'Hdd'],
  targetRequired: false,
  consumesOnce: true,
  otherSystems: [],
};

/** Profiles by name. */
export const PROFILES: Readonly<Record<string, Profile>> = {
  generic: GENERIC,
  dell: {
    ...GENERIC,
    name: 'dell',
    manufacturer: 'Dell Inc.',
    model: 'PowerEdge R730',
    systemID: 'System.Embedded.1',
    sessionSlots: 8,
    etag: 'none',
    tasks: true,
    taskMissingMs: 300,
  },
  hpe: {
    ...GENERIC,
    name: 'hpe',
    manufacturer: 'HPE',
    model: 'ProLiant DL360 Gen10',
    trailingSlash: true,
    etag: 'required',
    bootMode: 'refused',
    clearWith: ['Pxe', 'Hdd'],
    busyAfterChangeMs: 250,
    resetTypes: ['On', 'ForceOff', 'GracefulShutdown', 'ForceRestart'],
  },
  supermicro: {
    ...GENERIC,
    name: 'supermicro',
    manufacturer: 'Supermicro',
    model: 'SYS-6019U',
    etag: 'none',
    resetTypesIn: 'actionInfo',
    bootMode: 'required',
  },
  'supermicro-x10': {
    ...GENERIC,
    name: 'supermicro-x10',
    manufacturer: 'Supermicro',
    model: 'X10DRi',
    etag: 'none',
    resetTypesIn: 'nowhere',
    bootMode: 'absent',
  },
  lenovo: {
    ...GENERIC,
    name: 'lenovo',
    manufacturer: 'Lenovo',
    model: 'ThinkSystem SR650',
    settings: true,
    etag: 'required',
  },
  openbmc: {
    ...GENERIC,
    name: 'openbmc',
    manufacturer: 'OpenBMC',
    model: 'Reference',
    systemID: 'system',
    auth: 'session',
    etag: 'weak-only',
    resetTypes: ['On', 'ForceOn', 'ForceOff', 'GracefulShutdown', 'PowerCycle'],
  },
  strict: { ...GENERIC, name: 'strict', clearWith: ['None'], targetRequired: true },
  'weak-etag': { ...GENERIC, name: 'weak-etag', etag: 'weak-but-strong' },
  'no-if-match': { ...GENERIC, name: 'no-if-match', etag: 'refuses-all' },
  'keeps-once': { ...GENERIC, name: 'keeps-once', consumesOnce: false },
  'several-systems': { ...GENERIC, name: 'several-systems', otherSystems: ['HGX_Baseboard_0'] },
};

const MIX = [
  'generic',
  'dell',
  'hpe',
  'supermicro',
  'lenovo',
  'openbmc',
  'supermicro-x10',
  'strict',
  'weak-etag',
  'no-if-match',
];

/**
 * The profile of the n-th host, from 1, out of a list such as `mixed,openbmc` that is dealt out; `mixed` is ten of
 * them. Throws for an unknown name.
 */
export function profileOf(names: string, index: number): Profile {
  const dealt = names.split(',').flatMap((name) => (name === 'mixed' ? MIX : [name]));
  for (const name of dealt) {
    if (!Object.hasOwn(PROFILES, name))
      throw new Error(`there is no profile "${name}"; profiles are mixed, ${Object.keys(PROFILES).join(', ')}`);
  }
  return PROFILES[dealt[(index - 1) % dealt.length] ?? 'generic'] ?? GENERIC;
}
