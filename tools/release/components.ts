import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { generatedFiles } from '../../crds/generate.ts';
import { renderChart } from './chart.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const PROVIDER = { 'cluster.x-k8s.io/provider': 'infrastructure-beskar7' };
const HELM = /^ +app\.kubernetes\.io\/managed-by: Helm\n/gm;

/** What clusterctl fills in where the chart knows numbers only: stands in the rendered chart for the variable. */
const NUMBERS: Readonly<Record<string, string>> = {
  '64002': '${TEMPORAL_PORT:=7233}',
};

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: unknown;
}

/**
 * infrastructure-components.yaml: what `clusterctl init` applies. The kinds, and the chart with its defaults and the
 * variables of clusterctl in it. `version` without the v.
 */
export async function components(helm: string, version: string): Promise<string> {
  const set = {
    'crds.install': 'false',
    // The image is no variable: `--describe` and `--list-images` read it before anything is filled in. clusterctl.yaml
    // replaces images by `images:`. In full: clusterctl does not take a short name. It is what `docker build --tag
    // beskar7` makes.
    'image.repository': 'docker.io/library/beskar7',
    'image.tag': version,
    'callback.url': '${BESKAR7_CALLBACK_URL}',
    'temporal.address': '${TEMPORAL_ADDRESS}',
    'temporal.namespace': '${TEMPORAL_NAMESPACE:=beskar7}',
    'networkPolicy.temporalPort': '64002',
    'flags.log-level': '${BESKAR7_LOG_LEVEL:=info}',
    'flags.power-on-rate': '${BESKAR7_POWER_ON_RATE:=5}',
  };
  const rendered = (await renderChart(helm, { set })).map((text) => parse(text.replace(HELM, '')) as Manifest);
  const kinds = generatedFiles().map(({ content }) => parse(content) as Manifest);
  const all = [await namespace(), ...kinds, ...rendered];
  const texts = all.map((manifest) => stringify(plain(manifest), { lineWidth: 0, aliasDuplicateObjects: false }));
  return texts.map(withVariables).join('---\n');
}

/** The Namespace of deploy/manifests: the only one, by which clusterctl knows where everything belongs. */
async function namespace(): Promise<Manifest> {
  const rbac = await readFile(path.join(ROOT, 'deploy/manifests/rbac.yaml'), 'utf8');
  const documents = parseAllDocuments(rbac).map((document) => document.toJS() as Manifest);
  const found = documents.find(({ kind }) => kind === 'Namespace');
  if (!found) throw new Error('beskar7: deploy/manifests/rbac.yaml has no Namespace');
  return found;
}

/** With the mark of clusterctl instead of helm's. */
function plain(manifest: Manifest): Manifest {
  const { metadata } = manifest;
  return { ...manifest, metadata: { ...metadata, labels: { ...metadata.labels, ...PROVIDER } } };
}

function withVariables(text: string): string {
  return Object.entries(NUMBERS).reduce((all, [number, variable]) => all.replaceAll(number, variable), text);
}
