import { SYSTEM, type Json } from './model.ts';
import { error, RESET, strip, type Ask, type Habit, type RawBmc, type Say } from './rawBmc.ts';

type Answer = NonNullable<Habit['answer']>;
const onPatch =
  (answer: (ask: Ask, bmc: RawBmc) => Say | 'reset' | undefined): Answer =>
  (ask, bmc) =>
    ask.method === 'PATCH' && strip(ask.path) === SYSTEM && bmc.isAuthorized(ask.headers)
      ? answer(ask, bmc)
      : undefined;
const onReset =
  (answer: (ask: Ask, bmc: RawBmc) => Say | 'reset' | undefined): Answer =>
  (ask, bmc) =>
    ask.method === 'POST' && strip(ask.path) === RESET && bmc.isAuthorized(ask.headers) ? answer(ask, bmc) : undefined;
const boot = ({ body }: Ask): Json => (body['Boot'] ?? {}) as Json;
const kind = ({ body }: Ask): string => String(body['ResetType']);
const TASK = '/redfish/v1/TaskService/Tasks/7';
const showing =
  (change: (system: Json, bmc: RawBmc) => Json): NonNullable<Habit['show']> =>
  (resource, path, bmc) =>
    path === SYSTEM ? change(resource, bmc) : resource;
const bootOf = (system: Json): Json => system['Boot'] as Json;
const withBoot = (system: Json, more: Json): Json => ({ ...system, Boot: { ...bootOf(system), ...more } });
const etag =
  (value: string): NonNullable<Habit['wire']> =>
  (wire, { status }, { method, path }) =>
    method === 'GET' && status === 200 && strip(path) === SYSTEM
      ? { ...wire, headers: [...wire.headers, ['ETag', value]] }
      : wire;
const SETTINGS = `${SYSTEM}/Settings`;
const SD = `${SYSTEM}/SD`;
/** A second resource that holds the override. */
const future =
  (path: string): Answer =>
  (ask, bmc) => {
    if (strip(ask.path) !== path || !bmc.isAuthorized(ask.headers)) return undefined;
    if (ask.method === 'PATCH') return bmc.setBoot(ask);
    return { status: 200, body: { '@odata.id': path, Id: 'SD', Name: 'Future', Boot: { ...bmc.boot } } };
  };
const both =
  (...answers: Answer[]): Answer =>
  (ask, bmc) =>
    answers.map((answer) => answer(ask, bmc)).find((said) => said !== undefined);
const types = (...values: string[]): NonNullable<Habit['show']> =>
  showing((system) => ({
    ...system,
    Actions: { '#ComputerSystem.Reset': { target: RESET, 'ResetType@Redfish.AllowableValues': values } },
  }));
const accepted = (ask: Ask, bmc: RawBmc, location: string | undefined, body?: unknown): Say => {
  bmc.reset(ask);
  return { status: 202, headers: location === undefined ? [] : [['Location', location]], body };
};

