import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { New } from '../crds/object.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { Secret } from '../kube/resource.ts';
import type { SimulatedHost } from './simulator.ts';

export const NAMESPACE = 'default';
const SECRET_NAME = 'bench-bmc';

/** The Secret that all hosts of the fleet share. */
export function bmcSecret(username: string, password: string): New<Secret> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    metadata: { name: SECRET_NAME, namespace: NAMESPACE },
    type: 'Opaque',
    data: { username: base64(username), password: base64(password) },
  };
}

/** The PhysicalHost of a simulated server, with the same name. */
export function hostObject(server: SimulatedHost): New<PhysicalHost> {
  return {
    metadata: { name: server.name, namespace: NAMESPACE },
    spec: {
      redfishConnection: { address: server.address, credentialsSecretRef: SECRET_NAME },
      bootMACAddress: server.mac,
    },
  };
}

/** A machine that every simulated server fits, and whose hardware is checked. */
export function machineObject(number: number): New<Beskar7Machine> {
  return {
    metadata: { name: `bench-${String(number).padStart(4, '0')}`, namespace: NAMESPACE },
    spec: {
      targetOSImage: 'http://127.0.0.1:9/images/bench-os.img',
      hardwareRequirements: { minCPUCores: 4, minMemoryGB: 16, minDiskGB: 100 },
    },
  };
}
