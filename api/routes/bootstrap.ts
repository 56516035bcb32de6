import type { RouterContext } from '@koa/router';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { LABEL_CLUSTER_NAME } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CAPI_MACHINES, SECRETS } from '../../kube/resource.ts';
import { find } from '../../kube/swap.ts';
import { isBootstrapSecret, notBootstrapText, ownerProblem, ownerReferenceOf } from '../../model/bootstrapSecret.ts';
import { handoverOf, isBearerOver } from '../claimWindow.ts';
import { notFound, unauthorized } from '../errors.ts';
import { limitNamespace, noteClaim, type ExchangeState } from '../exchange.ts';
import { readAuthorized } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import { nodeLabels, nodeMetadata } from '../../model/nodeMetadata.ts';
import { callbackOf } from './callback.ts';
import { CALLBACK_CALL_MS } from '../../model/deadlines.ts';

/** Key `format` of the bootstrap Secret (Cluster API's bootstrap contract), where it is one of these. */
const FORMAT_HEADER = 'Beskar7-Bootstrap-Format';
/** Base64 of the JSON of `NodeMetadata`: what the config drive says of the machine beside its user data. */
const META_DATA_HEADER = 'Beskar7-Meta-Data';
const FORMATS: readonly string[] = ['cloud-config', 'ignition'];

interface BootstrapData {
  readonly data: Buffer;
  readonly format?: string;
}

/**
 * `GET /bootstrap/{ns}/{host}`: the bootstrap data byte for byte, once the hardware has passed validation; empty when
 * none is due (rule 23). 404 before, and for ever once it cannot come any more.
 */
export function serveBootstrap(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    const { key, bearer } = callbackOf(parts, ctx, '/bootstrap/{ns}/{host}');
    const { host, claim } = await readAuthorized(parts.deps.kube, key, bearer);
    noteClaim(ctx.state, claim);
    limitNamespace(parts, key);
    if (isBearerOver(host, claim, parts.waits, Date.now())) throw unauthorized('the token has expired');
    if (claim.stage !== 'Armed') throw notFound(`the claim is in stage ${claim.stage}`);
    const handover = handoverOf(host, claim);
    if (handover?.openedAt === undefined) throw notFound('the hardware has not passed yet', { isRoutine: true });
    if (handover.outcome === 'Failed') throw notFound('the provisioning has failed');
    const { data, format } = await bootstrapData(parts, host, handover.bootstrapSecret);
    ctx.state.outcome = `${data.length} bytes of bootstrap data served`;
    ctx.status = 200;
    ctx.set({ 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' });
    if (format !== undefined) ctx.set(FORMAT_HEADER, format);
    ctx.set(META_DATA_HEADER, metaData(parts, host));
    ctx.body = data;
  };
}

function metaData({ deps, options }: ApiParts, host: PhysicalHost): string {
  const labels = nodeLabels(host, options.nodeLabelPrefixes ?? []);
  if (labels.leftOff > 0) {
    const message = `${labels.leftOff} labels of this host are not given to its Node: together they are too long. See --node-label-prefix.`;
    deps.recorder.event(host, 'Warning', 'NodeLabelsLeftOff', message);
  }
  return Buffer.from(JSON.stringify(nodeMetadata(host, labels))).toString('base64');
}

/** Empty for a machine that stands alone; one of a Cluster never gets an empty answer (rule 23). */
async function bootstrapData(parts: ApiParts, host: PhysicalHost, secret: string | undefined): Promise<BootstrapData> {
  const machine = await parts.deps.machineOf(host);
  if (machine === undefined) throw notFound('the machine that claimed the host is gone');
  if (secret !== undefined) return read(parts, host, machine, secret);
  const isAlone =
    ownerReferenceOf(machine) === undefined && machine.metadata.labels?.[LABEL_CLUSTER_NAME] === undefined;
  if (!isAlone) throw notFound('the machine is of a Cluster, and which Secret has its bootstrap data is not known');
  return { data: Buffer.alloc(0) };
}

/**
 * The data of a Secret that is bootstrap data of the machine's Cluster. The run has checked that before it wrote its
 * name; between then and now the Secret may have been replaced, and who may write a host's status may name any.
 */
async function read(
  parts: ApiParts,
  host: PhysicalHost,
  machine: Beskar7Machine,
  name: string,
): Promise<BootstrapData> {
  const { namespace = '' } = host.metadata;
  const what = `bootstrap Secret ${namespace}/${name}`;
  const cluster = await clusterOf(parts, machine);
  const secret = await find(parts.deps.kube, SECRETS, { namespace, name }, { timeoutMs: CALLBACK_CALL_MS });
  // It may come (back): the inspector asks again.
  if (secret === undefined) throw notFound(`${what} is not there`);
  if (!isBootstrapSecret(secret, cluster)) {
    const message = `${what} is not served: it ${notBootstrapText(cluster)}. The server asks again until its provisioning times out.`;
    parts.deps.recorder.event(host, 'Warning', 'BootstrapRefused', message);
    throw notFound(message);
  }
  const value = secret.data?.value;
  if (value === undefined) throw notFound(`${what} has no key "value"`);
  const format = Buffer.from(secret.data?.format ?? '', 'base64').toString();
  return { data: Buffer.from(value, 'base64'), ...(FORMATS.includes(format) ? { format } : {}) };
}

/**
 * The Cluster of a machine: that of its owner Machine, which has to name the machine as its own, else that of its
 * label. Undefined for one that stands alone.
 */
async function clusterOf(parts: ApiParts, machine: Beskar7Machine): Promise<string | undefined> {
  const reference = ownerReferenceOf(machine);
  if (reference === undefined) return machine.metadata.labels?.[LABEL_CLUSTER_NAME];
  const at = { namespace: machine.metadata.namespace ?? '', name: reference.name };
  const what = `the owner Machine ${at.namespace}/${at.name}`;
  const owner = await find(parts.deps.kube, CAPI_MACHINES, at, { timeoutMs: CALLBACK_CALL_MS });
  if (owner === undefined) throw notFound(`${what} is not there`);
  const problem = ownerProblem(machine, owner);
  if (problem !== undefined) throw notFound(`${what} ${problem}`);
  return owner.spec.clusterName;
}