/** What changes are answered with. */
export const CHANGE_HABITS: readonly Habit[] = [
  {
    name: 'etag-wanted',
    of: 'Dell, HPE, Lenovo',
    wire: etag('"1"'),
    answer: onPatch(({ headers }) =>
      headers['if-match'] === '"1"' ? undefined : error(412, 'Base.1.8.PreconditionFailed', 'no'),
    ),
  },
  {
    name: 'etag-missing-is-428',
    of: 'OpenBMC, Huawei',
    wire: etag('"1"'),
    answer: onPatch(({ headers }) =>
      headers['if-match'] === undefined ? error(428, 'Base.1.8.PreconditionRequired', 'no') : undefined,
    ),
  },
  {
    name: 'any-etag-428',
    of: 'Huawei, which shows no ETag',
    answer: onPatch(({ headers }) =>
      headers['if-match'] === undefined ? error(428, 'Base.1.8.PreconditionRequired', 'no') : undefined,
    ),
  },
  {
    name: 'weak-etag-wanted',
    of: 'XCC',
    wire: etag('W/"1"'),
    answer: onPatch(({ headers }) =>
      headers['if-match'] === 'W/"1"' ? undefined : error(412, 'Base.1.8.PreconditionFailed', 'no'),
    ),
  },
  {
    name: 'weak-etag-strong-wanted',
    of: 'Supermicro: gives W/, wants it without',
    wire: etag('W/"1"'),
    answer: onPatch(({ headers }) =>
      headers['if-match'] === '"1"' ? undefined : error(412, 'Base.1.8.PreconditionFailed', 'no'),
    ),
  },
  {
    name: 'etag-never-fits',
    of: 'H3C: 412 to every If-Match',
    wire: etag('"1"'),
    answer: onPatch(({ headers }) =>
      headers['if-match'] === undefined ? undefined : error(412, 'Base.1.8.PreconditionFailed', 'no'),
    ),
  },
  {
    name: 'etag-in-the-body',
    of: 'OpenBMC',
    show: showing((system) => ({ ...system, '@odata.etag': '"b"' })),
    answer: onPatch(({ headers }) =>
      headers['if-match'] === '"b"' ? undefined : error(412, 'Base.1.8.PreconditionFailed', 'no'),
    ),
  },
  {
    name: 'etag-without-quotes',
    of: 'AMI',
    wire: etag('1638'),
    answer: onPatch(({ headers }) =>
      headers['if-match'] === '1638' ? undefined : error(412, 'Base.1.8.PreconditionFailed', 'no'),
    ),
  },
  {
    name: 'if-match-at-an-action-is-412',
    of: 'iDRAC',
    wire: etag('"1"'),
    answer: onReset(({ headers }) =>
      headers['if-match'] === undefined ? undefined : error(412, 'Base.1.8.PreconditionFailed', 'no'),
    ),
  },
  {
    name: 'content-type-exact',
    of: '415 to a charset',
    answer: onPatch(({ headers }) =>
      headers['content-type'] === 'application/json' ? undefined : error(415, 'Base.1.8.HeaderInvalid', 'no'),
    ),
  },
  { name: 'patch-200-empty', of: 'Supermicro', answer: onPatch((ask, bmc) => ({ ...bmc.setBoot(ask), status: 200 })) },
  {
    name: 'patch-200-with-the-system',
    of: 'iLO',
    answer: onPatch(
      (ask, bmc) => (bmc.setBoot(ask), { status: 200, body: error(200, 'Base.1.8.Success', 'done').body }),
    ),
  },
  {
    name: 'patch-202-task',
    of: 'iDRAC',
    answer: onPatch((ask, bmc) => ({ ...bmc.setBoot(ask), status: 202, headers: [['Location', TASK]] })),
  },
  {
    name: 'one-property-at-a-time',
    of: 'old Inspur: 400 to target and enabled together',
    refuses: { pxe: /refused with 400: "one property only"/ },
    answer: onPatch((ask, bmc) =>
      Object.keys(boot(ask)).length > 1 ? error(400, 'Base.1.0.GeneralError', 'one property only') : bmc.setBoot(ask),
    ),
  },
  {
    name: 'mode-wanted',
    of: 'newer Supermicro',
    show: showing((system) => withBoot(system, { BootSourceOverrideMode: 'UEFI' })),
    answer: onPatch((ask) =>
      boot(ask)['BootSourceOverrideMode'] === undefined
        ? error(400, 'Base.1.10.PropertyMissing', 'The property BootSourceOverrideMode is required', {
            MessageArgs: ['BootSourceOverrideMode'],
          })
        : undefined,
    ),
  },
  {
    name: 'mode-refused',
    of: 'some HPE (metal-operator 606): 400 that does not name it',
    show: showing((system) => withBoot(system, { BootSourceOverrideMode: 'Legacy' })),
    answer: onPatch((ask) =>
      boot(ask)['BootSourceOverrideMode'] === undefined ? undefined : error(400, 'iLO.2.15.UnsupportedOperation', 'no'),
    ),
  },
  {
    name: 'settings-resource',
    of: 'AMI, Lenovo: the system refuses',
    show: showing((system) => ({ ...system, '@Redfish.Settings': { SettingsObject: { '@odata.id': SETTINGS } } })),
    answer: both(
      future(SETTINGS),
      onPatch(() => error(405, 'Base.1.8.OperationNotAllowed', 'no')),
    ),
  },
  {
    name: 'sd-resource',
    of: 'ASRock Rack, AMI (omni PR 68)',
    answer: both(
      future(SD),
      onPatch(() =>
        error(
          400,
          'Base.1.5.PropertyNotWritable',
          'The property is not writable at the current state; use the Future State resource',
        ),
      ),
    ),
  },
  {
    name: 'continuous-alone',
    of: 'sushy-tools, old firmware',
    answer: onPatch(
      (ask, bmc) => (
        bmc.setBoot(ask),
        Object.assign(
          bmc.boot,
          boot(ask)['BootSourceOverrideEnabled'] === 'Once' ? { BootSourceOverrideEnabled: 'Continuous' } : {},
        ),
        { status: 204 }
      ),
    ),
  },
  {
    name: 'override-shows-late',
    of: 'iLO, XCC',
    show: showing((system, bmc) =>
      bmc.boot['BootSourceOverrideTarget'] === 'Pxe' && bmc.count('late') < 1
        ? withBoot(system, { BootSourceOverrideEnabled: 'Disabled', BootSourceOverrideTarget: 'None' })
        : system,
    ),
  },
  {
    name: 'busy-in-post',
    of: 'iLO',
    answer: onPatch((_ask, bmc) =>
      bmc.count('busy') === 0 ? error(400, 'iLO.2.13.UnableToModifyDuringSystemPOST', 'later') : undefined,
    ),
  },
  {
    name: 'targets-not-listed',
    of: 'OpenBMC',
    show: showing((system) => ({
      ...system,
      Boot: { ...bootOf(system), 'BootSourceOverrideTarget@Redfish.AllowableValues': undefined },
    })),
  },
  {
    name: 'reset-200-message',
    of: 'iLO',
    answer: onReset((ask, bmc) => (bmc.reset(ask), error(200, 'Base.1.8.Success', 'Successfully Completed Request'))),
  },
  { name: 'reset-200-empty', of: 'Supermicro', answer: onReset((ask, bmc) => ({ ...bmc.reset(ask), status: 200 })) },
  {
    name: 'reset-200-html',
    of: 'CGI scripts',
    answer: onReset((ask, bmc) => (bmc.reset(ask), { status: 200, body: '<html>ok</html>' })),
  },
  { name: 'reset-202-without-location', of: 'Huawei', answer: onReset((ask, bmc) => accepted(ask, bmc, undefined)) },
  { name: 'reset-202-task', of: 'Dell, Supermicro', answer: onReset((ask, bmc) => accepted(ask, bmc, TASK)) },
  {
    name: 'reset-202-task-at-another-name',
    of: 'NAT',
    answer: onReset((ask, bmc) => accepted(ask, bmc, `https://bmc-internal.example${TASK}`)),
  },
  {
    name: 'reset-202-task-in-the-body',
    of: 'Lenovo',
    answer: onReset((ask, bmc) => accepted(ask, bmc, undefined, { '@odata.id': TASK, Id: '7', TaskState: 'Running' })),
  },
  {
    name: 'task-is-404-at-first',
    of: 'Dell',
    answer: both(
      onReset((ask, bmc) => accepted(ask, bmc, TASK)),
      ({ path }, bmc) =>
        strip(path) === TASK && bmc.count('task') === 0
          ? error(404, 'Base.1.8.ResourceMissingAtURI', 'not yet')
          : undefined,
    ),
  },
  {
    name: 'reset-201',
    of: 'a job that is created',
    answer: onReset((ask, bmc) => ({ ...accepted(ask, bmc, TASK), status: 201 })),
  },
  {
    name: 'reset-303',
    of: 'see other',
    answer: onReset((ask, bmc) => ({ ...accepted(ask, bmc, SYSTEM), status: 303 })),
  },
  {
    name: 'reset-done-and-cut',
    of: 'all: the answer is lost',
    answer: onReset((ask, bmc) => (bmc.reset(ask), 'reset')),
  },
  {
    name: 'reset-500-and-done',
    of: 'Supermicro',
    answer: onReset((ask, bmc) => (bmc.reset(ask), error(500, 'Base.1.8.InternalError', 'oops'))),
  },
  {
    name: 'reset-503-once',
    of: 'all',
    answer: onReset((_ask, bmc) =>
      bmc.count('503') === 0
        ? { ...error(503, 'Base.1.8.ServiceTemporarilyUnavailable', 'later'), headers: [['Retry-After', '1']] }
        : undefined,
    ),
  },
  {
    name: 'reset-409-once',
    of: 'iDRAC: a job runs',
    answer: onReset((_ask, bmc) =>
      bmc.count('409') === 0 ? error(409, 'Base.1.8.ResourceInUse', 'in use') : undefined,
    ),
  },
  {
    name: 'reset-redirected',
    of: '308 to its slash',
    answer: onReset(({ path }) =>
      path.endsWith('/') ? undefined : { status: 308, headers: [['Location', `${RESET}/`]] },
    ),
  },
  {
    name: 'off-listed-and-refused',
    of: 'a ForceOff that needs a license',
    answer: onReset((ask) =>
      kind(ask) === 'ForceOff' ? error(400, 'Base.1.8.ActionParameterNotSupported', 'no') : undefined,
    ),
  },
  {
    name: 'only-graceful',
    of: 'some blades',
    show: types('On', 'GracefulShutdown'),
    answer: onReset((ask) =>
      ['On', 'GracefulShutdown'].includes(kind(ask))
        ? undefined
        : error(400, 'Base.1.8.ActionParameterNotSupported', 'no'),
    ),
  },
  {
    name: 'only-force-on',
    of: 'XCC',
    show: types('ForceOn', 'ForceOff'),
    answer: onReset((ask) =>
      ['ForceOn', 'ForceOff'].includes(kind(ask))
        ? undefined
        : error(400, 'Base.1.8.ActionParameterNotSupported', 'no'),
    ),
  },
  {
    name: 'push-power-button-alone',
    of: 'old Supermicro, Cisco',
    show: types('PushPowerButton', 'ForceOff'),
    answer: onReset((ask, bmc) => {
      if (kind(ask) === 'PushPowerButton') bmc.power = bmc.power === 'On' ? 'Off' : 'On';
      return kind(ask) === 'PushPowerButton'
        ? { status: 204 }
        : kind(ask) === 'ForceOff'
          ? undefined
          : error(400, 'Base.1.8.ActionParameterNotSupported', 'no');
    }),
    refuses: { on: /offers no On or ForceOn, only PushPowerButton/ },
  },
];
