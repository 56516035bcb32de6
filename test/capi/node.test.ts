import { copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { VM_DEFAULTS, type VmOptions } from '../../simulator/vm/options.ts';
import { ensureVmImages } from '../../tools/vm/images.ts';
import { ensureNodeImage, missingForNodeImage, type NodeImage } from '../../tools/vm/nodeImage.ts';
import { CapiWorld } from '../support/capi/capiWorld.ts';
import { NODES, TEST_MACHINES } from '../support/capi/kinds.ts';
import { machineDeployment, machineTemplate } from '../support/capi/objects.ts';
import { EXTERNAL_CONTROL_PLANE, outsideCluster } from '../support/capi/outsideCluster.ts';
import { joinData } from '../support/vm/joinData.ts';
import { describeWithVms, readConsole, untilConsole } from '../support/vm/machines.ts';
import { WorkloadCluster } from '../support/vm/workloadCluster.ts';

// The programs and the image are made the first time.
jest.setTimeout(2_400_000);

/** Without KVM, and while the machine does other things as well: from the first power-on to a Node that is Ready. */
const NODE_MS = 1_200_000;
const GATEWAY = '10.0.2.2';
const CLUSTER = 'n';

/** It takes a core for some seven minutes: asked for by this variable, it is no part of `npm test`. */
const missing =
  process.env.BESKAR7_TEST_NODE === undefined ? ['BESKAR7_TEST_NODE=1 in the environment'] : missingForNodeImage();
if (missing.length > 0)
  process.stderr.write(`beskar7: the test with a real Node is SKIPPED: there is no ${missing.join(', no ')}\n`);
const describeNode = missing.length > 0 ? describe.skip : describeWithVms;

/** One virtual machine under the real core controllers, and a workload cluster that it can join. */
class NodeWorld extends CapiWorld {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-node-'));
  readonly consoleFile = path.join(this.folder, 'vms', 'sim-0001', 'console.log');
  readonly workload = new WorkloadCluster();
  override seenAs = GATEWAY;
  override playsKubelets = false;
  image!: NodeImage;

  async boot(firmware: VmOptions['firmware']): Promise<void> {
    const say = (line: string) => void process.stderr.write(`beskar7: ${line}\n`);
    const inspector = await ensureVmImages(say);
    this.image = await ensureNodeImage(say);
    await this.workload.start();
    const images = path.join(this.folder, 'images');
    mkdirSync(path.join(images, 'inspector'), { recursive: true });
    for (const name of ['inspector/vmlinuz', 'inspector/initrd.img'])
      place(path.join(inspector.folder, name), path.join(images, name));
    place(path.join(this.image.folder, this.image.name), path.join(images, this.image.name));
    this.flags.push(`--images-folder=${images}`);
    const vm = { ...VM_DEFAULTS, memoryMiB: 1_536, firmware, folder: path.join(this.folder, 'vms') };
    await this.start({ hosts: 1, profile: 'generic', vm });
    await this.apply([EXTERNAL_CONTROL_PLANE]);
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.workload.stop();
    rmSync(this.folder, { recursive: true });
  }
}

/** Under its name in another folder, without a copy where that is possible. */
function place(file: string, target: string): void {
  try {
    linkSync(file, target);
  } catch {
    copyFileSync(file, target);
  }
}

describeNode.each(['bios'] as const)('a Node of Debian with %s firmware', (firmware) => {
  const world = new NodeWorld(`capi-node-${firmware}`);
  const { workload } = world;
  let began = 0;
  let machineName = '';

  const took = (what: string) =>
    void process.stderr.write(
      `beskar7: node, ${firmware}: ${what} after ${Math.round((Date.now() - began) / 1_000)} s\n`,
    );

  beforeAll(() => world.boot(firmware));
  afterAll(() => world.stop());

  test('Beskar7 writes the image, cloud-init finds the drive, kubeadm joins: a Node that is Ready', async () => {
    await world.apply(
      outsideCluster({
        name: CLUSTER,
        endpoint: { host: workload.host, port: workload.port },
        kubeconfigFile: workload.kubeconfigFile,
        bootstrapData: joinData(workload.discovery()),
      }),
    );
    began = Date.now();
    await world.apply([
      machineTemplate('workers', {
        targetOSImage: `http://${GATEWAY}:${new URL(world.bootUrl).port}/images/${world.image.name}`,
        targetOSImageDigest: world.image.digest,
        deployMode: 'WholeDisk',
      }),
      machineDeployment(CLUSTER, 'workers', 'workers', 1),
    ]);
    await world.untilHosts('Inspecting', 1, NODE_MS);
    took('power-on');
    await world.untilHosts('Ready', 1, NODE_MS);
    took('the hardware has passed');
    machineName = (await world.workers())[0]?.metadata.name ?? '';
    await world.machineIs(machineName, 'Provisioned', NODE_MS);
    took('the image is written');
    await workload.until('create', `node/${machineName}`, NODE_MS);
    took('the Node registered');
    await workload.until('condition=Ready', `node/${machineName}`, NODE_MS);
    took('the Node is Ready');

    const node = await workload.client.get(NODES, '', machineName);
    const machine = await world.machine(machineName);
    expect(node.spec.providerID).toBe(machine?.spec.providerID);
    expect(node.status?.nodeInfo).toMatchObject({
      osImage: expect.stringContaining('Debian GNU/Linux 12'),
      kubeletVersion: 'v1.36.3',
      containerRuntimeVersion: expect.stringMatching(/^containerd:/),
    });
    expect(await workload.kubectl('get', 'certificatesigningrequests')).toMatch(
      /kube-apiserver-client-kubelet +system:bootstrap:\w{6} .*Approved,Issued/,
    );
    // Both drives are there; which one cloud-init takes is its own business.
    const finished =
      /Cloud-init v\. [\d.]+ finished .*DataSource(NoCloud|ConfigDrive) \[.*(seed|source)=\/dev\/vda\d\]/;
    await untilConsole(world.consoleFile, finished, 120_000);
    expect(world.serverOf('host-1').server.state).toMatchObject({ power: 'On', boots: 2, networkBoots: 1 });
  });

  test('Cluster API finds it by its providerID: the Machine is Running', async () => {
    const machine = await world.untilMachineRuns(machineName);
    took('the Machine is Running');
    expect(machine.status?.nodeRef?.name).toBe(machineName);
    expect(machine.spec.providerID).toBe((await world.machine(machineName))?.spec.providerID);
  });

  test('scaled to nothing: Node and Machine are gone, the server is off and free', async () => {
    await world.kubectl('scale', 'machinedeployment', 'workers', '--replicas=0');
    await world.until(
      TEST_MACHINES,
      machineName,
      (found) => found === undefined,
      120_000,
      `Machine ${machineName} gone`,
    );
    expect(await workload.kubectl('get', 'nodes', '-o', 'name')).not.toContain(machineName);
    expect(await world.untilHosts('Available', 1)).toEqual(['host-1']);
    world.expectFree('host-1');
  });

  test('no secret stood on the console of the server', () => {
    const said = readConsole(world.consoleFile);
    for (const secret of world.witness.secrets.keys()) expect(said).not.toContain(secret);
  });
});
