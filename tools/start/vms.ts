import { stringify } from 'yaml';
import { missingForVms } from '../../simulator/vm/command.ts';
import type { VmImages } from '../vm/images.ts';
import { macOf } from './fleetObjects.ts';
import { WrongUsage } from './options.ts';

/** This machine, as QEMU's user network shows it to virtual machines: its loopback. */
export const VM_GATEWAY = '10.0.2.2';

const API_VERSION = 'infrastructure.cluster.x-k8s.io/v1beta1';
const SECRET = 'bmc-credentials';

/** Throws WrongUsage with what to install. */
export function requireVms(firmware: 'bios' | 'uefi'): void {
  const missing = missingForVms(firmware);
  if (missing.length > 0) throw new WrongUsage(`beskar7: virtual machines need ${missing.join(' and ')}`);
}

/**
 * What `npm run demo:vm` applies: for each virtual machine a host, and a machine that wants the target OS of
 * inspector/target-os.
 */
export function vmObjects(count: number, basePort: number, imagesUrl: string, images: VmImages): string {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const named = (name: string) => ({ name, namespace: 'default' });
  const two = (index: number) => String(index).padStart(2, '0');
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: named(SECRET),
      stringData: { username: 'admin', password: 'simulated' },
    },
    ...numbers.map((index) => ({
      apiVersion: API_VERSION,
      kind: 'PhysicalHost',
      metadata: named(`vm-${two(index)}`),
      spec: {
        bootMACAddress: macOf(index),
        redfishConnection: { address: `http://127.0.0.1:${basePort + index}`, credentialsSecretRef: SECRET },
      },
    })),
    ...numbers.map((index) => ({
      apiVersion: API_VERSION,
      kind: 'Beskar7Machine',
      metadata: named(`worker-${two(index)}`),
      spec: {
        targetOSImage: `${imagesUrl}/target-os.tar.gz`,
        targetOSImageDigest: images.targetDigest,
        // Provisioned is when the system after kexec reports in.
        readyWhen: 'OSReported',
        hardwareRequirements: { minCPUCores: 1, minDiskGB: 1 },
      },
    })),
  ];
  return objects.map((object) => stringify(object)).join('---\n');
}
