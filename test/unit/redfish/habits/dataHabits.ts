import { MACS, SYSTEM, TREE, type Json } from './model.ts';
import { error, refusesAll, strip, type Habit, type RawBmc } from './rawBmc.ts';

const NICS = `${SYSTEM}/EthernetInterfaces`;
const ofSystem =
  (change: (system: Json, bmc: RawBmc) => unknown): NonNullable<Habit['show']> =>
  (resource, path, bmc) =>
    path === SYSTEM ? change(resource, bmc) : resource;
const ofList =
  (change: (list: Json) => unknown): NonNullable<Habit['show']> =>
  (resource, path) =>
    path === '/redfish/v1/Systems' ? change(resource) : resource;
const reset = (system: Json, action: Json): Json => ({ ...system, Actions: { '#ComputerSystem.Reset': action } });
const action = (system: Json): Json => (system['Actions'] as Record<string, Json>)['#ComputerSystem.Reset'] ?? {};
const text = (system: Json, change: (json: string) => string): string => change(JSON.stringify(system));

/** What stands in the resources. */
export const DATA_HABITS: readonly Habit[] = [
  {
    name: 'absolute-links',
    of: 'Supermicro, Huawei',
    show: (resource, _path, { address }) =>
      JSON.parse(JSON.stringify(resource).replaceAll('"/redfish/', `"${address}/redfish/`)) as unknown,
  },
  {
    name: 'links-with-a-slash',
    of: 'iLO, HPE',
    show: (resource) => JSON.parse(JSON.stringify(resource).replace(/("@odata.id":"[^"]*[^/"])"/g, '$1/"')) as unknown,
  },
  {
    name: 'only-with-a-slash',
    of: 'iLO 4: 308 to the slash, else',
    answer: ({ path, method }) =>
      path.endsWith('/') || method !== 'GET' ? undefined : { status: 308, headers: [['Location', `${path}/`]] },
  },
  {
    name: 'only-without-a-slash',
    of: 'Supermicro: 301 from the slash',
    answer: ({ path }) =>
      path.endsWith('/') ? { status: 301, headers: [['Location', path.replace(/\/+$/, '')]] } : undefined,
  },
  {
    name: 'slash-is-404',
    of: 'AMI MegaRAC',
    answer: ({ path }) => (path.endsWith('/') ? error(404, 'Base.1.0.GeneralError', 'no such page') : undefined),
  },
  {
    name: 'redirect-to-another-name',
    of: 'iDRAC behind NAT',
    answer: ({ path, method }) =>
      path === '/redfish/v1/Systems' && method === 'GET'
        ? { status: 301, headers: [['Location', 'http://bmc-internal.example/redfish/v1/Systems/']] }
        : undefined,
    refuses: refusesAll(/another address/),
  },
  { name: 'members-as-texts', of: 'early Redfish', show: ofList((list) => ({ ...list, Members: [SYSTEM] })) },
  {
    name: 'members-with-holes',
    of: 'Lenovo',
    show: ofList((list) => ({ ...list, Members: [null, {}, ...(list['Members'] as unknown[])] })),
  },
  {
    name: 'members-without-count',
    of: 'early Redfish',
    show: ofList((list) => ({ ...list, 'Members@odata.count': undefined })),
  },
  {
    name: 'members-expanded',
    of: 'iLO 5',
    answer: (ask, bmc) =>
      ask.method === 'GET' && strip(ask.path) === '/redfish/v1/Systems' && bmc.isAuthorized(ask.headers)
        ? {
            status: 200,
            body: { ...TREE['/redfish/v1/Systems'], Members: [bmc.byTheBook({ ...ask, path: SYSTEM }).body] },
          }
        : undefined,
  },
  {
    name: 'member-as-an-object',
    of: 'early Supermicro: one member, no list',
    refuses: refusesAll(/lists no system/),
    show: ofList((list) => ({ ...list, Members: (list['Members'] as unknown[])[0] })),
  },
  {
    name: 'links-of-redfish-0.9',
    of: 'HP Moonshot, iLO 4 1.x: href and links.Member',
    refuses: refusesAll(/lists no system/),
    show: ofList((list) => ({ ...list, Members: undefined, links: { Member: [{ href: SYSTEM }] } })),
  },
  {
    name: 'no-systems-link',
    of: 'AMI while it starts; chassis managers',
    refuses: refusesAll(/has no Systems: is this the address of a server's BMC/),
    show: (resource, path) => (path === '/redfish/v1' ? { ...resource, Systems: undefined } : resource),
  },
  {
    name: 'other-spelling-of-paths',
    of: 'links in lower case',
    show: (resource, path) =>
      path === '/redfish/v1' ? { ...resource, Systems: { '@odata.id': '/redfish/v1/systems' } } : resource,
    answer: (ask, bmc) =>
      ask.path.startsWith('/redfish/v1/systems') ? bmc.byTheBook({ ...ask, path: '/redfish/v1/Systems' }) : undefined,
  },
  {
    name: 'nulls',
    of: 'AMI: each unset field is null',
    show: ofSystem((system) => ({
      ...system,
      SKU: null,
      HostName: null,
      BiosVersion: null,
      AssetTag: null,
      MemorySummary: null,
      ProcessorSummary: null,
      IndicatorLED: null,
      BootProgress: null,
      Oem: null,
    })),
  },
  {
    name: 'numbers-as-texts',
    of: 'Huawei, Inspur',
    show: ofSystem((system) => ({
      ...system,
      MemorySummary: { TotalSystemMemoryGiB: '384' },
      ProcessorSummary: { Count: '2', Model: 7 },
    })),
  },
  {
    name: 'texts-as-numbers',
    of: 'Inspur: Id and SKU',
    show: ofSystem((system) => ({ ...system, Id: 1, SKU: 4711, AssetTag: 7, PartNumber: 7 })),
  },
  {
    name: 'power-state-in-lower-case',
    of: 'H3C',
    show: ofSystem((system) => ({ ...system, PowerState: String(system['PowerState']).toLowerCase() })),
  },
  {
    name: 'power-state-null-once',
    of: 'AMI, just after a change',
    show: ofSystem((system, bmc) =>
      bmc.count('null') % 2 === 0 && bmc.power === 'On' ? { ...system, PowerState: null } : system,
    ),
  },
  {
    name: 'status-as-a-text',
    of: 'xFusion',
    show: ofSystem((system) => ({ ...system, Status: 'OK' })),
  },
  {
    name: 'no-odata-id',
    of: 'early Redfish',
    show: (resource) => ({ ...resource, '@odata.id': undefined, '@odata.type': undefined }),
  },
  { name: 'byte-order-mark', of: 'Inspur', show: ofSystem((system) => `\ufeff${JSON.stringify(system)}`) },
  {
    name: 'latin-1',
    of: 'translated firmware',
    show: ofSystem((system) => Buffer.from(JSON.stringify({ ...system, AssetTag: 'M\u00fcller' }), 'latin1')),
  },
  {
    name: 'not-a-number',
    of: 'sensors without a value',
    show: ofSystem((system) => text(system, (json) => json.replace('"Acme"', 'NaN'))),
  },
  {
    name: 'comma-at-the-end',
    of: 'hand-written JSON',
    show: ofSystem((system) => text(system, (json) => json.replace(/\}$/, ',}'))),
  },
  {
    name: 'tab-in-a-text',
    of: 'SMBIOS strings',
    show: ofSystem((system) => text(system, (json) => json.replace('"Acme"', '"Ac\tme"'))),
  },
  {
    name: 'broken-escape',
    of: 'SMBIOS strings: \\x',
    show: ofSystem((system) => text(system, (json) => json.replace('"Acme"', '"Ac\\xme"'))),
  },
  { name: 'zero-byte-at-the-end', of: 'C strings', show: (resource) => text(resource, (json) => `${json}\0`) },
  {
    name: 'garbage-at-the-end',
    of: 'a buffer that is used again',
    show: ofSystem((system) => text(system, (json) => `${json}"}]}`)),
  },
  {
    name: 'double-field',
    of: 'hand-written JSON',
    show: ofSystem((system) => text(system, (json) => `{"PowerState":"Unknown",${json.slice(1)}`)),
  },
  {
    name: 'system-in-a-list',
    of: 'a wrong type',
    refuses: refusesAll(/not with a JSON object: is this a Redfish service/),
    show: ofSystem((system) => [system]),
  },
  {
    name: 'html-once',
    of: 'OpenBMC while it starts',
    answer: ({ path }, bmc) =>
      strip(path) === SYSTEM && bmc.count('html') === 0 ? { status: 500, body: '<html>starting</html>' } : undefined,
  },
  {
    name: 'html-with-200-once',
    of: 'AMI while it starts',
    answer: ({ path }, bmc) =>
      strip(path) === SYSTEM && bmc.count('html') === 0 ? { status: 200, body: '<html>starting</html>' } : undefined,
  },
  {
    name: '503-once',
    of: 'all',
    answer: ({ path }, bmc) =>
      strip(path) === SYSTEM && bmc.count('503') === 0
        ? { ...error(503, 'Base.1.8.ServiceTemporarilyUnavailable', 'later'), headers: [['Retry-After', '1']] }
        : undefined,
  },
  {
    name: 'reset-once',
    of: 'all',
    answer: ({ path, method }, bmc) =>
      method === 'GET' && strip(path) === SYSTEM && bmc.count('reset') === 0 ? 'reset' : undefined,
  },
  {
    name: 'empty-once',
    of: 'XCC',
    answer: ({ path, method }, bmc) =>
      method === 'GET' && strip(path) === SYSTEM && bmc.count('empty') === 0 ? { status: 200 } : undefined,
  },
  {
    name: 'several-systems',
    of: 'NVIDIA HGX: the operator names one',
    options: { systemID: '1' },
    show: ofList((list) => ({
      ...list,
      Members: [{ '@odata.id': '/redfish/v1/Systems/HGX_Baseboard_0' }, ...(list['Members'] as unknown[])],
    })),
  },
  {
    name: 'several-systems-none-named',
    of: 'NVIDIA HGX, Dell C6400',
    show: ofList((list) => ({
      ...list,
      Members: [{ '@odata.id': '/redfish/v1/Systems/HGX_Baseboard_0' }, ...(list['Members'] as unknown[])],
    })),
    refuses: refusesAll(/several systems/),
  },
  {
    name: 'no-action-target',
    of: 'early Redfish',
    show: ofSystem((system) => reset(system, { ...action(system), target: undefined })),
  },
  {
    name: 'no-actions',
    of: 'accounts that may only read, and old Huawei',
    show: ofSystem((system) => ({ ...system, Actions: undefined })),
  },
  {
    name: 'no-allowable-values',
    of: 'old iLO 4',
    show: ofSystem((system) => reset(system, { target: action(system)['target'] })),
  },
  {
    name: 'empty-allowable-values',
    of: 'NVIDIA',
    show: ofSystem((system) =>
      reset(system, { target: action(system)['target'], 'ResetType@Redfish.AllowableValues': [] }),
    ),
  },
  {
    name: 'allowable-values-as-a-text',
    of: 'a wrong type',
    show: ofSystem((system) =>
      reset(system, { target: action(system)['target'], 'ResetType@Redfish.AllowableValues': 'On' }),
    ),
  },
  {
    name: 'action-info',
    of: 'OpenBMC, newer Supermicro',
    show: ofSystem((system) =>
      reset(system, { target: action(system)['target'], '@Redfish.ActionInfo': `${SYSTEM}/ResetActionInfo` }),
    ),
    answer: ({ path, headers }, bmc) =>
      path === `${SYSTEM}/ResetActionInfo` && bmc.isAuthorized(headers)
        ? {
            status: 200,
            body: {
              '@odata.id': `${SYSTEM}/ResetActionInfo`,
              Id: 'ResetActionInfo',
              Name: 'i',
              Parameters: [
                { Name: 'ResetType', Required: true, DataType: 'String', AllowableValues: ['On', 'ForceOff'] },
              ],
            },
          }
        : undefined,
  },
  {
    name: 'nics-expanded',
    of: 'iLO 5',
    answer: (ask, bmc) =>
      ask.method === 'GET' && strip(ask.path) === NICS && bmc.isAuthorized(ask.headers)
        ? { status: 200, body: { ...TREE[NICS], Members: [TREE[`${NICS}/1`], TREE[`${NICS}/2`]] } }
        : undefined,
  },
  {
    name: 'mac-without-colons',
    of: 'Supermicro, iLO',
    show: (resource, path) =>
      path.startsWith(`${NICS}/`)
        ? { ...resource, MACAddress: String(resource['MACAddress']).replaceAll(':', '').toUpperCase() }
        : resource,
  },
  {
    name: 'one-nic-is-404',
    of: 'Lenovo: listed and not there',
    answer: ({ path }) =>
      strip(path) === `${NICS}/3` ? error(404, 'Base.1.8.ResourceMissingAtURI', 'gone') : undefined,
    show: (resource, path) =>
      path === NICS
        ? { ...resource, Members: [...(resource['Members'] as unknown[]), { '@odata.id': `${NICS}/3` }] }
        : resource,
  },
  {
    name: 'one-nic-is-401',
    of: 'ironic-image 688',
    show: (resource, path) =>
      path === NICS
        ? { ...resource, Members: [...(resource['Members'] as unknown[]), { '@odata.id': `${NICS}/3` }] }
        : resource,
    answer: ({ path }) =>
      strip(path) === `${NICS}/3` ? error(401, 'Base.1.8.InsufficientPrivilege', 'no') : undefined,
  },
  {
    name: 'nics-of-the-adapters',
    of: 'Dell C-series, NVIDIA: no EthernetInterfaces',
    show: ofSystem((system) => ({
      ...system,
      EthernetInterfaces: undefined,
      NetworkInterfaces: { '@odata.id': `${SYSTEM}/NetworkInterfaces` },
    })),
    answer: ({ path, headers }, bmc) =>
      bmc.isAuthorized(headers) && ADAPTERS[strip(path)] ? { status: 200, body: ADAPTERS[strip(path)] } : undefined,
  },
];

const NET = `${SYSTEM}/NetworkInterfaces`;
const ADAPTERS: Readonly<Record<string, Json>> = {
  [NET]: { '@odata.id': NET, Name: 'n', 'Members@odata.count': 1, Members: [{ '@odata.id': `${NET}/A` }] },
  [`${NET}/A`]: { '@odata.id': `${NET}/A`, Id: 'A', Name: 'A', NetworkPorts: { '@odata.id': `${NET}/A/NetworkPorts` } },
  [`${NET}/A/NetworkPorts`]: {
    '@odata.id': `${NET}/A/NetworkPorts`,
    Name: 'p',
    'Members@odata.count': 2,
    Members: [{ '@odata.id': `${NET}/A/NetworkPorts/1` }, { '@odata.id': `${NET}/A/NetworkPorts/2` }],
  },
  [`${NET}/A/NetworkPorts/1`]: {
    '@odata.id': `${NET}/A/NetworkPorts/1`,
    Id: '1',
    Name: '1',
    AssociatedNetworkAddresses: [MACS[0]],
  },
  [`${NET}/A/NetworkPorts/2`]: {
    '@odata.id': `${NET}/A/NetworkPorts/2`,
    Id: '2',
    Name: '2',
    AssociatedNetworkAddresses: [MACS[1]],
  },
};
