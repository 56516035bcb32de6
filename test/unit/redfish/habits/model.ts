export type Json = Record<string, unknown>;

export const SYSTEM = '/redfish/v1/Systems/1';
export const UUID = '4c4c4544-0051-3610-8052-b4c04f4d3132';
export const SERIAL = 'SN-1';
export const MACS = ['00:25:90:9a:1b:2c', '00:25:90:9a:1b:2d'];

const link = (path: string): Json => ({ '@odata.id': path });
const collection = (path: string, members: readonly string[]): Json => ({
  ...link(path),
  '@odata.type': '#Collection.Collection',
  Name: 'Collection',
  'Members@odata.count': members.length,
  Members: members.map(link),
});
const nic = (id: string, mac: string | undefined): Json => ({
  ...link(`${SYSTEM}/EthernetInterfaces/${id}`),
  '@odata.type': '#EthernetInterface.v1_8_0.EthernetInterface',
  Id: id,
  Name: `NIC ${id}`,
  MACAddress: mac,
  Status: { State: 'Enabled', Health: 'OK' },
});

/** The resources that never change, by path. */
export const TREE: Readonly<Record<string, Json>> = {
  '/redfish': { v1: '/redfish/v1/' },
  '/redfish/v1': {
    ...link('/redfish/v1/'),
    '@odata.type': '#ServiceRoot.v1_9_0.ServiceRoot',
    Id: 'RootService',
    Name: 'Root',
    RedfishVersion: '1.11.0',
    UUID: '92384634-2938-2342-8820-489239905423',
    Systems: link('/redfish/v1/Systems'),
    Chassis: link('/redfish/v1/Chassis'),
    SessionService: link('/redfish/v1/SessionService'),
    Links: { Sessions: link('/redfish/v1/SessionService/Sessions') },
  },
  '/redfish/v1/SessionService': {
    ...link('/redfish/v1/SessionService'),
    Id: 'SessionService',
    Name: 'Sessions',
    ServiceEnabled: true,
    SessionTimeout: 600,
    Sessions: link('/redfish/v1/SessionService/Sessions'),
  },
  '/redfish/v1/Systems': collection('/redfish/v1/Systems', [SYSTEM]),
  '/redfish/v1/Chassis': collection('/redfish/v1/Chassis', []),
  [`${SYSTEM}/EthernetInterfaces`]: collection(`${SYSTEM}/EthernetInterfaces`, [
    `${SYSTEM}/EthernetInterfaces/1`,
    `${SYSTEM}/EthernetInterfaces/2`,
  ]),
  [`${SYSTEM}/EthernetInterfaces/1`]: nic('1', MACS[0]),
  [`${SYSTEM}/EthernetInterfaces/2`]: nic('2', MACS[1]),
  '/redfish/v1/TaskService/Tasks/7': {
    ...link('/redfish/v1/TaskService/Tasks/7'),
    Id: '7',
    Name: 'Task',
    TaskState: 'Completed',
    TaskStatus: 'OK',
  },
};

/** The system as it is now. */
export function systemOf({ power, boot }: { readonly power: string; readonly boot: Json }): Json {
  return {
    ...link(SYSTEM),
    '@odata.type': '#ComputerSystem.v1_13_0.ComputerSystem',
    Id: '1',
    Name: 'System',
    SystemType: 'Physical',
    Manufacturer: 'Acme',
    Model: 'Anvil 9000',
    SerialNumber: SERIAL,
    UUID,
    PowerState: power,
    Status: { State: 'Enabled', Health: 'OK' },
    Links: { Chassis: [], ManagedBy: [] },
    EthernetInterfaces: link(`${SYSTEM}/EthernetInterfaces`),
    Boot: {
      ...boot,
      'BootSourceOverrideTarget@Redfish.AllowableValues': ['None', 'Pxe', 'Hdd', 'UefiHttp'],
    },
    Actions: {
      '#ComputerSystem.Reset': {
        target: `${SYSTEM}/Actions/ComputerSystem.Reset`,
        'ResetType@Redfish.AllowableValues': ['On', 'ForceOff', 'GracefulShutdown', 'ForceRestart'],
      },
    },
  };
}
